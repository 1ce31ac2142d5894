/**
 * Filters as CQL2 text. The text is the truth: it is in the address, the server reads it, and the controls are built
 * from it. `writeFilter` writes one small canonical form, which `parseFilter` reads (`parser.ts`).
 */
import type { Field, Scalar } from "../query/types.ts";
import { addDays, LAST_DAY } from "../ui/dates.ts";

export interface ChoiceClause {
  kind: "choice";
  values: Scalar[];
}

/** Both ends inclusive, null is open; days as "2024-01-31" for dates and timestamps. Of numbers `under` leaves the upper end out. */
export interface RangeClause {
  kind: "range";
  from: number | string | null;
  to: number | string | null;
  under?: true;
}

export interface SearchClause {
  kind: "search";
  text: string;
}

export type Clause = ChoiceClause | RangeClause | SearchClause;
export type Clauses = Record<string, Clause>;

/** Does the clause narrow anything? */
export function isEmpty(clause: Clause): boolean {
  if (clause.kind === "choice") return clause.values.length === 0;
  if (clause.kind === "range") return clause.from === null && clause.to === null;
  return clause.text.trim() === "";
}

/** The whole filter, fields in their declared order, "" when nothing is narrowed. */
export function writeFilter(clauses: Clauses, fields: Field[]): string {
  return fields
    .filter((field) => clauses[field.name] && !isEmpty(clauses[field.name]!))
    .map((field) => writeClause(field, clauses[field.name]!))
    .filter(Boolean)
    .join(" AND ");
}

function writeClause(field: Field, clause: Clause): string {
  if (clause.kind === "choice") return writeChoice(field.name, clause.values);
  if (clause.kind === "search") return `CASEI(${field.name}) LIKE CASEI(${quote(`%${escapeLike(clause.text.trim())}%`)})`;
  return writeRange(field, clause);
}

function writeChoice(name: string, values: Scalar[]): string {
  const some = values.filter((value) => value !== null);
  const parts: string[] = [];
  if (some.length) parts.push(`${name} IN (${some.map(literal).join(",")})`);
  if (some.length < values.length) parts.push(`${name} IS NULL`);
  return parts.length > 1 ? `(${parts.join(" OR ")})` : parts[0]!;
}

function writeRange(field: Field, { from, to, under }: RangeClause): string {
  const parts: string[] = [];
  if (field.type === "timestamp") {
    // A day lasts until the next one begins, so the last moment of the last day is in.
    if (from !== null) parts.push(`${field.name} >= TIMESTAMP('${from}T00:00:00Z')`);
    // The server knows no later day than the last one of four digits, and so has no row behind it.
    if (to !== null && to !== LAST_DAY) parts.push(`${field.name} < TIMESTAMP('${addDays(String(to), 1)}T00:00:00Z')`);
  } else {
    const write = (value: number | string): string => (field.type === "date" ? `DATE('${value}')` : String(value));
    if (from !== null) parts.push(`${field.name} >= ${write(from)}`);
    if (to !== null) parts.push(`${field.name} ${under ? "<" : "<="} ${write(to)}`);
  }
  return parts.join(" AND ");
}

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const escapeLike = (text: string): string => text.replace(/[\\%_]/g, "\\$&");

function literal(value: Scalar): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  return String(value);
}
