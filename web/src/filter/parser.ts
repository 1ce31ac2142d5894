/**
 * CQL2 text read back into clauses, for who shows them: what `cql2.ts` writes and its close relatives. Anything else is null, and
 * is then kept and shown as it stands.
 */
import type { Field, Scalar } from "../query/types.ts";
import { addDays, dateOf } from "../ui/dates.ts";
import { parseNumber } from "../query/json.ts";
import type { Clause, Clauses, RangeClause } from "./cql2.ts";

const isTemporal = (field: Field): boolean => field.type === "date" || field.type === "timestamp";
const unescapeLike = (text: string): string => text.replace(/\\([\\%_])/g, "$1");

type Token = { type: "word" | "text" | "number" | "symbol"; value: string };

const TOKEN = /\s+|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|(<=|>=|<>|[(),=<>])/y;

/** Text to tokens; null when it holds a sign that this subset does not know. */
function tokenize(source: string): Token[] | null {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (!match) return null;
    const [, name, text, number, word, symbol] = match;
    if (name !== undefined) tokens.push({ type: "word", value: name.replaceAll('""', '"') });
    else if (text !== undefined) tokens.push({ type: "text", value: text.replaceAll("''", "'") });
    else if (number !== undefined) tokens.push({ type: "number", value: number });
    else if (word !== undefined) tokens.push({ type: "word", value: word });
    else if (symbol !== undefined) tokens.push({ type: "symbol", value: symbol });
  }
  return tokens;
}

/** Raised inside the parser alone: what follows is not in the subset. */
class Unknown extends Error {}

class Parser {
  tokens: Token[];
  at = 0;
  fields: Map<string, Field>;
  clauses: Clauses = {};

  constructor(tokens: Token[], fields: Field[]) {
    this.tokens = tokens;
    this.fields = new Map(fields.filter((field) => field.filter !== "none").map((field) => [field.name, field]));
  }

  parse(): Clauses {
    do this.predicate();
    while (this.accept("AND"));
    if (this.at < this.tokens.length) throw new Unknown();
    return this.clauses;
  }

  predicate(): void {
    if (this.accept("(")) this.alternatives();
    else if (this.accept("CASEI")) this.search();
    else {
      const field = this.field();
      if (field.filter === "choice") this.set(field, { kind: "choice", values: this.choices(field) });
      else if (field.filter === "range") this.bound(field);
      else throw new Unknown();
    }
  }

  /** What stands in brackets: conditions on one choice field, joined by OR. */
  alternatives(): void {
    const field = this.field();
    const values = this.choices(field);
    while (this.accept("OR")) {
      if (this.field() !== field) throw new Unknown();
      values.push(...this.choices(field));
    }
    this.expect(")");
    this.set(field, { kind: "choice", values });
  }

  /** The rest of `a IN (1,2)`, `a = 1` or `a IS NULL`, as values. */
  choices(field: Field): Scalar[] {
    if (field.filter !== "choice") throw new Unknown();
    if (this.accept("IS")) {
      this.expect("NULL");
      return [null];
    }
    if (this.accept("=")) return [this.scalar(field)];
    this.expect("IN");
    this.expect("(");
    const values: Scalar[] = [];
    do values.push(this.scalar(field));
    while (this.accept(","));
    this.expect(")");
    return values;
  }

  /** A field may be spoken of once: two conditions side by side mean "both", which no control can show. */
  set(field: Field, clause: Clause): void {
    if (this.clauses[field.name]) throw new Unknown();
    this.clauses[field.name] = clause;
  }

  bound(field: Field): void {
    const clause = (this.clauses[field.name] ??= { kind: "range", from: null, to: null }) as RangeClause;
    const sign = this.next().value;
    const value = this.value(field);
    if (sign === ">=" && clause.from === null) clause.from = value;
    else if (sign === "<=" && clause.to === null && field.type !== "timestamp") clause.to = value;
    else if (sign === "<" && clause.to === null && field.type === "timestamp") clause.to = addDays(String(value), -1);
    else if (sign === "<" && clause.to === null && typeof value === "number") Object.assign(clause, { to: value, under: true });
    else throw new Unknown();
  }

  search(): void {
    this.expect("(");
    const field = this.field();
    for (const word of [")", "LIKE", "CASEI", "("]) this.expect(word);
    const text = this.next("text").value;
    this.expect(")");
    if (field.filter !== "search" || !/^%.*%$/s.test(text)) throw new Unknown();
    this.set(field, { kind: "search", text: unescapeLike(text.slice(1, -1)) });
  }

  /** A bound of a range; whole days only for dates and timestamps, since that is what the control can show. */
  value(field: Field): number | string {
    if (!isTemporal(field)) return Number(this.next("number").value);
    this.expect(field.type === "date" ? "DATE" : "TIMESTAMP");
    this.expect("(");
    const text = this.next("text").value;
    this.expect(")");
    const day = dateOf(text);
    if (day === null || (field.type === "timestamp" && !/T00:00(:00(\.0+)?)?Z$/.test(text))) throw new Unknown();
    return day;
  }

  scalar(field: Field): Scalar {
    const token = this.next();
    if (token.type === "text" && (field.type === "text" || isTemporal(field))) return token.value;
    if (token.type === "number" && (field.type === "integer" || field.type === "number")) return parseNumber(token.value);
    if (field.type === "boolean" && /^(true|false)$/i.test(token.value)) return token.value.toLowerCase() === "true";
    throw new Unknown();
  }

  field(): Field {
    const field = this.fields.get(this.next("word").value);
    if (!field) throw new Unknown();
    return field;
  }

  next(type?: Token["type"]): Token {
    const token = this.tokens[this.at++];
    if (!token || (type && token.type !== type)) throw new Unknown();
    return token;
  }

  accept(value: string): boolean {
    const token = this.tokens[this.at];
    if (!token || token.type === "text" || token.value.toUpperCase() !== value) return false;
    this.at += 1;
    return true;
  }

  expect(value: string): void {
    if (!this.accept(value)) throw new Unknown();
  }
}

/** Text to clauses by field; null when the text says something that the controls cannot show. */
export function parseFilter(text: string, fields: Field[]): Clauses | null {
  if (text.trim() === "") return {};
  const tokens = tokenize(text);
  if (!tokens) return null;
  try {
    return new Parser(tokens, fields).parse();
  } catch (error) {
    if (error instanceof Unknown) return null;
    throw error;
  }
}
