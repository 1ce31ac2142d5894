import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { markResolution } from "./picture.ts";

test("a picture says how many dots a metre of it has, before all that is drawn", () => {
  const head = Uint8Array.from({ length: 33 }, (_, index) => index);
  const marked = markResolution(new Uint8Array([...head, 7, 8, 9]), 300);
  const view = new DataView(marked.buffer);
  assert.deepEqual(marked.slice(0, 33), head);
  assert.deepEqual([view.getUint32(33), new TextDecoder().decode(marked.slice(37, 41))], [9, "pHYs"]);
  assert.deepEqual([view.getUint32(41), view.getUint32(45), marked[49]], [11811, 11811, 1]);
  assert.equal(view.getUint32(50), crc32(marked.slice(37, 50)));
  assert.deepEqual([...marked.slice(54)], [7, 8, 9]);
});
