import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ROOT } from "../testing/fake-server.ts";
import { follow } from "./changes.ts";
import { Presence } from "./presence.svelte.ts";

/** Streams that are open, and what they are told. */
class FakeSource extends EventTarget {
  static open: FakeSource[] = [];
  readonly url: string;
  constructor(url: string) {
    super();
    this.url = url;
    FakeSource.open.push(this);
  }
  close(): void {
    FakeSource.open = FakeSource.open.filter((other) => other !== this);
  }
  tell(name: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
}

class FakePage extends EventTarget {
  hidden = false;
  show(shown: boolean): void {
    this.hidden = !shown;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

function start(layers = ["crime", "trees"]): { page: FakePage; versions: Record<string, string>; looks: () => number; stop: () => void } {
  const page = new FakePage();
  Object.assign(globalThis, { EventSource: FakeSource, document: page });
  FakeSource.open = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const versions: Record<string, string> = { crime: "1000-1", trees: "1000-1" };
  let looks = 0;
  const presence = new Presence(() => Promise.resolve(true));
  const stop = follow({ root: ROOT, layers, presence, known: (id) => versions[id], look: () => (looks += 1) });
  mock.timers.tick(600);
  return { page, versions, looks: () => looks, stop };
}

const change = (version: string, layer = "crime"): unknown => ({ layer, version, bounds: null });

test("one stream tells of all layers, and what is older than a change is asked for once", () => {
  const { versions, looks, stop } = start();
  assert.deepEqual(
    FakeSource.open.map(({ url }) => url),
    [`${ROOT}api/changes?layers=crime,trees`],
  );
  const [source] = FakeSource.open;
  source!.tell("state", { layers: [change("1000-1"), change("1000-1", "trees")] });
  mock.timers.tick(10_000);
  assert.equal(looks(), 0);
  source!.tell("change", change("1000-2"));
  source!.tell("change", change("1000-2", "trees"));
  mock.timers.tick(1_000);
  assert.equal(looks(), 1);
  Object.assign(versions, { crime: "1000-2", trees: "1000-3" });
  mock.timers.tick(60_000);
  assert.equal(looks(), 1);
  stop();
  assert.equal(FakeSource.open.length, 0);
});

test("a catalogue that is behind is asked a few times more, and then no more", () => {
  const { looks, stop } = start();
  FakeSource.open[0]!.tell("change", change("2000-1"));
  for (let second = 0; second < 60; second += 1) mock.timers.tick(1_000);
  assert.equal(looks(), 5);
  stop();
});

test("what changed while there was no stream is told by the state of the next one", () => {
  const { looks, stop } = start();
  FakeSource.open[0]!.tell("error", null);
  assert.equal(FakeSource.open.length, 0);
  mock.timers.tick(4_000);
  FakeSource.open[0]!.tell("state", { layers: [change("1000-9")] });
  mock.timers.tick(1_000);
  assert.equal(looks(), 1);
  stop();
});

test("a stream that is refused is asked for ever more rarely", () => {
  const { stop } = start();
  let asked = 0;
  for (let second = 0; second < 1_200; second += 1) {
    if (FakeSource.open.length) asked += 1;
    FakeSource.open[0]?.tell("error", null);
    mock.timers.tick(1_000);
  }
  assert.ok(asked > 5 && asked < 30, String(asked));
  stop();
});

test("a page that nobody sees has no stream", () => {
  const { page, stop } = start();
  page.show(false);
  assert.equal(FakeSource.open.length, 0);
  mock.timers.tick(600_000);
  assert.equal(FakeSource.open.length, 0);
  page.show(true);
  assert.equal(FakeSource.open.length, 1);
  stop();
});
