/** Rows as text for a spreadsheet, and how wide columns are. */
import type { Field, Scalar } from "../query/types.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { labelOf } from "../ui/values.ts";

export const isNumeric = ({ type }: Pick<Field, "type">): boolean => type === "number" || type === "integer";

/**
 * Tab-separated, with a line of headings. Numbers have the reader's decimal sign and nothing else beside digits, and
 * days and times are written so that spreadsheets know them for such.
 */
export function writeRows(words: Words, fields: readonly Field[], rows: readonly Record<string, Scalar>[]): string {
  const head = fields.map(({ title, unit }) => (unit ? `${title} (${unit})` : title));
  const lines = rows.map((row) => fields.map((field) => cellText(words, field, row[field.name])));
  return [head, ...lines].map((cells) => cells.map(quote).join("\t")).join("\n");
}

function cellText(words: Words, field: Field, value: Scalar | undefined): string {
  if (value === null || value === undefined || value === "") return "";
  const label = labelOf(field, value);
  if (label) return label;
  if (typeof value === "boolean") return words.t(value ? "yes" : "no");
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return numberText(words.locale, value);
  if (field.type === "timestamp") return value.replace("T", " ").replace(/(\.\d+)?Z$/, "");
  return value;
}

function numberText(locale: string, value: number): string {
  const text = String(value);
  if (!/^-?\d+\.\d+$/.test(text)) return text;
  const sign = new Intl.NumberFormat(locale, { numberingSystem: "latn" }).formatToParts(1.5).find(({ type }) => type === "decimal");
  return text.replace(".", sign?.value ?? ".");
}

/** A text with a tab or a line of its own stays in its cell; one that a spreadsheet would reckon out stays a text. */
function quote(text: string): string {
  const plain = /^[=+@]|^-(?![\d.,]+$)/.test(text) ? `'${text}` : text;
  return /["\t\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

const [NARROWEST, WIDEST] = [6, 36];

/** Characters that a column is wide, by its heading and some of its values. */
export function widthOf(title: string, values: readonly string[]): number {
  const lengths = values.map((value) => value.length).sort((a, b) => a - b);
  // One long text among many short ones is cut off.
  const usual = lengths[Math.floor((lengths.length - 1) * 0.9)] ?? 0;
  return Math.max(NARROWEST, Math.min(WIDEST, Math.max(usual, Math.min(title.length + 3, 22))));
}
