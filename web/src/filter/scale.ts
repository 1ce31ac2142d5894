/** The scale under a range control: numbers, or days since 1970 for dates and timestamps. */
import type { Field, Histogram } from "../query/types.ts";
import { dateOf, fromDays, toDays } from "../ui/dates.ts";

export interface Scale {
  min: number;
  max: number;
  step: number;
}

export const isTemporal = (field: Field): boolean => field.type === "date" || field.type === "timestamp";

/** A stored or chosen value as a position on the scale. */
export function toPosition(field: Field, value: number | string): number {
  return isTemporal(field) ? toDays(String(value)) : Number(value);
}

/** A position as the value that a filter holds. */
export function fromPosition(field: Field, position: number): number | string {
  return isTemporal(field) ? fromDays(position) : position;
}

/** Null when the field has no values to choose from. */
export function buildScale(field: Field, histogram: Histogram | undefined): Scale | null {
  const low = field.min ?? histogram?.min;
  const high = field.max ?? histogram?.max;
  if (low === null || low === undefined || high === null || high === undefined) return null;
  if (isTemporal(field) && (dateOf(String(low)) === null || dateOf(String(high)) === null)) return null;
  const [min, max] = [toPosition(field, low), toPosition(field, high)];
  if (isTemporal(field) || field.type === "integer") return { min, max, step: 1 };
  const step = 10 ** Math.floor(Math.log10((max - min || 1) / 50));
  return { min: tidy(Math.floor(min / step) * step), max: tidy(Math.ceil(max / step) * step), step };
}

/** Cut off what binary fractions add: 0.30000000000000004 -> 0.3. */
export function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

/** Where a bin lies on the scale; timestamps within a day keep their part of it. */
export function binPosition(field: Field, value: number | string): number {
  return isTemporal(field) ? Date.parse(/T/.test(String(value)) ? String(value) : `${value}T00:00:00Z`) / 86_400_000 : Number(value);
}
