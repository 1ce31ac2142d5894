import assert from "node:assert/strict";
import { test } from "node:test";
import { freePart, shiftInto } from "./room.ts";

const beside = { left: 512, top: 16 };
const below = { left: 8, top: 500 };

test("a card at the side leaves the column before it, one at the bottom what is above it", () => {
  assert.deepEqual(freePart(904, 800, beside), { left: 0, top: 0, right: 512, bottom: 800 });
  assert.deepEqual(freePart(360, 800, below), { left: 0, top: 0, right: 360, bottom: 500 });
  assert.deepEqual(freePart(360, 800, null), { left: 0, top: 0, right: 360, bottom: 800 });
});

test("a place that is in view stays where it is, one beneath the card comes out just far enough", () => {
  const free = freePart(904, 800, beside);
  assert.deepEqual(shiftInto({ x: 300, y: 400 }, free), [0, 0]);
  assert.deepEqual(shiftInto({ x: 700, y: 700 }, free), [228, 0]);
  assert.deepEqual(shiftInto({ x: -10, y: 790 }, free), [-50, 30]);
  assert.deepEqual(shiftInto({ x: 15, y: 100 }, { left: 0, top: 0, right: 30, bottom: 800 }), [0, 0]); // no room for more
});
