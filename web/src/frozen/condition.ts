/**
 * A filter as the page writes it, and close relatives, read into a tree that can be looked up row by row. What the server
 * knows beyond that (arithmetic, Allen's relations, other shapes) is refused in words: a wrong answer would be worse.
 */
import type { Position } from "../filter/question.ts";
import type { Field } from "../query/types.ts";
import { ApiError } from "../query/server.ts";
import { parseNumber } from "../query/json.ts";
import { parseMoment, type Moment } from "./moments.ts";

export type Sign = "=" | "<>" | "<" | "<=" | ">" | ">=";
export type Fold = "casei" | "accenti";

/** A text of a row, as it is or folded, the last fold first. */
export interface Text {
  field: string;
  folds: Fold[];
}

export type Condition =
  | { op: "and" | "or"; parts: Condition[] }
  | { op: "not"; part: Condition }
  | { op: "null"; field: string }
  | { op: "texts"; text: Text; test: (value: string) => boolean }
  | { op: "number"; field: string; sign: Sign; value: number | bigint }
  | { op: "numbers"; field: string; values: (number | bigint)[] }
  | { op: "time"; field: string; sign: Sign; moment: Moment }
  | { op: "area"; area: Place };

/** A place that features are to touch. */
export type Place =
  | { kind: "box"; bounds: [west: number, south: number, east: number, north: number] }
  | { kind: "polygons"; polygons: Position[][][] }
  | { kind: "circle"; at: Position; radius: number }
  | { kind: "feature"; layer: string; fid: number };

/** The filter is at fault, or more than can be looked up here. */
export const refuse = (detail: string): never => {
  throw new ApiError(400, `filter: ${detail}`, "filter");
};
const beyond = (what: string): never =>
  refuse(`${what} is more than this frozen map can look up by itself; the live map can, and the rows can be downloaded`);

type Token = { type: "name" | "word" | "text" | "number" | "symbol" | "end"; value: string };
const TOKEN = /\s+|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|(<=|>=|<>|[(),=<>])/y;

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(source);
    if (!match)
      return /^['"]/.test(source.slice(at)) ? refuse("a closing quotation mark was expected") : beyond(`“${source.slice(at, at + 10)}”`);
    const [, name, text, number, word, symbol] = match;
    if (name !== undefined) tokens.push({ type: "name", value: name.replaceAll('""', '"') });
    else if (text !== undefined) tokens.push({ type: "text", value: text.replaceAll("''", "'") });
    else if (number !== undefined) tokens.push({ type: "number", value: number });
    else if (word !== undefined) tokens.push({ type: "word", value: word });
    else if (symbol !== undefined) tokens.push({ type: "symbol", value: symbol });
  }
  return tokens;
}

const SIGNS = new Set(["=", "<>", "<", "<=", ">", ">="]);
const END: Token = { type: "end", value: "the end" };

/** The text of a filter; null where it is empty. Throws an ApiError that says what is at fault, or beyond us. */
export function parseCondition(source: string, fields: readonly Field[]): Condition | null {
  if (source.trim() === "") return null;
  return new Parser(tokenize(source), fields).parse();
}

class Parser {
  #tokens: Token[];
  #at = 0;
  #fields: Map<string, Field>;

  constructor(tokens: Token[], fields: readonly Field[]) {
    this.#tokens = tokens;
    this.#fields = new Map(fields.map((field) => [field.name, field]));
  }

