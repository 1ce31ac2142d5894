import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { readTold } from "./told.ts";

const block = { dataset: { address: "api/layers?lang=en" }, textContent: "{}" };
const page = { querySelectorAll: () => [block] } as unknown as ParentNode;

for (const [what, visit, told] of [
  ["that came from the server", { transferSize: 8310 }, 1],
  ["that came from the server's 304", { transferSize: 300 }, 1],
  ["in a browser that does not tell", {}, 1],
  ["that came from the browser's memory, however old", { transferSize: 0 }, 0],
] as const) {
  test(`a page ${what} tells ${told ? "what stands in it" : "nothing"}`, () => {
    const entries = mock.method(performance, "getEntriesByType", () => [visit]);
    assert.deepEqual([...readTold(page).values()], told ? ["{}"] : []);
    entries.mock.restore();
  });
}
