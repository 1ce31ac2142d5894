/** Spans of days: how people say them, and those that people ask for. Both ends are included. */
import { addDays, toDays } from "../ui/dates.ts";
import type { MessageKey, Words } from "../ui/i18n.svelte.ts";

export interface Period {
  from: string;
  to: string;
}

export interface Preset extends Period {
  label: string;
}

const at = (day: string): Date => new Date(toDays(day) * 86_400_000);
const pad = (number: number): string => String(number).padStart(2, "0");

/** Years are told apart from those before the first. */
export const eraOf = (day: Date): Intl.DateTimeFormatOptions => (day.getUTCFullYear() < 1 ? { era: "short" } : {});

/** The first day of a month, which may be one of another year: month 13 is the next January. */
function firstOf(year: number, month: number): string {
  return new Date(Date.UTC(year, month - 1, 1)).toISOString().slice(0, 10);
}

/** Whole months: `from` is the first month's number. */
function months(year: number, from: number, length: number): Period {
  return { from: firstOf(year, from), to: addDays(firstOf(year, from + length), -1) };
}

/** "2025", "Mar – May 2025", "3 – 17 Mar 2025", "Since 1 Jan 2024". */
export function describePeriod({ formatDate, locale, t }: Words, from: string | null, to: string | null): string {
  if (from === null) return to === null ? "" : t("timeUntil", { to: formatDate(to) });
  if (to === null) return t("timeSince", { from: formatDate(from) });
  if (!(toDays(from) <= toDays(to))) return `${formatDate(from)} – ${formatDate(to)}`;
  const [first, after] = [at(from), at(addDays(to, 1))];
  const whole = first.getUTCDate() === 1 && after.getUTCDate() === 1;
  const years = whole && first.getUTCMonth() === 0 && after.getUTCMonth() === 0;
  const year: Intl.DateTimeFormatOptions = { year: "numeric", ...eraOf(first) };
  const options: Intl.DateTimeFormatOptions = years
    ? year
    : whole
      ? { ...year, month: "short" }
      : year.era
        ? { ...year, month: "short", day: "numeric" }
        : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" }).formatRange(first, at(to));
}

/** In the north by the months that they begin in. */
const SEASONS: Record<number, MessageKey> = { 3: "spring", 6: "summer", 9: "autumn", 12: "winter" };
const SOUTH: Record<number, MessageKey> = { 9: "spring", 12: "summer", 3: "autumn", 6: "winter" };

/**
 * The last 30 days, the latest year and the latest four seasons, up to today or to where the data end, which may be long ago:
 * then the labels say so. `south`: the city lies south of the equator.
 */
export function listPresets({ formatDate, t }: Words, first: string, last: string, today: string, south: boolean): Preset[] {
  const end = last < today ? last : today;
  const [year, month] = [Number(end.slice(0, 4)), Number(end.slice(5, 7))];
  const recent = { from: addDays(end, -29), to: end };
  const seasons = [0, 1, 2, 3].map((back): Preset => {
    // The season that the month lies in began in December, March, June or September.
    const began = Math.floor(month / 3) * 3 - 3 * back;
    const [startYear, start] = began > 0 ? [year, began] : [year - 1, began + 12];
    const name = (south ? SOUTH : SEASONS)[start]!;
    const span = start === 12 ? `${startYear}/${pad((startYear + 1) % 100)}` : String(startYear);
    return { ...months(startYear, start, 3), label: t(name, { year: span }) };
  });
  return [
    { ...recent, label: end === today ? t("last30") : t("last30To", { to: formatDate(end) }) },
    { ...months(year, 1, 12), label: end.slice(0, 4) === today.slice(0, 4) ? t("thisYear") : String(year) },
    ...seasons,
  ].filter(({ from, to }) => from <= last && to >= first);
}
