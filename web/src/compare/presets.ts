/** What people compare: the same at another time. */
import { numberOf, shiftDay, type Span } from "../time/steps.ts";
import { addDays, toDays } from "../ui/dates.ts";

const isWhole = ({ from, to }: Span): boolean => from.endsWith("-01") && addDays(to, 1).endsWith("-01");

/** The same span a year earlier; whole months stay whole. */
export function yearBefore(span: Span): Span {
  const from = shiftDay("year", span.from, -1);
  if (isWhole(span)) return { from, to: addDays(shiftDay("year", addDays(span.to, 1), -1), -1) };
  return { from, to: shiftDay("year", span.to, -1) };
}

/** As long a span, right before it. */
export function justBefore(span: Span): Span {
  const to = addDays(span.from, -1);
  if (isWhole(span)) return { from: shiftDay("month", span.from, numberOf("month", span.from) - numberOf("month", span.to) - 1), to };
  return { from: addDays(to, toDays(span.from) - toDays(span.to)), to };
}

/** Without a time on the map: the last year of which there is data to its end, or the year that the data are from. */
export function lastYear(first: string, last: string): Span {
  const year = Number(addDays(last, 1).slice(0, 4)) - 1;
  const told = Math.max(year, Number(first.slice(0, 4)));
  return { from: `${told}-01-01`, to: `${told}-12-31` };
}
