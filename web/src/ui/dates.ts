/** Days as "2024-01-31", always in UTC: the filter, the histogram and what is shown agree whatever the reader's clock. */

const DAY = 86_400_000;
/** The last one that a filter can name. */
export const LAST_DAY = "9999-12-31";

/** The day of a date or timestamp text, null when it is none. */
export function dateOf(text: string): string | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:T|$)/.exec(text);
  if (!match) return null;
  const day = text.slice(0, 10);
  const time = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(time) || fromDays(time / DAY) !== day ? null : day;
}

/** Days since 1970, for arithmetic and sliders; buckets of times may end in the year 10000, and begin in "0001-01-01 BC", which `fromDays` calls "-000000-01-01". */
export function toDays(day: string): number {
  const [, year, date, era] = /^([+-]?\d+)(-\d\d-\d\d)[^ ]*( BC)?/.exec(day) ?? [];
  const number = era ? 1 - Number(year) : Number(year);
  return Date.parse(`${number < 0 ? "-" : "+"}${String(Math.abs(number)).padStart(6, "0")}${date}T00:00:00Z`) / DAY;
}

export function fromDays(days: number): string {
  return new Date(Math.round(days) * DAY).toISOString().split("T")[0]!.replace("+0", "");
}

export function addDays(day: string, days: number): string {
  return fromDays(toDays(day) + days);
}
