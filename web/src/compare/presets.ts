/** What people compare: the same at another time. */
import type { TimeWindow } from "../filter/question.ts";
import { addDays, toDays } from "../ui/dates.ts";

export interface Span extends TimeWindow {
  from: string;
  to: string;
}

const monthOf = (day: string): number => Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1;
const isWhole = ({ from, to }: Span): boolean => from.endsWith("-01") && addDays(to, 1).endsWith("-01");

/** A day so many months earlier; of a shorter month the last. */
function dayBefore(day: string, months: number): string {
  const month = monthOf(day) - months;
  const start = Date.UTC(Math.floor(month / 12), ((month % 12) + 12) % 12, 1);
  const end = new Date(start);
  end.setUTCMonth(end.getUTCMonth() + 1, 0);
  const of = Math.min(Number(day.slice(8)), end.getUTCDate());
  return addDays(new Date(start).toISOString().slice(0, 10), of - 1);
}

/** The same span a year earlier; whole months stay whole. */
export function yearBefore(span: Span): Span {
  if (isWhole(span)) return { from: dayBefore(span.from, 12), to: addDays(dayBefore(addDays(span.to, 1), 12), -1) };
  return { from: dayBefore(span.from, 12), to: dayBefore(span.to, 12) };
}

/** As long a span, right before it. */
export function justBefore(span: Span): Span {
  const to = addDays(span.from, -1);
  if (isWhole(span)) return { from: dayBefore(span.from, monthOf(span.to) - monthOf(span.from) + 1), to };
  return { from: addDays(to, toDays(span.from) - toDays(span.to)), to };
}

/** Without a time on the map: the last year of which there is data to its end, or the year that the data are from. */
export function lastYear(first: string, last: string): Span {
  const year = Number(addDays(last, 1).slice(0, 4)) - 1;
  const told = Math.max(year, Number(first.slice(0, 4)));
  return { from: `${told}-01-01`, to: `${told}-12-31` };
}