  parse(): Condition {
    const found = this.#either();
    if (this.#peek() !== END) beyond(`“${this.#peek().value}”`);
    return found;
  }

  #either(): Condition {
    const parts = [this.#both()];
    while (this.#accept("OR")) parts.push(this.#both());
    return parts.length > 1 ? { op: "or", parts } : parts[0]!;
  }

  #both(): Condition {
    const parts = [this.#one()];
    while (this.#accept("AND")) parts.push(this.#one());
    return parts.length > 1 ? { op: "and", parts } : parts[0]!;
  }

  #one(): Condition {
    if (this.#accept("NOT")) return { op: "not", part: this.#one() };
    if (this.#accept("(")) {
      const inner = this.#either();
      this.#expect(")");
      return inner;
    }
    if (this.#accept("S_INTERSECTS")) return this.#touches();
    const text = this.#text();
    const field = this.#fields.get(text.field)!;
    return this.#predicate(field, text);
  }

  #predicate(field: Field, text: Text): Condition {
    if (this.#accept("IS")) {
      const not = this.#accept("NOT");
      this.#expect("NULL");
      return invert({ op: "null", field: field.name }, not);
    }
    const not = this.#accept("NOT");
    if (this.#accept("IN")) return invert(this.#member(field, text), not);
    if (this.#accept("LIKE")) return invert(this.#like(field, text), not);
    if (this.#accept("BETWEEN")) {
      const low = this.#compare(field, text, ">=");
      this.#expect("AND");
      return invert({ op: "and", parts: [low, this.#compare(field, text, "<=")] }, not);
    }
    const sign = this.#next().value;
    if (SIGNS.has(sign) && !not) return this.#compare(field, text, sign as Sign);
    // By itself it is a condition where it is true or false.
    if (field.type !== "boolean") return beyond(`“${sign}” behind ${field.name}`);
    this.#at -= 1;
    return { op: "number", field: field.name, sign: "=", value: 1 };
  }

  #compare(field: Field, text: Text, sign: Sign): Condition {
    if (field.type === "text") {
      const wanted = this.#literal(text.folds);
      return { op: "texts", text, test: (value) => holds(sign, compareTexts(value, wanted)) };
    }
    if (field.type === "date" || field.type === "timestamp") return { op: "time", field: field.name, sign, moment: this.#moment() };
    return { op: "number", field: field.name, sign, value: this.#number(field) };
  }

  #member(field: Field, text: Text): Condition {
    const items: Condition[] = [];
    const texts = new Set<string>();
    const numbers: (number | bigint)[] = [];
    this.#expect("(");
    do {
      if (field.type === "text") texts.add(this.#literal(text.folds));
      else if (field.type === "date" || field.type === "timestamp") items.push(this.#compare(field, text, "="));
      else numbers.push(this.#number(field));
    } while (this.#accept(","));
    this.#expect(")");
    if (field.type === "text") return { op: "texts", text, test: (value) => texts.has(value) };
    return items.length ? { op: "or", parts: items } : { op: "numbers", field: field.name, values: numbers };
  }

  #like(field: Field, text: Text): Condition {
    if (field.type !== "text") refuse(`LIKE works on texts, and ${field.name} is none`);
    return { op: "texts", text, test: readPattern(this.#literal(text.folds)) };
  }

  /** A field, or what is left of it without capitals and marks. */
  #text(): Text {
    for (const fold of ["casei", "accenti"] as const) {
      if (!this.#accept(fold.toUpperCase())) continue;
      this.#expect("(");
      const inner = this.#text();
      this.#expect(")");
      if (this.#fields.get(inner.field)!.type !== "text") refuse(`${fold.toUpperCase()}() works on texts, and ${inner.field} is none`);
      return { field: inner.field, folds: [fold, ...inner.folds] };
    }
    const token = this.#next();
    if (token.type !== "word" && token.type !== "name") return beyond(`“${token.value}” in place of a field`);
    if (!this.#fields.has(token.value)) {
      if (this.#peek().value === "(") beyond(token.value);
      refuse(`got '${token.value}'; expected one of the queryables ${[...this.#fields.keys(), "geometry"].join(", ")}`);
    }
    return { field: token.value, folds: [] };
  }

  /** A text in quotes, folded as it says itself. */
  #literal(_folds: Fold[]): string {
    for (const fold of ["casei", "accenti"] as const) {
      if (!this.#accept(fold.toUpperCase())) continue;
      this.#expect("(");
      const inner = this.#literal([]);
      this.#expect(")");
      return foldText(inner, [fold]);
    }
    const token = this.#next();
    return token.type === "text" ? token.value : beyond(`“${token.value}” in place of a text in quotes`);
  }

  #number(field: Field): number | bigint {
    const token = this.#next();
    if (field.type === "boolean" && /^(true|false)$/i.test(token.value)) return Number(token.value.toLowerCase() === "true");
    if (token.type !== "number") return beyond(`“${token.value}” in place of a number`);
    if (field.type === "boolean" && !/^[01]$/.test(token.value)) refuse(`got ${token.value}; expected true or false`);
    return parseNumber(token.value.replace(/^\+/, ""));
  }

  #moment(): Moment {
    const wrapped = this.#accept("DATE") || this.#accept("TIMESTAMP");
    if (wrapped) this.#expect("(");
    const token = this.#next();
    if (token.type !== "text") return beyond(`“${token.value}” in place of a time`);
    if (wrapped) this.#expect(")");
    return parseMoment(token.value) ?? refuse(`got '${token.value}'; expected a date or time that exists, such as 2024-05-31`);
  }

  #touches(): Condition {
    this.#expect("(");
    const name = this.#next().value;
    if (name !== "geometry" && name !== "geom") beyond(`S_INTERSECTS of ${name}`);
    this.#expect(",");
    const area = this.#place();
    this.#expect(")");
    return { op: "area", area };
  }

  #place(): Place {
    const kind = this.#next().value.toUpperCase();
    if (kind === "POLYGON") return { kind: "polygons", polygons: [this.#polygon()] };
    if (kind === "MULTIPOLYGON") return { kind: "polygons", polygons: this.#list(() => this.#polygon()) };
    if (kind === "BBOX") {
      const bounds = this.#list(() => this.#coordinate());
      if (bounds.length !== 4) refuse("BBOX: expected 4 numbers");
      if (bounds[1]! > bounds[3]!) refuse("BBOX: expected a southern edge that is not north of the northern one");
      return { kind: "box", bounds: bounds as [number, number, number, number] };
    }
    if (kind === "CIRCLE") {
      const [lon, lat, radius] = this.#list(() => this.#coordinate());
      if (!(radius! > 0 && radius! <= 1_000_000)) refuse("CIRCLE: expected a radius above 0 and up to 1,000,000 metres");
      return { kind: "circle", at: [lon!, lat!], radius: radius! };
    }
    if (kind !== "FEATURE") return beyond(kind);
    this.#expect("(");
    const layer = this.#next().value;
    this.#expect(",");
    const fid = Number(this.#next().value);
    this.#expect(")");
    return { kind: "feature", layer, fid };
  }

  #polygon(): Position[][] {
    return this.#list(() => this.#list((): Position => [this.#coordinate(), this.#coordinate()]));
  }

  #coordinate(): number {
    const token = this.#next();
    return token.type === "number" ? Number(token.value) : beyond(`“${token.value}” in place of a coordinate`);
  }

  #list<T>(item: () => T): T[] {
    this.#expect("(");
    const items = [item()];
    while (this.#accept(",")) items.push(item());
    this.#expect(")");
    return items;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? END;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }

  #accept(value: string): boolean {
    const token = this.#peek();
    if ((token.type !== "word" && token.type !== "symbol") || token.value.toUpperCase() !== value) return false;
    this.#at += 1;
    return true;
  }

  #expect(value: string): void {
    if (!this.#accept(value)) beyond(`“${this.#peek().value}” in place of ${value}`);
  }
}

const invert = (part: Condition, not: boolean): Condition => (not ? { op: "not", part } : part);

/** By code points, as the private database has it; code units do the same but for the rarest signs. */
export const compareTexts = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

export function holds(sign: Sign, order: number): boolean {
  if (sign === "=") return order === 0;
  if (sign === "<>") return order !== 0;
  if (sign === "<") return order < 0;
  if (sign === "<=") return order <= 0;
  return sign === ">" ? order > 0 : order >= 0;
}

const STROKES = new Map([..."ØøŁłĐđĦħŦŧıŊŋ"].map((letter, at) => [letter, [..."OoLlDdHhTtiNn"][at]!]));

/** As geoserver/filtering/compile.py has it in SQL; the last fold is the first to be done. */
export function foldText(text: string, folds: readonly Fold[]): string {
  let found = text;
  for (const fold of [...folds].reverse()) {
    if (fold === "casei") found = found.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ");
    else
      found = found
        .normalize("NFD")
        .replace(/[\u0300-\u036f]/g, "")
        .replace(/[ØøŁłĐđĦħŦŧıŊŋ]/g, (letter) => STROKES.get(letter)!);
  }
  return found;
}

/** SQL's LIKE: % is anything, _ one letter, and a backslash takes the next sign as it is. */
export function readPattern(pattern: string): (value: string) => boolean {
  const signs: (string | typeof ANY | typeof ONE)[] = [];
  let escaped = false;
  for (const sign of pattern) {
    if (!escaped && sign === "%") {
      if (signs.at(-1) !== ANY) signs.push(ANY);
    } else if (!escaped && sign === "_") signs.push(ONE);
    else if (escaped || sign !== "\\") signs.push(sign);
    escaped = !escaped && sign === "\\";
  }
  if (escaped) refuse(`got '${pattern}'; expected a pattern that does not end in its escape character \\`);
  // What the search box writes: somewhere in the text.
  const inner = signs.slice(1, -1);
  if (signs.length > 2 && signs[0] === ANY && signs.at(-1) === ANY && inner.every((sign) => typeof sign === "string")) {
    const plain = inner.join("");
    return (value) => value.includes(plain);
  }
  return (value) => matches(value, signs);
}

const ANY = Symbol("%");
const ONE = Symbol("_");

/**
 * Whether all of a text fits. Where it does not go on, the last % takes one letter more: those before it need not be
 * tried again, so that no pattern takes longer than its length times that of the text.
 */
function matches(value: string, signs: readonly (string | typeof ANY | typeof ONE)[]): boolean {
  let [at, next, last, from] = [0, 0, -1, 0];
  while (at < value.length) {
    const sign = signs[next];
    const width = value.codePointAt(at)! > 0xffff ? 2 : 1;
    if (sign === ANY) [last, from, next] = [next, at, next + 1];
    else if (sign === ONE) [at, next] = [at + width, next + 1];
    else if (sign !== undefined && value.startsWith(sign, at)) [at, next] = [at + width, next + 1];
    else if (last >= 0) {
      from += value.codePointAt(from)! > 0xffff ? 2 : 1;
      [at, next] = [from, last + 1];
    } else return false;
  }
  return next === signs.length || (next === signs.length - 1 && signs[next] === ANY);
}
