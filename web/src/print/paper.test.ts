import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseBar, dotsOf, fitView, groundOf, PIXELS_PER_INCH, pixelsOf, scaleOf, usualPaper } from "./paper.ts";

test("a sheet has as many dots as its paper has inches", () => {
  assert.deepEqual(dotsOf("A4", false, 300), { width: 2480, height: 3508 });
  assert.deepEqual(dotsOf("A3", false, 300), { width: 3508, height: 4961 });
  assert.deepEqual(dotsOf("A4", true, 96), { width: 1123, height: 794 });
  assert.deepEqual(dotsOf("Letter", false, 300), { width: 2550, height: 3300 });
  assert.deepEqual(dotsOf("Tabloid", true, 150), { width: 2550, height: 1650 });
});

test("paper is that of the reader's country", () => {
  assert.deepEqual(["en-GB", "en-US", "en", "es-MX", "de"].map(usualPaper), ["A4", "Letter", "A4", "Letter", "A4"]);
});

test("a sheet holds all that is seen, at the zoom of the screen as long as its letters can be read", () => {
  for (const view of [
    { zoom: 12.4, width: 904, height: 764 },
    { zoom: 14, width: 390, height: 500 },
    { zoom: 9, width: 3400, height: 2000 },
    { zoom: 11, width: 1200, height: 150 },
  ]) {
    const box = { width: 713, height: 780 };
    const { zoom, density } = fitView(view, box);
    const pixels = density / 2 ** (zoom - view.zoom);
    assert.ok(box.width * pixels >= view.width - 1e-6 && box.height * pixels >= view.height - 1e-6);
    assert.ok(density >= 0.8 && density <= 1.3);
    if (view.width === 904) assert.equal(zoom, 12.4);
  }
});

test("the scale is that of Web Mercator at the latitude of the map's middle", () => {
  const ground = groundOf(12, 45.2, 1);
  assert.ok(Math.abs(ground - 13.465) < 0.001, String(ground));
  assert.equal(scaleOf(ground), 50_900);
});

test("a scale bar is the longest of round length that has room", () => {
  assert.deepEqual(chooseBar(6.7337, 170), { metres: 1000, width: 1000 / 6.7337 });
  for (let ground = 0.01; ground < 5000; ground *= 1.37) {
    const { metres, width } = chooseBar(ground, 170);
    assert.ok(width <= 170 && width >= 170 / 2.51, `${ground}: ${width}`);
    assert.ok(Math.abs(width * ground - metres) < metres * 1e-9);
    assert.match(metres.toPrecision(1), /^(?:0\.0*)?[125](?:0*|e[+-]\d+)$/);
  }
});

test("pixels of paper are those of CSS", () => assert.equal(pixelsOf("Letter", false).width, 8.5 * PIXELS_PER_INCH));
