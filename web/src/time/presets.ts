/** Spans of time that are chosen by name: the whole, what is latest, each year. */
import { toDays } from "../ui/dates.ts";
import { nameOf, shiftDay, type Span } from "./steps.ts";

export type Latest = "week" | "month" | "year";

export interface Preset extends Span {
  /** "2024" for a year. */
  key: Latest | `${number}`;
}

/** Years that are listed, the latest ones. */
const MOST_YEARS = 40;

/** What is latest ends with the last day of the data, which may be long ago. */
export function listPresets({ from, to }: Span): Preset[] {
  // From the day after the one that a span before would have ended with.
  const latest = (["week", "month", "year"] as const).map((key) => ({ key, from: nameOf(toDays(shiftDay(key, to, -1)) + 1), to }));
  const [first, last] = [Number(from.slice(0, 4)), Number(to.slice(0, 4))];
  const years = Array.from({ length: Math.min(last - first + 1, MOST_YEARS) }, (_, back): Preset => {
    const year = String(last - back).padStart(4, "0") as `${number}`;
    return { key: year, from: `${year}-01-01`, to: `${year}-12-31` };
  });
  return [...latest.filter((preset) => preset.from > from), ...years];
}
