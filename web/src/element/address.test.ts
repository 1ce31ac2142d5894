import assert from "node:assert/strict";
import { test } from "node:test";
import { pictureOf, widgetOf, type Said } from "./address.ts";

const NOTHING: Said = { src: null, server: null, query: null, title: null, theme: null, lang: null };
const BASE = "https://news.example.org/story/1";
const widget = (said: Partial<Said>, home: string | null = null): string | undefined =>
  widgetOf({ ...NOTHING, ...said }, BASE, home, "a")?.href;

test("every address that people copy leads to the widget of the same map", () => {
  assert.equal(
    widget({ src: "https://city.example/?layers=crime#13/45.2/-28.6" }),
    "https://city.example/embed?layers=crime&map=13%2F45.2%2F-28.6&id=a",
  );
  assert.equal(widget({ src: "https://city.example/maps/?layers=crime" }), "https://city.example/maps/embed?layers=crime&id=a");
  assert.equal(
    widget({ src: "https://city.example/maps/embed?layers=crime&show=table" }),
    "https://city.example/maps/embed?layers=crime&show=table&id=a",
  );
  assert.equal(widget({ src: "https://city.example/maps/layers/trees" }), "https://city.example/maps/embed?layers=trees&id=a");
  assert.equal(widget({ src: "https://city.example/frozen/x7/" }), "https://city.example/embed?frozen=x7&id=a");
  assert.equal(widget({ server: "https://city.example/maps", query: "?layers=a" }), "https://city.example/maps/embed?layers=a&id=a");
  assert.equal(widget({ query: "layers=a" }, "https://city.example/"), "https://city.example/embed?layers=a&id=a");
});

test("theme, language and title are said to the widget, and others are not taken", () => {
  const src = "https://city.example/embed?layers=a&title=Mine";
  assert.equal(widget({ src, theme: "dark", lang: "fr", title: "Other" }), `${src}&base=dark&lang=fr&id=a`);
  assert.equal(widget({ src, theme: "auto", lang: "" }), `${src}&id=a`);
});

test("what is no address of a page shows nothing", () => {
  for (const src of ["javascript:alert(1)", "data:text/html,x", "https://", "ftp://city.example/"])
    assert.equal(widget({ src }), undefined);
  assert.equal(widget({}), undefined);
});

test("the picture is that of the same view", () => {
  const found = widgetOf(
    { ...NOTHING, src: "https://city.example/maps/?layers=a&filter.a=x%3D1&select=a/1#13/45.2/-28.6", theme: "dark" },
    BASE,
    null,
    "a",
  )!;
  assert.equal(
    pictureOf(found, { width: 800, height: 500 }),
    "https://city.example/maps/static/dark/-28.6,45.2,13/800x500.png?layers=a&filter.a=x%3D1",
  );
});
