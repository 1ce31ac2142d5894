/** Steps of a calendar, in UTC as all times are: days, weeks from Monday on, months, quarters and years. */
import { fromDays, toDays } from "../ui/dates.ts";

export const UNITS = ["day", "week", "month", "quarter", "year"] as const;
export type Unit = (typeof UNITS)[number];

/** Days as "2024-01-31", both included. */
export interface Span {
  from: string;
  to: string;
}

/** Steps that one can follow: a year has as many weeks, and five years as many months. */
const MOST_STEPS = 62;
/** Days from a Monday to the first day of 1970. */
const MONDAY = 3;
const MONTHS: Record<Exclude<Unit, "day" | "week">, number> = { month: 1, quarter: 3, year: 12 };

/** The first and the last day that a filter can name. */
export const [FIRST, LAST] = [-719_162, 2_932_896];

/** Days from 1970 to the first of a month, counted from the year 0 on. */
function firstOf(months: number): number {
  const date = new Date(0);
  return date.setUTCFullYear(Math.floor(months / 12), ((months % 12) + 12) % 12, 1) / 86_400_000;
}

/** The day, or the nearest one that can be named. */
export const nameOf = (days: number): string => fromDays(Math.min(Math.max(days, FIRST), LAST));

/** The number of the step that a day is in; steps that follow each other have numbers that do. */
export function numberOf(unit: Unit, day: string): number {
  if (unit === "day") return toDays(day);
  if (unit === "week") return Math.floor((toDays(day) + MONDAY) / 7);
  return Math.floor((Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1) / MONTHS[unit]);
}

/** The day on which a step begins, and the one before it has ended, in days since 1970. */
export function edgeOf(unit: Unit, number: number): number {
  if (unit === "day") return number;
  return unit === "week" ? number * 7 - MONDAY : firstOf(number * MONTHS[unit]);
}

/** The first and the last day of a step. */
export const startOf = (unit: Unit, number: number): string => nameOf(edgeOf(unit, number));
export const endOf = (unit: Unit, number: number): string => nameOf(edgeOf(unit, number + 1) - 1);

/** How many steps have a part in a span. */
export const countSteps = (unit: Unit, { from, to }: Span): number => numberOf(unit, to) - numberOf(unit, from) + 1;

/** A step of a span, by its place in it; the first and the last end where the span does. */
export function stepAt(unit: Unit, span: Span, place: number): Span {
  const number = numberOf(unit, span.from) + place;
  const [start, end] = [startOf(unit, number), endOf(unit, number)];
  return { from: start < span.from ? span.from : start, to: end > span.to ? span.to : end };
}

/** The finest unit of which a span has no more steps than one can follow. */
export const chooseUnit = (span: Span): Unit => UNITS.find((unit) => countSteps(unit, span) <= MOST_STEPS) ?? "year";

/** The day that lies so many steps away; of months the same day, or their last. */
export function shiftDay(unit: Unit, day: string, by: number): string {
  if (unit === "day" || unit === "week") return nameOf(toDays(day) + (unit === "day" ? by : 7 * by));
  const months = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1 + by * MONTHS[unit];
  return nameOf(Math.min(firstOf(months) + Number(day.slice(8, 10)) - 1, firstOf(months + 1) - 1));
}
