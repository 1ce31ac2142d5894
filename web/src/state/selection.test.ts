import assert from "node:assert/strict";
import { test } from "node:test";
import { cardKey, pick, positionOf, turn, type Stacked } from "./selection.ts";

const stack: Stacked[] = [1, 2, 3].map((fid) => ({ layer: fid === 3 ? "trees" : "crime", fid, properties: {}, at: [fid, 0] }));

test("those at one place are paged through, around the ends, and share one card", () => {
  const first = pick(stack, 0);
  const order = [first, turn(first, 1), turn(turn(first, 1), 1), turn(first, -1), turn(turn(first, -1), 1)];
  assert.deepEqual(order.map(positionOf), [0, 1, 2, 2, 0]);
  assert.deepEqual([order[2]!.layer, order[2]!.fid, order[2]!.at], ["trees", 3, [3, 0]]);
  assert.equal(new Set(order.map(cardKey)).size, 1);
});

test("what lies alone has no pages", () => {
  const alone = pick(stack.slice(0, 1), 0);
  assert.equal(alone.stack, undefined);
  assert.equal(cardKey(alone), "crime 1");
  assert.deepEqual(turn(alone, 1), alone);
});
