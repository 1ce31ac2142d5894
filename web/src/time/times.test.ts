import assert from "node:assert/strict";
import { test } from "node:test";
import { flushSync } from "svelte";
import { Queries } from "../query/queries.ts";
import { MapState } from "../state/map-state.svelte.ts";
import { FakeServer, ROOT } from "../testing/fake-server.ts";
import { TONGUES } from "../testing/tongues.ts";
import { Times } from "./times.svelte.ts";

const LAYERS = ["crime", "bike-paths", "districts"];

async function serve(server: FakeServer): Promise<void> {
  for (let quiet = 0; quiet < 5; quiet += 1) {
    flushSync();
    await new Promise((done) => setTimeout(done));
    if (server.waiting.length) quiet = -1;
    for (const request of server.waiting) request.answer();
  }
}

test("bars and steps of what is narrowed to another layer's feature are those of that feature as it is", async () => {
  const server = new FakeServer(LAYERS);
  const queries = new Queries({ root: ROOT, fetch: server.fetch });
  const state = new MapState(
    queries,
    {
      read: () => new URL("?layers=crime&area=feature:districts/3#12/0/0", ROOT),
      push: () => undefined,
      replace: () => undefined,
    },
    TONGUES,
  );
  const times = new Times(state);
  await serve(server);
  state.zoomed(12);
  const span = { from: "2024-01-01", to: "2024-03-31" };
  [times.course, times.coming] = [{ span, unit: "month" }, [span]];
  const versions = (): string[] => [...times.list().values()].map(({ version }) => version);
  assert.deepEqual(versions(), Array(4).fill("1 1"));
  server.layers = server.layers.map((layer) => (layer.id === "districts" ? { ...layer, version: "2" } : layer));
  state.known.look();
  await serve(server);
  assert.deepEqual(versions(), Array(4).fill("1 2"));
  state.close();
  queries.close();
});
