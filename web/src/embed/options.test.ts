import assert from "node:assert/strict";
import { test } from "node:test";
import { stepBack } from "./options.ts";

test("a place is seen from one zoom further away, and nothing else of an address is changed", () => {
  assert.equal(stepBack("?layers=a&map=12.345/45.2/-28.6&lang=de"), "?layers=a&map=11.345/45.2/-28.6&lang=de");
  assert.equal(stepBack("?map=13%2F45.2%2F-28.6"), "?map=12%2F45.2%2F-28.6");
  assert.equal(stepBack("#0.4/45.2/-28.6"), "#0/45.2/-28.6");
  for (const kept of ["", "?layers=a", "?map=here", "?filter.a=roadmap=13/4", "?area=1/2", "#x"]) assert.equal(stepBack(kept), kept);
});
