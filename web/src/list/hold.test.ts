import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Hold } from "./hold.svelte.ts";

test("what is used stays as it is until nobody uses it any more in any way", () => {
  let latest = "one";
  const hold = new Hold(() => latest);
  hold.hold("hover");
  hold.hold("focus");
  latest = "two";
  assert.deepEqual([hold.shown, hold.stale], ["one", true]);
  hold.release("hover");
  hold.release("hover");
  assert.equal(hold.shown, "one");
  hold.release("focus");
  assert.deepEqual([hold.shown, hold.stale], ["two", false]);
  latest = "three";
  assert.equal(hold.shown, "three");
});

test("who asks for it gets the latest, which then stays", () => {
  let latest = "one";
  const hold = new Hold(() => latest);
  hold.hold("focus");
  latest = "two";
  hold.renew();
  assert.deepEqual([hold.shown, hold.stale], ["two", false]);
  latest = "three";
  assert.equal(hold.shown, "two");
});

test("a touch or a turn of the wheel holds for a while, the last of them counts", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let latest = "one";
  const hold = new Hold(() => latest);
  hold.linger("scroll");
  latest = "two";
  mock.timers.tick(1000);
  hold.linger("scroll");
  mock.timers.tick(1000);
  assert.equal(hold.shown, "one");
  mock.timers.tick(1000);
  assert.equal(hold.shown, "two");
  mock.timers.reset();
});
