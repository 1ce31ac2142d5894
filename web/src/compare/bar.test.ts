import assert from "node:assert/strict";
import { test } from "node:test";
import { flushSync } from "svelte";
import { Queries } from "../query/queries.ts";
import { MapState } from "../state/map-state.svelte.ts";
import { FakeServer, ROOT } from "../testing/fake-server.ts";
import { TONGUES } from "../testing/tongues.ts";
import { OtherBar } from "./other.ts";

test("what chart and table tell of is chosen on either side", async () => {
  const server = new FakeServer(["crime", "trees"]);
  const queries = new Queries({ root: ROOT, fetch: server.fetch });
  let address = "?layers=crime,trees&tab=chart&compare=side&compare.layers=trees,crime";
  const write = (link: string): void => void (address = link);
  const page = new MapState(queries, { read: () => new URL(address, ROOT), push: write, replace: write }, TONGUES);
  const other = page.twin(new OtherBar(page, () => "side"));
  for (let round = 0; round < 5; round += 1) {
    flushSync();
    server.waiting.forEach((request) => request.answer());
    await new Promise((done) => setTimeout(done));
  }
  assert.deepEqual([page.subject, other.subject], ["crime", "trees"]);
  other.setSubject("crime");
  assert.equal(other.outdated, false);
  assert.match(address, /&of=crime/);
  other.setSubject("trees");
  assert.deepEqual([page.subject, other.subject], ["trees", "trees"]);
  assert.equal(other.outdated, false);
  other.toggle("trees");
  assert.equal(other.outdated, false);
  page.close();
  other.close();
  queries.close();
});
