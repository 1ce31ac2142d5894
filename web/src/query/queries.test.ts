import assert from "node:assert/strict";
import { after, mock, test } from "node:test";
import { FakeServer, ROOT } from "../testing/fake-server.ts";
import { Queries, type Answer } from "./queries.ts";
import { OURS, type Ask } from "./server.ts";

const closing: Queries[] = [];
after(() => closing.forEach((queries) => queries.close()));

function start(): { server: FakeServer; queries: Queries } {
  const server = new FakeServer(["crime"]);
  const queries = new Queries({ root: ROOT, fetch: server.fetch });
  closing.push(queries);
  return { server, queries };
}

const ask = (name: string, version = "1"): Ask<{ n: number }> => ({
  address: `api/layers/crime?${name}`,
  version,
  read: (text) => JSON.parse(text) as { n: number },
});

/** Where time stands still. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

const rest = (milliseconds = 5): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

test("equal questions share one request, and an answer is kept", async () => {
  const { server, queries } = start();
  const told: (number | undefined)[][] = [[], [], []];
  const watches = [0, 1].map((index) => queries.watch(ask("a"), ({ data }) => told[index]!.push(data?.n)));
  await rest();
  assert.equal(server.asked.length, 1);
  server.find("?a").answer({ n: 7 });
  await rest();
  watches.forEach((watch) => watch.stop());
  queries.watch(ask("a"), ({ data }) => told[2]!.push(data?.n)).stop();
  assert.deepEqual(
    told.map((each) => each.at(-1)),
    [7, 7, 7],
  );
  assert.equal(server.asked.length, 1);
});

test("another version of the data is another question", async () => {
  const { server, queries } = start();
  let seen: Answer<{ n: number }> | undefined;
  const watch = queries.watch(ask("a"), (answer) => (seen = answer));
  await rest();
  server.find("?a").answer({ n: 1 });
  await rest();
  watch.change(ask("a", "2"));
  assert.deepEqual(seen, { data: undefined, error: null, busy: true });
  await rest();
  server.find("?a").answer({ n: 2 });
  await rest();
  assert.deepEqual(seen, { data: { n: 2 }, error: null, busy: false });
  watch.stop();
});

test("a request is broken off when nobody waits for it any more, and not before", async () => {
  const { server, queries } = start();
  const watches = [0, 1].map(() => queries.watch(ask("a"), () => undefined));
  await rest();
  const request = server.find("?a");
  watches[0]!.stop();
  await rest();
  assert.equal(request.aborted, false);
  watches[1]!.change(ask("b"));
  await rest();
  assert.equal(request.aborted, true);
  assert.deepEqual(
    server.waiting.map(({ address }) => address),
    ["api/layers/crime?b"],
  );
  watches[1]!.stop();
});

test("what got no answer is asked again by itself, what was refused is not", async () => {
  const { server, queries } = start();
  const seen: Record<string, Answer<{ n: number }>> = {};
  const watches = ["refused", "broken"].map((name) => queries.watch(ask(name), (answer) => (seen[name] = answer)));
  await rest();
  server.find("refused").answer({ detail: "no", parameter: "filter" }, 400);
  server.find("broken").answer("<html>", 500);
  await rest();
  assert.deepEqual(
    [seen["refused"]!.error?.status, seen["refused"]!.error?.message, seen["refused"]!.error?.parameter],
    [400, "no", "filter"],
  );
  assert.equal(seen["broken"]!.error?.status, 500);
  await rest(1200);
  assert.deepEqual(
    server.waiting.map(({ address }) => address),
    ["api/layers/crime?broken"],
  );
  server.find("broken").answer({ n: 3 });
  await rest();
  assert.deepEqual([seen["broken"]!.data?.n, seen["broken"]!.error], [3, null]);
  watches.forEach((watch) => watch.stop());
});

test("half an answer is no answer", async () => {
  const { server, queries } = start();
  let seen: Answer<{ n: number }> | undefined;
  const broken = { ...ask("a"), read: () => JSON.parse("{") as never };
  const watch = queries.watch<{ n: number }>(broken, (answer) => (seen = answer));
  await rest();
  server.find("?a").answer({});
  await rest();
  assert.equal(seen?.error?.status, 0);
  watch.stop();
});

test("a fault of ours is told and not asked again", async () => {
  const { server, queries } = start();
  const told = mock.method(console, "error", () => undefined);
  let seen: Answer<{ n: number }> | undefined;
  const faulty = { ...ask("a"), read: () => (undefined as unknown as { n: () => never }).n() };
  const watch = queries.watch<{ n: number }>(faulty, (answer) => (seen = answer));
  await rest();
  server.find("?a").answer({});
  await rest(1200);
  told.mock.restore();
  assert.equal(seen?.error?.status, OURS);
  assert.deepEqual([seen.error.unanswered, server.asked.length, told.mock.callCount()], [false, 1, 1]);
  watch.stop();
});

test("after an answer, the next failure is tried again as soon as a first one", async () => {
  const { server, queries } = start();
  const watch = queries.watch(ask("a"), () => undefined);
  const fail = async (): Promise<void> => {
    await rest();
    server.find("?a").answer("<html>", 500);
    await rest();
  };
  await fail();
  await rest(1100);
  await fail();
  await rest(2100);
  server.find("?a").answer({ n: 1 });
  await rest();
  watch.retry();
  await fail();
  const asked = server.asked.length;
  await rest(1200);
  assert.equal(server.asked.length, asked + 1);
  watch.stop();
});

test("what came with the page is not asked for, and once it is old it is", async () => {
  const server = new FakeServer(["crime"]);
  const queries = new Queries({ root: ROOT, fetch: server.fetch, told: new Map([["api/layers/crime?a", '{"n": 5}']]) });
  closing.push(queries);
  let seen: Answer<{ n: number }> | undefined;
  const watch = queries.watch(ask("a"), (answer) => (seen = answer));
  await rest();
  assert.deepEqual([seen?.data?.n, server.asked.length], [5, 0]);
  watch.change(ask("a", "2"));
  await rest();
  assert.equal(server.asked.length, 1);
  watch.stop();
});

test("what nobody listens to is forgotten in time, though it was being asked for again", async () => {
  const { server, queries } = start();
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const watch = queries.watch({ ...ask("poll"), again: 1000 }, () => undefined);
    await settle();
    server.find("?poll").answer({ n: 1 });
    await settle();
    mock.timers.tick(1000);
    await settle();
    watch.stop();
    await settle();
    assert.equal(queries.size, 1);
    mock.timers.tick(10 * 60_000);
    assert.equal(queries.size, 0);
  } finally {
    mock.timers.reset();
  }
});

test("answers are kept in number, those that somebody looks at above all", async () => {
  const { server, queries } = start();
  const kept = queries.watch(ask("kept"), () => undefined);
  for (let number = 0; number < 400; number += 1) {
    const watch = queries.watch(ask(String(number)), () => undefined);
    await rest(0);
    for (const request of server.waiting) request.answer({ n: number });
    await rest(0);
    watch.stop();
  }
  assert.ok(queries.size <= 300, String(queries.size));
  const asked = server.asked.length;
  queries.watch(ask("kept"), () => undefined).stop();
  queries.watch(ask("399"), () => undefined).stop();
  assert.equal(server.asked.length, asked);
  kept.stop();
});

test("what came with the page is no answer any more once something has changed", async () => {
  const server = new FakeServer(["crime"]);
  const told = new Map([["api/layers/crime?late", '{"n": 5}']]);
  const queries = new Queries({ root: ROOT, fetch: server.fetch, told });
  closing.push(queries);
  const watch = queries.watch(ask("a"), () => undefined);
  for (const n of [1, 1, 2]) {
    assert.equal(told.size, 1);
    await rest();
    server.find("?a").answer({ n });
    await rest();
    watch.retry();
  }
  assert.equal(told.size, 0);
  watch.stop();
});

test("JSON that says nothing is no answer, and is asked again", async () => {
  const { server, queries } = start();
  const seen: Answer<unknown>[] = [];
  const watches = [JSON.parse, (text: string) => (JSON.parse(text) as { layers?: unknown }).layers].map((read, index) =>
    queries.watch(
      { address: `nothing?${index}`, version: "", read: read as (text: string) => unknown },
      (answer) => (seen[index] = answer),
    ),
  );
  await rest();
  server.find("?0").answer(null);
  server.find("?1").answer({ error: "of something between us" });
  await rest();
  assert.deepEqual(
    seen.map(({ error, busy }) => [error?.status, busy]),
    [
      [0, false],
      [0, false],
    ],
  );
  await rest(1200);
  server.find("healthz").answer();
  await rest();
  assert.deepEqual(server.waiting.map(({ address }) => address).sort(), ["nothing?0", "nothing?1"]);
  watches.forEach((watch) => watch.stop());
});

test("a line that is dead without a word is given up, and asked again", async () => {
  const { server, queries } = start();
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let seen: Answer<{ n: number }> | undefined;
    const watch = queries.watch(ask("a"), (answer) => (seen = answer));
    await settle();
    const dead = server.find("?a");
    mock.timers.tick(60_000);
    await settle();
    assert.equal(dead.aborted, true);
    mock.timers.tick(1_000);
    assert.deepEqual(server.waiting.map(({ address }) => address).sort(), ["api/layers/crime?a", "healthz"]);
    server.find("?a").answer({ n: 1 });
    await settle();
    assert.deepEqual(seen, { data: { n: 1 }, error: null, busy: false });
    watch.stop();
    mock.timers.tick(120_000);
    assert.equal(server.asked.filter((address) => address.endsWith("?a")).length, 2);
  } finally {
    mock.timers.reset();
  }
});

test("what is looked at again and again is looked at again after a refusal too", async () => {
  const { server, queries } = start();
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let seen: Answer<{ n: number }> | undefined;
    const watch = queries.watch({ ...ask("poll"), again: 30_000 }, (answer) => (seen = answer));
    for (const status of [404, 403, 200]) {
      await settle();
      server.find("?poll").answer({ n: 1 }, status);
      await settle();
      mock.timers.tick(30_000);
    }
    assert.deepEqual([seen?.data?.n, server.asked.length], [1, 4]);
    watch.stop();
  } finally {
    mock.timers.reset();
  }
});

test("an answer that may be behind is asked for once more when it is so no longer", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const { server, queries } = start();
    let seen: number | undefined;
    const watch = queries.watch({ ...ask("held"), behind: 2_500 }, ({ data }) => (seen = data?.n));
    await settle();
    server.find("?held").answer({ n: 1 });
    await settle();
    mock.timers.tick(2_000);
    await settle();
    assert.equal(server.asked.length, 1);
    mock.timers.tick(500);
    await settle();
    assert.equal(server.asked.length, 2);
    server.find("?held").answer({ n: 2 });
    await settle();
    assert.equal(seen, 2);
    mock.timers.tick(60_000);
    await settle();
    assert.equal(server.asked.length, 2);
    watch.stop();
  } finally {
    mock.timers.reset();
  }
});

test("a refused question whose answer might have been behind is not asked again", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const { server, queries } = start();
    const watch = queries.watch({ ...ask("refused"), behind: 2_500 }, () => undefined);
    await settle();
    server.find("?refused").answer({ detail: "no" }, 400);
    await settle();
    mock.timers.tick(60_000);
    await settle();
    assert.equal(server.asked.length, 1);
    watch.stop();
  } finally {
    mock.timers.reset();
  }
});
