/** Words at the marks of an axis of time. */
import type { Words } from "./i18n.svelte.ts";

const DAY = 86_400_000;

/** As little as tells one mark from its neighbours: the hour, the day, the month or the year. `span` is in milliseconds. */
export function formatTime(words: Words, time: Date, span: number): string {
  const options: Intl.DateTimeFormatOptions =
    time.getTime() % DAY
      ? { hour: "2-digit", minute: "2-digit" }
      : span > 1000 * DAY
        ? { year: "numeric", ...(time.getUTCMonth() && { month: "short" }) }
        : span > 90 * DAY && time.getUTCDate() === 1
          ? { month: "short", ...(time.getUTCMonth() === 0 && { year: "numeric" }) }
          : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(words.locale, { ...options, timeZone: "UTC" }).format(time);
}
