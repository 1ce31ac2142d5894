/** Values of fields as people read them. */
import type { Field, Scalar } from "../query/types.ts";
import { formatDate, formatNumber, t } from "./i18n.svelte.ts";

/** A value with the field's label or unit; "no value" for null. */
export function formatValue(field: Field, value: Scalar | undefined): string {
  if (value === null || value === undefined || value === "") return t("noValue");
  const label = field.labels?.[String(value)];
  if (label) return label;
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (field.type === "timestamp") return formatDate(String(value), true);
  if (field.type === "date") return formatDate(String(value));
  const text = typeof value === "string" ? sentence(value) : isYear(field, value) ? String(value) : formatNumber(value);
  return field.unit ? `${text}\u00a0${field.unit}` : text;
}

/** Whole numbers without a unit that all look like years are years: 2007, and not 2,007. */
function isYear(field: Field, value: number | bigint): boolean {
  if (field.type !== "integer" || field.unit) return false;
  return [field.min ?? value, field.max ?? value].every((end) => Number(end) >= 1500 && Number(end) <= 2200);
}

/** Stored words such as "no_action" as text; anything with capitals or spaces of its own is left alone. */
function sentence(text: string): string {
  if (!/^[a-z]+(?:_[a-z]+)*$/.test(text)) return text;
  const words = text.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Metres as people say them: "850 m", "12.3 km". */
export function formatLength(metres: number): string {
  return metres < 1000 ? `${formatNumber(Math.round(metres))}\u00a0m` : `${formatNumber(rounded(metres / 1000))}\u00a0km`;
}

/** Square metres as people say them: "850 m²", "1.2 km²". */
export function formatArea(squareMetres: number): string {
  return squareMetres < 100_000
    ? `${formatNumber(Math.round(squareMetres))}\u00a0m²`
    : `${formatNumber(rounded(squareMetres / 1e6))}\u00a0km²`;
}

const rounded = (value: number): number => Number(value.toPrecision(3));
