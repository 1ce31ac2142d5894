/** A sensor's readings of one field as a line: its points, its gaps, its scale, and the limits that it is judged by. */
import type { Field, Scalar } from "../query/types.ts";

export interface Reading {
  at: number;
  /** Null where nothing was measured. */
  value: number | null;
}

export type Threshold = Field["limits"][number];

/** So many usual steps without a reading are a gap. */
const GAP = 3.5;
/** A limit farther beyond the readings than they reach would make them flat, and is told in words. */
const REACH = 1.6;

/** In order of time; what has no time that can be read is left out. */
export function readSeries(rows: readonly Record<string, Scalar>[], time: string, field: string): Reading[] {
  return rows
    .map((row): Reading => {
      const value = row[field];
      return { at: Date.parse(String(row[time])), value: typeof value === "number" || typeof value === "bigint" ? Number(value) : null };
    })
    .filter(({ at }) => !Number.isNaN(at))
    .sort((a, b) => a.at - b.at);
}

export const isKnown = (reading: Reading): reading is { at: number; value: number } => reading.value !== null;

/** The same with a point without a value in each hole of several usual steps, so that no line is drawn across it. */
export function markGaps(series: readonly Reading[]): Reading[] {
  const steps = series.slice(1).map(({ at }, index) => at - series[index]!.at);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  return series.flatMap((reading, index) => {
    const before = series[index - 1];
    const hole = before !== undefined && usual > 0 && reading.at - before.at > GAP * usual;
    return hole ? [{ at: (before.at + reading.at) / 2, value: null }, reading] : [reading];
  });
}

/** Runs of points that belong together; a run may be a single one. */
export function listRuns(series: readonly Reading[]): { at: number; value: number }[][] {
  const runs: { at: number; value: number }[][] = [[]];
  for (const reading of markGaps(series)) {
    if (isKnown(reading)) runs.at(-1)!.push(reading);
    else if (runs.at(-1)!.length) runs.push([]);
  }
  return runs.filter((run) => run.length);
}

/** What the scale of values has to hold: the readings, near limits, and zero where it is near. */
export function findRange(values: readonly number[], limits: readonly Threshold[]): { low: number; high: number; shown: Threshold[] } {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const size = Math.max(Math.abs(min), Math.abs(max));
  const shown = limits.filter(({ value }) => value <= max || (value > 0 && value <= REACH * size));
  const near = shown.filter(({ value }) => value >= min || min - value <= max - min);
  const all = [min, max, ...near.map(({ value }) => value)];
  const low = Math.min(...all);
  const high = Math.max(...all);
  if (low === high) return { low: low - (Math.abs(low) || 1) / 2, high: high + (Math.abs(high) || 1) / 2, shown: near };
  return { low: low >= 0 && low <= high / 2 ? 0 : low, high, shown: near };
}

/** The place of the point nearest in time. */
export function findNearest(points: readonly { at: number }[], at: number): number {
  let best = 0;
  points.forEach((point, index) => {
    if (Math.abs(point.at - at) < Math.abs(points[best]!.at - at)) best = index;
  });
  return best;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600_000],
  ["month", 2_629_800_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** How long ago something was: "3 hours ago". */
export function formatAge(at: number, now: number, language: string): string {
  const [unit, size] = UNITS.find(([, length]) => Math.abs(now - at) >= length) ?? UNITS.at(-1)!;
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.round((at - now) / size), unit);
}
