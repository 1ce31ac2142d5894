import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Presence } from "./presence.svelte.ts";

/** A server that is there or not, and the moments at which it was asked. */
class Server {
  there = false;
  asked: number[] = [];
  readonly ask = (): Promise<boolean> => {
    this.asked.push(Date.now());
    return Promise.resolve(this.there);
  };
}

/** Let so many milliseconds pass, one after the other. */
async function pass(milliseconds: number): Promise<void> {
  for (let at = 0; at < milliseconds; at += 100) {
    mock.timers.tick(100);
    await new Promise((done) => setImmediate(done));
  }
}

test("a server that is gone is asked more and more seldom, and whoever waits is told once when it is back", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const server = new Server();
    const presence = new Presence(server.ask);
    let told = 0;
    presence.onAnswer(() => (told += 1));
    for (let doubts = 0; doubts < 20; doubts += 1) presence.doubt();
    await pass(300_000);
    assert.equal(presence.gone, true);
    assert.ok(server.asked.length > 15 && server.asked.length < 50, String(server.asked.length));
    const waits = server.asked.slice(1).map((at, index) => at - server.asked[index]!);
    assert.ok(Math.max(...waits) <= 15_100 && Math.min(...waits.slice(5)) >= 7_400, String(waits));
    assert.equal(told, 0);
    server.there = true;
    presence.hurry();
    await pass(60_000);
    assert.deepEqual([presence.gone, told], [false, 1]);
    const asked = server.asked.length;
    await pass(60_000);
    assert.equal(server.asked.length, asked, "it goes on asking a server that is there");
    presence.close();
  } finally {
    mock.timers.reset();
  }
});

test("a server that is there while something else is not is asked more and more seldom too", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const server = new Server();
    server.there = true;
    const presence = new Presence(server.ask);
    presence.onAnswer(() => setTimeout(() => presence.doubt(), 50));
    presence.doubt();
    await pass(120_000);
    assert.equal(presence.gone, false);
    assert.ok(server.asked.length < 25, String(server.asked.length));
    presence.close();
    await pass(60_000);
  } finally {
    mock.timers.reset();
  }
});
