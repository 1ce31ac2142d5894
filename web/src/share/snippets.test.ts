import assert from "node:assert/strict";
import { test } from "node:test";
import { sizeOf, startWith, writeQuery } from "./options.ts";
import { KINDS, writeSnippet, type Told } from "./snippets.ts";

const options = startWith("map", "Burglaries", "en");
const shared = "?v=1&layers=crime&filter.crime=category%20IN%20('burglary','theft')&tab=chart&bar=time&compare=side&map=13/45.2/-28.6";
const told: Told = {
  site: "https://city.example/maps/",
  widget: `https://city.example/maps/embed${writeQuery(shared, options)}`,
  page: "https://city.example/maps/?layers=crime&filter.crime=category='burglary'",
  picture: "https://city.example/maps/static/light/-28.6,45.2,13/800x500.png?layers=crime",
  name: "Burglaries",
  facts: [
    { word: "Source", names: [{ name: "City" }] },
    { word: "Licence", names: [{ name: "CC0 1.0", url: "https://licences.example/cc0/(1.0)" }] },
  ],
  open: "Open the map",
  all: "Show all of it",
  size: sizeOf(options),
  options,
};

const HTML_FACTS =
  /<figcaption>Source: City · Licence: <a href="https:\/\/licences.example\/cc0\/\(1.0\)" rel="license">CC0 1.0<\/a> · <a href=/;
const MARKDOWN_FACTS = /\n\nSource: City · Licence: \[CC0 1.0\]\(https:\/\/licences.example\/cc0\/%281.0%29\) · \[Open the map\]/;

test("a widget shows the state of the page, and what was chosen for it alone", () => {
  const asked = new URLSearchParams(writeQuery(shared, options));
  assert.deepEqual(Object.fromEntries(asked), {
    layers: "crime",
    "filter.crime": "category IN ('burglary','theft')",
    map: "13/45.2/-28.6",
    title: "Burglaries",
    lang: "en",
  });
  const more = writeQuery(shared, {
    ...options,
    views: ["table", "map"],
    title: " ",
    parts: ["legend"],
    free: true,
    theme: "dark",
    language: "fr",
  });
  const said = Object.fromEntries(new URLSearchParams(more));
  assert.deepEqual(
    [said["show"], said["title"], said["hide"], said["filters"], said["base"], said["lang"]],
    ["map,table", "", "count,zoom,open", "free", "dark", "fr"],
  );
});

test("sizes are those that a widget can have", () => {
  assert.deepEqual(sizeOf({ ...options, shape: "4:3" }), { width: 800, height: 600 });
  assert.deepEqual(sizeOf({ ...options, wide: false, width: 5, height: NaN }), { width: 120, height: 120 });
  assert.deepEqual(sizeOf({ ...options, wide: false, width: 640.4, height: 1e9 }), { width: 640, height: 4000 });
});

test("every snippet for a page has the picture, the source, a lazy frame with a title and no script of anybody else", () => {
  for (const kind of KINDS) {
    const text = writeSnippet(kind, told).join("\n");
    assert.match(text, kind === "markdown" ? MARKDOWN_FACTS : HTML_FACTS);
    assert.ok(text.includes(kind === "markdown" ? told.picture : "/static/light/"), kind);
    if (/<iframe|<city-map/.test(text)) assert.match(text, / title="Burglaries"/);
    if (/<iframe/.test(text)) assert.match(text, /<iframe[^>]* loading="lazy"/);
    if (kind !== "markdown" && kind !== "script") assert.match(text, /<noscript><a href="[^"]+"><img [^>]*alt="Burglaries"/);
    for (const [, source] of text.matchAll(/<script[^>]* src="([^"]+)"/g)) assert.equal(source, "https://city.example/maps/element.js");
  }
});

test("what is as wide as its place is high enough for a map on a phone, and what has pixels is left as it is", () => {
  const high = "min-height:400px";
  const pixels = { ...told, size: { width: 500, height: 300 }, options: { ...options, wide: false } };
  for (const kind of ["iframe", "wordpress", "element"] as const) {
    assert.ok(writeSnippet(kind, told).join("").includes(high), kind);
    assert.ok(!writeSnippet(kind, pixels).join("").includes(high), kind);
  }
});

const AWKWARD = [
  `"><script>alert('1')</script> & [a](b) *c* \`d\``,
  `</textarea></figure><img src=x onerror=alert(1)>`,
  `&lt;b&gt; &amp;quot; "quoted" 'single'`,
  `-->]]><!-- wp:html /--> [shortcode] {{x}} \${y}`,
  "Brände 🔥 👩‍🚒 2024",
  "سرقات في المدينة (2024) & <b>",
  "גניבות: 12-3",
];
const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");

test("no title and no name of a source ends what it stands in, and all of it is there", () => {
  for (const name of AWKWARD) {
    const facts = [{ word: name, names: [{ name }, { name, url: `https://city.example/?a="><b>` }] }];
    for (const kind of KINDS) {
      const text = writeSnippet(kind, { ...told, name, facts, open: name, all: name }).join("\n");
      assert.ok(!/<script>alert|<img src=x|<b>|<\/textarea>/.test(text), `${kind}: ${name}`);
      if (kind === "markdown") assert.ok(!/(^|[^\\])\[(a|shortcode)\]/.test(text));
      else {
        assert.ok(text.includes(` title="${escaped(name)}"`), `${kind}: ${name}`);
        assert.ok(text.includes(`href="https://city.example/?a=&quot;&gt;&lt;b&gt;" rel="license"`), kind);
        if (kind !== "wordpress") assert.ok(!text.includes("<!--"), kind);
      }
    }
  }
});

test("names that run from right to left leave the words around them where they are", () => {
  const facts = [{ word: "Source", names: [{ name: "مدينة" }, { name: "City" }] }];
  for (const kind of KINDS.filter((each) => each !== "markdown"))
    assert.ok(
      writeSnippet(kind, { ...told, facts })
        .join("")
        .includes("Source: <bdi>مدينة</bdi>, City · "),
      kind,
    );
});

test("an address in Markdown ends where it ends", () => {
  const [text] = writeSnippet("markdown", { ...told, page: "https://city.example/?filter.a=x%20IN%20(1)" });
  assert.match(text!, /\]\(https:\/\/city\.example\/\?filter\.a=x%20IN%20%281%29\)$/);
});
