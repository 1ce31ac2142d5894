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
  // A year or a code is an integer too, but one without a unit and of four digits reads wrong with a separator.
  const bare = field.type === "integer" && !field.unit && Number(value) >= 1000 && Number(value) < 10_000;
  const text = typeof value === "number" ? (bare ? String(value) : formatNumber(value)) : sentence(value);
  return field.unit ? `${text}\u00a0${field.unit}` : text;
}

/** Stored words such as "no_action" as text; anything with capitals or spaces of its own is left alone. */
function sentence(text: string): string {
  if (!/^[a-z]+(?:_[a-z]+)*$/.test(text)) return text;
  const words = text.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
