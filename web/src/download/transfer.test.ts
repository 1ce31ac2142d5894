import assert from "node:assert/strict";
import { test } from "node:test";
import { Transfer, type Stage } from "./transfer.svelte.ts";

const FILE = { offer: "features csv false", address: "http://localhost/download/trees.csv", name: "trees.csv", about: 1000 };

/** The stages that a transfer goes through when the server answers so, and the transfer. */
async function transferOf(answer: () => Promise<Response>, about: number | null = 1000): Promise<Transfer> {
  const before = globalThis.fetch;
  globalThis.fetch = answer;
  try {
    const transfer = new Transfer({ ...FILE, about });
    await transfer.start();
    return transfer;
  } finally {
    globalThis.fetch = before;
  }
}

const refusal = (status: number, headers: Record<string, string> = {}): (() => Promise<Response>) => {
  const body = JSON.stringify({ status, detail: "What was wrong." });
  return () => Promise.resolve(new Response(body, { status, headers }));
};

test("what the server refuses is told apart, with the wait and in its own words", async () => {
  const stages: [number, Stage][] = [
    [429, "busy"],
    [503, "unavailable"],
    [500, "unavailable"],
    [400, "refused"],
    [404, "refused"],
  ];
  for (const [status, stage] of stages) {
    for (const about of [1000, null]) {
      const transfer = await transferOf(refusal(status, { "Retry-After": "7" }), about);
      assert.deepEqual([transfer.stage, transfer.reason, transfer.wait], [stage, "What was wrong.", 7], `${status}`);
      assert.equal(transfer.moving, false);
    }
  }
  assert.equal((await transferOf(refusal(429))).wait, 10);
});

test("a refusal by something between, without words of ours, is one, too", async () => {
  const transfer = await transferOf(() => Promise.resolve(new Response("<html>", { status: 502, statusText: "Bad Gateway" })));
  assert.deepEqual([transfer.stage, transfer.reason], ["unavailable", "Bad Gateway"]);
});

test("a file that breaks off is no file", async () => {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulled++ < 2) controller.enqueue(new Uint8Array(300));
      else controller.error(new TypeError("network error"));
    },
  });
  const transfer = await transferOf(() => Promise.resolve(new Response(body, { headers: { "Content-Length": "1000" } })));
  assert.deepEqual([transfer.stage, transfer.got, transfer.total], ["broken", 600, 1000]);
});

test("a server that does not answer is told apart from one that breaks off", async () => {
  assert.equal((await transferOf(() => Promise.reject(new TypeError("Failed to fetch")))).stage, "unanswered");
});

test("who stops it before or after the first byte has stopped it", async () => {
  const before = globalThis.fetch;
  try {
    for (const begun of [false, true]) {
      globalThis.fetch = (_, init) => {
        const { signal } = init!;
        const ended = new Promise<never>((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
        const body = new ReadableStream<Uint8Array>({ pull: () => ended });
        return begun ? Promise.resolve(new Response(body)) : ended;
      };
      const transfer = new Transfer(FILE);
      const done = transfer.start();
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(transfer.stage, begun ? "running" : "waiting");
      transfer.stop();
      await done;
      assert.equal(transfer.stage, "stopped");
    }
  } finally {
    globalThis.fetch = before;
  }
});
