/** Where buckets of time and bins of numbers begin and end, as geoserver/database/buckets.py has it. Times are whole seconds. */

export const UNITS = ["hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium"] as const;
export type Unit = (typeof UNITS)[number];

const [HOUR, DAY] = [3_600, 86_400];
/** Days from the Monday before 1970 to the first day of 1970. */
const MONDAY = 3;
const MONTHS: Partial<Record<Unit, number>> = { month: 1, quarter: 3, year: 12, decade: 120, century: 1_200, millennium: 12_000 };
/** Buckets that `auto` finds, at most. */
const AUTO = 200;

/** Buckets that follow each other have numbers that differ by 1. */
export function numberBucket(unit: Unit, second: number): number {
  if (unit === "hour") return Math.floor(second / HOUR);
  const day = Math.floor(second / DAY);
  if (unit === "day") return day;
  if (unit === "week") return Math.floor((day + MONDAY) / 7);
  const date = new Date(day * DAY * 1000);
  return Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / MONTHS[unit]!);
}

/** The second in which a bucket begins. */
export function startBucket(unit: Unit, number: number): number {
  if (unit === "hour") return number * HOUR;
  if (unit === "day") return number * DAY;
  if (unit === "week") return (number * 7 - MONDAY) * DAY;
  const month = number * MONTHS[unit]!;
  const date = new Date(0);
  return date.setUTCFullYear(Math.floor(month / 12), month - Math.floor(month / 12) * 12, 1) / 1000;
}

/** The finest unit of which few enough lead from one to the other; of days there is none finer. */
export function chooseUnit(low: number, high: number, days: boolean): Unit {
  const units = days ? UNITS.slice(1) : UNITS;
  return units.find((unit) => numberBucket(unit, high) - numberBucket(unit, low) < AUTO) ?? "millennium";
}

/** Tenths of the round widths: 1, 2, 2.5 and 5. */
const LADDER = [10n, 20n, 25n, 50n];

/** A number as a whole one with so many tens behind it: `digits` times 10 to `tens`. */
interface Decimal {
  digits: bigint;
  tens: number;
}

function toDecimal(value: number): Decimal {
  const [mantissa, exponent = "0"] = String(value).split("e");
  const [whole, part = ""] = mantissa!.split(".");
  return { digits: BigInt(whole + part), tens: Number(exponent) - part.length };
}

/** How many times a step goes into a value, rounded down; or up. */
function divide(value: Decimal, step: Decimal, up: boolean): bigint {
  const tens = Math.min(value.tens, step.tens);
  const over = value.digits * 10n ** BigInt(value.tens - tens);
  const under = step.digits * 10n ** BigInt(step.tens - tens);
  const floor = over / under - (over % under < 0n ? 1n : 0n);
  return up && over % under !== 0n ? floor + 1n : floor;
}

const toNumber = (times: bigint, step: Decimal): number => Number(`${times * step.digits}e${step.tens}`);

/** Edges of at most so many bins of equal width, on round numbers, around both. */
export function layEdges(low: number, high: number, bins: number, whole: boolean): number[] {
  return whole ? layWhole(low, high, bins) : layRound(low, high, bins);
}

function layWhole(low: number, high: number, bins: number): number[] {
  for (let ten = 1; ; ten *= 10)
    for (const part of [1, 2, 2.5, 5]) {
      const width = part * ten;
      if (!Number.isInteger(width)) continue;
      const [first, last] = [Math.floor(low / width), Math.floor(high / width)];
      if (last - first >= Math.max(bins, 2)) continue;
      const edges = Array.from({ length: last - first + 2 }, (_, at) => (first + at) * width);
      return bins > 1 ? edges : [edges[0]!, edges.at(-1)!];
    }
}

function layRound(low: number, high: number, bins: number): number[] {
  const edges = [...new Set(listRound(low, high, Math.max(bins, 2)))].sort((a, b) => a - b);
  // Too narrow for doubles to divide.
  if (edges.length < 2 || edges[0]! > low || edges.at(-1)! < high) return [low, Math.max(high, next(low))];
  return bins > 1 ? edges : [edges[0]!, edges.at(-1)!];
}

function listRound(low: number, high: number, bins: number): number[] {
  const [from, to] = [toDecimal(low), toDecimal(high)];
  if (low === high) {
    const step = { digits: 1n, tens: low ? tensOf(low) - 1 : 0 };
    const first = divide(from, step, false);
    return [toNumber(first, step), toNumber(first + 1n, step)];
  }
  // A width that is too small is passed over.
  for (let tens = tensOf((high - low) / bins) - 2; ; tens++)
    for (const digits of LADDER) {
      const step = { digits, tens };
      const [first, last] = [divide(from, step, false), divide(to, step, true)];
      if (last - first > BigInt(bins)) continue;
      return Array.from({ length: Number(last - first) + 1 }, (_, at) => toNumber(first + BigInt(at), step));
    }
}

/** Of the first digit. */
const tensOf = (value: number): number => Number(Math.abs(value).toExponential().split("e")[1]);

/** The next number above it that there is. */
export function next(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return view.getFloat64(0);
}
