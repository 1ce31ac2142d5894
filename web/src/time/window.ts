/** How a window of time is drawn, moved and resized: whole steps of the unit that fits. Both ends of a window are included. */
import { toDays } from "../ui/dates.ts";
import type { Extent } from "./axis.ts";
import { countSteps, edgeOf, endOf, nameOf, numberOf, startOf, UNITS, type Span, type Unit } from "./steps.ts";

/** Days of a step, about. */
export const DAYS: Record<Unit, number> = { day: 1, week: 7, month: 30.44, quarter: 91.3, year: 365.25 };
/** Pixels of a step that a pointer can hit. */
const LEAST = 3;
/** Steps of a page key. */
export const PAGE = 10;

/** The finest unit that a pointer can choose on an axis. */
export const fitUnit = ({ from, to }: Extent, width: number): Unit =>
  UNITS.find((unit) => (DAYS[unit] * width) / (to - from || 1) >= LEAST) ?? "year";

/** The largest unit that a window is whole steps of. */
export function unitOf({ from, to }: Span): Unit {
  const isWhole = (unit: Unit): boolean => startOf(unit, numberOf(unit, from)) === from && endOf(unit, numberOf(unit, to)) === to;
  return UNITS.findLast(isWhole)!;
}

const clamp = (value: number, from: number, to: number): number => Math.min(Math.max(value, from), to);
const within = (day: string, span: Span): string => (day < span.from ? span.from : day > span.to ? span.to : day);
const numberAt = (unit: Unit, place: number): number => numberOf(unit, nameOf(Math.floor(place)));

/** The edge between two steps that is nearest to a place on the axis, as the day after it. */
export function nearestEdge(unit: Unit, place: number): number {
  const number = numberAt(unit, place);
  const [before, after] = [edgeOf(unit, number), edgeOf(unit, number + 1)];
  return place - before < after - place ? before : after;
}

/** From one place on the axis to another, in whole steps: those that both lie in, and all between. */
export function drawn(unit: Unit, one: number, other: number, whole: Span): Span {
  const [low, high] = [numberAt(unit, Math.min(one, other)), numberAt(unit, Math.max(one, other))];
  return { from: within(startOf(unit, low), whole), to: within(endOf(unit, high), whole) };
}

/** One end at another place; it stops at the other end. */
export function resized(unit: Unit, window: Span, end: "from" | "to", place: number, whole: Span): Span {
  const edge = nearestEdge(unit, clamp(place, toDays(whole.from), toDays(whole.to) + 1));
  const day = nameOf(end === "from" ? edge : edge - 1);
  const stopped = end === "from" ? (day > window.to ? window.to : day) : day < window.from ? window.from : day;
  return { ...window, [end]: within(stopped, whole) };
}

/** Where an end is on the axis: behind the last day. */
export const edgeAt = (window: Span, end: "from" | "to"): number => toDays(window[end]) + (end === "from" ? 0 : 1);

/** One end by some steps. */
export function stepped(unit: Unit, window: Span, end: "from" | "to", by: number, whole: Span): Span {
  const edge = edgeAt(window, end);
  const number = numberAt(unit, edge);
  // From within a step its own start is the first one back.
  const inside = by < 0 && edgeOf(unit, number) !== edge ? 1 : 0;
  return resized(unit, window, end, edgeOf(unit, number + by + inside), whole);
}

/** As long as it was, in steps of its own unit, and within the whole. */
export function moved(window: Span, by: number, whole: Span): Span {
  const unit = unitOf(window);
  const length = countSteps(unit, window);
  const [first, last] = [numberOf(unit, whole.from), numberOf(unit, whole.to) - length + 1];
  const from = clamp(numberOf(unit, window.from) + by, first, Math.max(first, last));
  return { from: startOf(unit, from), to: endOf(unit, from + length - 1) };
}
