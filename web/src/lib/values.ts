/** Values of fields as people read them. */
import type { Field, Scalar } from "./api.ts";
import { formatDate, formatNumber, t } from "./i18n.svelte.ts";

/** A value with the field's label or unit; "no value" for null. */
export function formatValue(field: Field, value: Scalar | undefined): string {
  if (value === null || value === undefined || value === "") return t("noValue");
  const label = field.labels?.[String(value)];
  if (label) return label;
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (field.type === "timestamp") return formatDate(String(value), true);
  if (field.type === "date") return formatDate(String(value));
  const text = typeof value === "number" ? (isYear(field, value) ? String(value) : formatNumber(value)) : sentence(value);
  return field.unit ? `${text}\u00a0${field.unit}` : text;
}

/** Whole numbers without a unit that all look like years are years: 2007, and not 2,007. */
function isYear(field: Field, value: number): boolean {
  if (field.type !== "integer" || field.unit) return false;
  return [field.min ?? value, field.max ?? value].every((end) => Number(end) >= 1500 && Number(end) <= 2200);
}

/** Stored words such as "no_action" as text; anything with capitals or spaces of its own is left alone. */
function sentence(text: string): string {
  if (!/^[a-z]+(?:_[a-z]+)*$/.test(text)) return text;
  const words = text.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
