/** Values of fields as people read them. */
import type { Field, LayerDetail, Scalar } from "../query/types.ts";
import type { Words } from "./i18n.svelte.ts";

/** A value with the field's label or unit; "no value" for null. */
export function showValue(words: Words, field: Field, value: Scalar | undefined): string {
  if (value === null || value === undefined || value === "") return words.t("noValue");
  const label = labelOf(field, value);
  if (label) return label;
  if (typeof value === "boolean") return words.t(value ? "yes" : "no");
  if (field.type === "timestamp") return words.formatDate(String(value), true);
  if (field.type === "date") return words.formatDate(String(value));
  const text = typeof value === "string" ? sentence(value) : isYear(field, value) ? String(value) : words.formatNumber(value);
  return field.unit ? `${text}\u00a0${field.unit}` : text;
}

/** What the layer says for a value; "constructor" and the like are values as well. */
export const labelOf = ({ labels }: Field, value: Scalar): string | undefined =>
  Object.hasOwn(labels, String(value)) ? labels[String(value)] : undefined;

/** The language of a value as it is shown; null for numbers, dates and what the page says itself. */
export function languageOf(layer: LayerDetail | undefined, field: Field, value: Scalar | undefined): string | null {
  if (value === null || value === undefined || value === "") return null;
  const foreign = field.untranslated_labels?.includes(String(value));
  if (foreign) return layer?.data_language ?? null;
  if (labelOf(field, value)) return field.labels_language;
  const speaks = typeof value === "string" && field.type === "text" && /\p{L}{2}/u.test(value);
  return speaks ? (layer?.data_language ?? null) : null;
}

/** Whole numbers without a unit that all look like years are years: 2007, and not 2,007. */
function isYear(field: Field, value: number | bigint): boolean {
  if (field.type !== "integer" || field.unit) return false;
  return [field.min ?? value, field.max ?? value].every((end) => Number(end) >= 1500 && Number(end) <= 2200);
}

/** Marks in a text that turn the writing of what follows it too. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;

/** Stored words such as "no_action" as text; anything with capitals or spaces of its own is left alone. */
function sentence(text: string): string {
  if (!/^[a-z]+(?:_[a-z]+)*$/.test(text)) return text.replace(TURNING, "");
  const words = text.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Metres as people say them: "850 m", "12.3 km". */
export function showLength(words: Words, metres: number): string {
  return metres < 1000 ? `${words.formatNumber(Math.round(metres))}\u00a0m` : `${words.formatNumber(rounded(metres / 1000))}\u00a0km`;
}

/** Square metres as people say them: "850 m²", "1.2 km²". */
export function showArea(words: Words, squareMetres: number): string {
  return squareMetres < 100_000
    ? `${words.formatNumber(Math.round(squareMetres))}\u00a0m²`
    : `${words.formatNumber(rounded(squareMetres / 1e6))}\u00a0km²`;
}

const rounded = (value: number): number => Number(value.toPrecision(3));
