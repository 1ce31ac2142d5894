/** The axis of time that all layers share, and the bars of each on it. Places on it are days since 1970, with parts of days. */
import type { Aggregate } from "../query/types.ts";
import { FIRST, LAST, nameOf, type Span } from "./steps.ts";

/** Rows from one time up to another. */
export interface Bar {
  from: number;
  to: number;
  count: number;
}

/** From the first day to the end of the last. */
export interface Extent {
  from: number;
  to: number;
}

/** An axis that is this many times as long as it would be without a few rows is cut. */
const FAR = 4;
/** Rows that may lie beyond an axis at each of its ends, as part of all; one may where there are so many. */
const FEW = 0.0005;
const MANY = 20;
const DAY = 86_400_000;
const MOMENT = /^(\d{4,})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)Z)?( BC)?$/;

/** A day or a moment as the server writes it, in days since 1970; the last one of a calendar where it lies beyond. */
export function placeOf(text: string): number {
  const found = MOMENT.exec(text);
  if (!found) return NaN;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0)) as [number, ...number[]];
  const told = Math.min(found[7] ? 1 - year : year, 270_000);
  const date = new Date(0);
  date.setUTCFullYear(told, month! - 1, day);
  return date.setUTCHours(hour!, minute, second) / DAY;
}

/** Bars of an answer by time; those without rows are left out, which are the gaps. */
export function readBars(found: Aggregate): Bar[] {
  const [group] = found.groups;
  if (group?.kind !== "time" || !group.ends) return [];
  const { values, ends } = group;
  return found.cells.flatMap(([key, count]) => {
    const at = Number(key);
    if (at < 0 || !count) return [];
    return [{ from: placeOf(String(values[at])), to: placeOf(String(ends[at])), count: Number(count) }];
  });
}

/** Whole days around bars; null where there are none. */
export function extentOf(bars: readonly Bar[]): Extent | null {
  if (!bars.length) return null;
  return { from: Math.floor(bars[0]!.from), to: Math.ceil(bars.at(-1)!.to) };
}

/** Where nearly all rows are, if a few make the axis much longer than that: a year 9999 that stands for "never". */
export function cut(bars: readonly Bar[]): Extent | null {
  const whole = extentOf(bars);
  if (!whole) return null;
  const total = bars.reduce((sum, { count }) => sum + count, 0);
  const spare = Math.max(total * FEW, total >= MANY ? 1 : 0);
  const kept = [...bars];
  const drop = (at: 0 | -1): void => {
    for (let left = spare; kept.length > 1 && kept.at(at)!.count <= left;) left -= (at ? kept.pop()! : kept.shift()!).count;
  };
  drop(-1);
  drop(0);
  const inner = extentOf(kept)!;
  const [from, to] = [Math.max(inner.from, FIRST), Math.min(inner.to, LAST + 1)];
  return whole.to - whole.from > FAR * (to - from) ? { from, to } : null;
}

/** The days of an extent, as far as a filter can name them. */
export const spanOf = ({ from, to }: Extent): Span => ({ from: nameOf(from), to: nameOf(to - 1) });

/** Around all of them. */
export function join(extents: readonly (Extent | null)[]): Extent | null {
  const known = extents.filter((extent): extent is Extent => extent !== null);
  if (!known.length) return null;
  return { from: Math.min(...known.map(({ from }) => from)), to: Math.max(...known.map(({ to }) => to)) };
}
