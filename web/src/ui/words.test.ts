import assert from "node:assert/strict";
import { test } from "node:test";
import de from "../messages/de.ts";
import fr from "../messages/fr.ts";
import type { Field, LayerDetail } from "../query/types.ts";
import { makeField } from "../testing/fake-server.ts";
import { ENGLISH } from "./english.ts";
import { pickLanguage, Words, type LanguageFiles, type Messages } from "./i18n.svelte.ts";

/** Language files that come when and in the order that a test wants. */
class Shelf {
  #waiting: Record<string, { resolve: (file: { default: Messages }) => void; reject: (error: Error) => void }[]> = {};
  readonly files: LanguageFiles = Object.fromEntries(
    ["de", "fr"].map((code) => [
      code,
      () => new Promise((resolve, reject) => ((this.#waiting[code] ??= []).push({ resolve, reject }), undefined)),
    ]),
  );

  async bring(code: "de" | "fr"): Promise<void> {
    this.#waiting[code]!.shift()!.resolve({ default: { de, fr }[code] });
    await new Promise((done) => setTimeout(done));
  }

  async lose(code: string): Promise<void> {
    this.#waiting[code]!.shift()!.reject(new Error("no file"));
    await new Promise((done) => setTimeout(done));
  }
}

test("what parts that come later say is fetched with the first of them, and again after it was lost, in the language of then", async () => {
  const part = (messages: Partial<Messages>): { default: Messages } => ({ default: messages as Messages });
  let there = false;
  const come = (undo: string) => () => (there ? Promise.resolve(part({ undo })) : Promise.reject(new Error("no file")));
  const first = { fr: () => Promise.resolve(part({ retry: fr.retry })) };
  const words = new Words(first, [], { fr: come(fr.undo), en: come("Undo") }, ENGLISH);
  await words.use("fr");
  assert.deepEqual([words.t("retry"), words.t("undo")], [fr.retry, ""]);
  await assert.rejects(words.useAll());
  assert.deepEqual([words.code, words.t("retry")], ["fr", fr.retry]);
  there = true;
  await words.useAll();
  assert.deepEqual([words.t("retry"), words.t("undo")], [fr.retry, fr.undo]);
  await words.use("en");
  assert.equal(words.t("undo"), "Undo");
});

test("what parts that come later say stays, though the first words of the same language come after them", async () => {
  const came: ((file: { default: Messages }) => void)[] = [];
  const file = (messages: Partial<Messages>): { default: Messages } => ({ default: messages as Messages });
  const first = { fr: () => new Promise<{ default: Messages }>((resolve) => void came.push(resolve)) };
  const words = new Words(first, [], { fr: () => Promise.resolve(file({ undo: fr.undo })) }, ENGLISH);
  const alone = words.use("fr");
  const all = words.useAll();
  await Promise.resolve();
  came[1]!(file({ retry: fr.retry }));
  await all;
  came[0]!(file({ retry: fr.retry }));
  await alone;
  assert.deepEqual([words.t("retry"), words.t("undo")], [fr.retry, fr.undo]);
});

const french = async (): Promise<Words> => {
  const words = new Words({ fr: () => Promise.resolve({ default: fr }) }, [], {}, ENGLISH);
  await words.use("fr");
  return words;
};

test("the language that was chosen last is spoken, in whatever order the files come", async () => {
  const shelf = new Shelf();
  const words = new Words(shelf.files, [], {}, ENGLISH);
  void words.use("de");
  void words.use("fr");
  await shelf.bring("fr");
  await shelf.bring("de");
  assert.deepEqual([words.code, words.t("retry")], ["fr", fr.retry]);
  void words.use("de");
  void words.use("en");
  await shelf.bring("de");
  assert.deepEqual([words.code, words.t("retry")], ["en", "Try again"]);
});

test("a language whose file is lost leaves English, unless another one is wanted by then", async () => {
  const shelf = new Shelf();
  const words = new Words(shelf.files, [], {}, ENGLISH);
  void words.use("de");
  await shelf.lose("de");
  assert.equal(words.code, "en");
  void words.use("de");
  void words.use("fr");
  await shelf.bring("fr");
  await shelf.lose("de");
  assert.equal(words.code, "fr");
});

test("two maps on a page speak each their own language", async () => {
  const [one, two] = [await french(), new Words({}, [], {}, ENGLISH)];
  assert.deepEqual([one.t("rows"), two.t("rows")], ["entrées", "entries"]);
  assert.deepEqual([one.formatNumber(1234567), two.formatNumber(1234567)], [new Intl.NumberFormat("fr").format(1234567), "1,234,567"]);
});

test("a reader's languages are looked through in order", () => {
  const offered = ["en", "de", "fr"];
  assert.equal(pickLanguage(["it", "fr-CA", "de"], offered), "fr");
  assert.equal(pickLanguage(["it", "en-GB", "de"], offered), "en");
  assert.equal(pickLanguage(["toString"], offered), "en");
  assert.equal(pickLanguage([], offered), "en");
  assert.equal(pickLanguage(["en"], ["pt", "es"]), "pt");
});

test("rows are called by their layer's noun, one or many as the language counts", async () => {
  const nouns = { one: "arbre", many: "arbres" };
  const [fr, en] = [await french(), new Words({}, [], {}, ENGLISH)];
  assert.deepEqual(
    [0, 1, 2].map((count) => fr.nounOf({ nouns }, count)),
    ["arbre", "arbre", "arbres"],
  );
  assert.deepEqual(
    [0, 1, 2].map((count) => en.nounOf({ nouns: null }, count)),
    ["entries", "entry", "entries"],
  );
});

function makeLayer(label: string | null, more: Partial<LayerDetail> = {}): LayerDetail {
  const category: Field = { ...makeField("category", "text", "choice"), labels: { burglary: "Burglary" }, labels_language: "en" };
  const fields = [
    category,
    makeField("reported_at", "timestamp", "range"),
    makeField("street", "text", "none"),
    makeField("size", "number", "range"),
  ];
  return {
    label,
    fields,
    title: "Crime",
    language: "en",
    data_language: "pt",
    nouns: { one: "report", many: "reports" },
    ...more,
  } as LayerDetail;
}

test("a feature is titled in words, and what it does not have is left out", async () => {
  const words = new Words({}, [], {}, ENGLISH);
  const title = (label: string | null, properties: Record<string, string | number | null>, more = {}): string =>
    words.titleOf(makeLayer(label, more), properties, 17).text;
  const both = "{category}, {reported_at}";
  assert.equal(title(both, { category: "burglary", reported_at: "2025-04-03T22:10:00Z" }), "Burglary, April 3, 2025");
  assert.equal(title(both, { category: "burglary", reported_at: null }), "Burglary");
  assert.equal(title(both, { reported_at: "2025-04-03T22:10:00Z" }), "April 3, 2025");
  assert.equal(title("No. {size} ({street})", { size: 3 }), "No. 3");
  assert.equal(title("{category} ({size}), {reported_at}", { category: "burglary", size: 3 }), "Burglary (3)");
  assert.equal(title("{gone}", { gone: 1 }), "Report 17");
  assert.equal(title(null, {}, { nouns: null }), "Crime 17");
});

test("a text is marked with its language where the page speaks another one", async () => {
  const [fr, en] = [await french(), new Words({}, [], {}, ENGLISH)];
  const layer = makeLayer("{category}, {reported_at}");
  const properties = { category: "burglary", reported_at: "2025-04-03T22:10:00Z", street: "Rua Direita", size: 3 };
  assert.deepEqual([fr.titleOf(layer, properties, 1).lang, en.titleOf(layer, properties, 1).lang], ["en", undefined]);
  assert.equal(en.titleOf({ ...layer, label: "{street}" }, properties, 1).lang, "pt");
  assert.equal(en.titleOf({ ...layer, label: "{category}, {street}" }, properties, 1).lang, undefined); // two of them
  const [category, reported, street, size] = layer.fields as [Field, Field, Field, Field];
  assert.equal(fr.langOf(layer, category, "burglary"), "en");
  assert.equal(fr.langOf(layer, street, "Rua Direita"), "pt");
  for (const [field, value] of [
    [reported, properties.reported_at],
    [size, 3],
    [street, null],
    [category, ""],
  ] as const) {
    assert.equal(fr.langOf(layer, field, value), undefined);
  }
  assert.equal(en.lang("en-GB"), undefined);
  assert.equal(en.lang(null), undefined);
});

test("a value that every object has by its nature is a value like others", () => {
  const words = new Words({}, [], {}, ENGLISH);
  const field = { ...makeField("kind", "text", "choice"), labels: { oak: "Oak" }, labels_language: "en" };
  for (const value of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    assert.equal(words.formatValue(field, value).toLowerCase(), value.toLowerCase());
    assert.equal(words.langOf({ data_language: "fr" } as LayerDetail, field, value), "fr");
  }
  assert.equal(words.formatValue(field, "oak"), "Oak");
});

test("no value turns the words beside it", () => {
  const words = new Words({}, [], {}, ENGLISH);
  const kind = makeField("kind", "text", "choice");
  assert.equal(words.formatValue(kind, "\u202egnitrever\u202c \u2066x"), "gnitrever x");
  assert.equal(words.formatValue(kind, "\u0634\u200f!"), "\u0634\u200f!");
});
