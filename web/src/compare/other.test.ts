import assert from "node:assert/strict";
import { test } from "node:test";
import type { MapState } from "../state/map-state.svelte.ts";
import { modeOf, OtherBar, readOther, writeOther } from "./other.ts";

const LINK = "?v=1&layers=crime,trees&filter.crime=category%3D'theft'&time=2025-01-01/..&select=crime/7&tab=chart&base=dark#13/45.2/-28.6";

test("a comparison that is opened begins with a copy of the first map", () => {
  const { search, hash } = readOther(LINK.replace("#", "&compare=#"));
  assert.equal(search, "?v=1&layers=crime,trees&filter.crime=category='theft'&time=2025-01-01/..&tab=chart&base=dark");
  assert.equal(hash, "#13/45.2/-28.6");
});

test("the other map has filters of its own, and the page's tab, colours, place and layers", () => {
  const { search, hash } = readOther(LINK.replace("#", "&compare=side&compare.filter.crime=a%3D1&compare.time=2024-01-01/..#"));
  assert.equal(search, "?v=1&layers=crime,trees&tab=chart&base=dark&filter.crime=a=1&time=2024-01-01/..");
  assert.equal(hash, "#13/45.2/-28.6");
});

test("what it shows is written beside what the first shows, layers only where they are others", () => {
  const other = "?v=1&layers=crime,trees&filter.crime=a%3D1&area=1,2,3,4&select=trees/3&tab=chart&base=dark&new=1#13/45.2/-28.6";
  assert.equal(
    writeOther("swipe", other, LINK),
    "&compare=swipe&compare.filter.crime=a=1&compare.area=1,2,3,4&compare.select=trees/3&compare.new=1",
  );
  assert.match(writeOther("side", other.replace("crime,trees", "trees"), LINK), /^&compare=side&compare\.layers=trees&/);
});

test("an address comes back from the page's", () => {
  const text = "&compare=swipe&compare.layers=trees&compare.filter.trees=height%3E3&compare.time=2020-01-01/2020-12-31&compare.new=a+b";
  const page = LINK.replace("#", `${text}#`);
  const { search, hash } = readOther(page);
  assert.equal(writeOther("swipe", search + hash, page), text.replace("+", "%20"));
});

test("how both lie is told, or left to the room there is", () => {
  assert.equal(modeOf("&compare=swipe&compare.time=1"), "swipe");
  assert.equal(modeOf("&compare=side"), "side");
  for (const text of ["", "&compare=", "&compare=over", "&compare.time=1"]) assert.equal(modeOf(text), null);
});

test("what the other map's tabs tell of is kept in the page's address with the rest that both share", () => {
  const page = { link: LINK, compared: "", tab: null, of: null, chart: null, compare: (text: string): void => void (page.compared = text) };
  const bar = new OtherBar(page as unknown as MapState, () => "side");
  bar.push("?v=1&layers=crime,trees&tab=table&of=trees&chart=genus#13/45.2/-28.6");
  assert.deepEqual([page.tab, page.of, page.chart], ["table", "trees", "genus"]);
  assert.equal(page.compared, "&compare=side");
});
