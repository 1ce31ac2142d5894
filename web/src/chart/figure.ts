/**
 * A chart as shapes: pure, so that the page and a file draw the same. Looks are named by tokens of colour, which the page
 * has as variables (ui/style.css) and a file as numbers.
 */
import { toDays } from "../ui/dates.ts";
import { scaleLinear, scaleUtc } from "d3-scale";
import { line } from "d3-shape";
import type { Words } from "../ui/i18n.svelte.ts";
import { formatTime } from "../ui/time-marks.ts";
import { describeBucket, REST, type Model, type Paint } from "./model.ts";
import type { Step } from "./spec.ts";

export type Token = "ink" | "soft" | "rule" | "edge" | "accent" | "bar" | "paper";

export interface Look {
  fill?: Token | Paint;
  stroke?: Token | Paint;
  width?: number;
  opacity?: number;
  dash?: string;
}

export interface Outline extends Look {
  d: string;
}

export interface Text {
  x: number;
  y: number;
  text: string;
  anchor: "start" | "middle" | "end";
  fill: Token;
  bold?: boolean;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Figure {
  width: number;
  height: number;
  outlines: Outline[];
  texts: Text[];
  /** Where each place can be pointed at, by its number in the model; of a heat map by place and row. */
  spots: Box[];
  /** Pictures of places in a row are brushed from left to right. */
  brushed: boolean;
}

export interface Frame {
  width: number;
  height: number;
  words: Words;
  /** What is picked, by place, and by series, which are the rows of a heat map. */
  picked: boolean[] | null;
  pickedBy: boolean[] | null;
  formatMeasure: (value: number) => string;
  /** What is counted has no halves. */
  whole: boolean;
}

/** Pixels of a letter, about, and of a line of text. */
const LETTER = 6.3;
const LINE = 14;
const ROW = 26;
/** Rows of a chart, at most; the others are one, and the table tells all. */
export const MOST_ROWS = 40;

const widthOf = (text: string): number => text.length * LETTER;
const cut = (text: string, width: number): string => {
  const letters = Math.max(3, Math.floor(width / LETTER));
  return text.length <= letters ? text : `${text.slice(0, letters - 1).trimEnd()}…`;
};
const round = (value: number): number => Math.round(value * 10) / 10;

function box({ x, y, width, height }: Box): string {
  return `M${round(x)},${round(y)}h${round(width)}v${round(height)}h${round(-width)}z`;
}

const lineAt = (x1: number, y1: number, x2: number, y2: number): string => `M${round(x1)},${round(y1)}L${round(x2)},${round(y2)}`;

export function drawFigure(model: Model, frame: Frame): Figure {
  if (model.against) return drawHeat(model, frame);
  return model.group.kind === "category" || model.group.kind === "area" ? drawRows(model, frame) : drawColumns(model, frame);
}

/** Pixels that a chart wants to be high. */
export function heightOf(model: Model, room: number): number {
  if (model.against) return Math.max(260, Math.min(room, 460));
  if (model.group.kind === "category" || model.group.kind === "area") return Math.min(model.places.length, MOST_ROWS + 1) * ROW + 4;
  return Math.max(190, Math.min(room, 420));
}

/** Columns along a time or a number, on each other or, where they cannot stand so, as lines. */
function drawColumns(model: Model, frame: Frame): Figure {
  const { width, height, picked, pickedBy } = frame;
  const lines = model.series.length > 1 && !model.stacks;
  const known = model.totals.filter((value): value is number => value !== null);
  const all = lines ? model.cells.flat().filter((value): value is number => value !== null) : known;
  const y = scaleLinear()
    .domain([Math.min(0, ...all), Math.max(0, ...all) || 1])
    .nice(10);
  const marks = y.ticks(4).filter((mark) => !frame.whole || Number.isInteger(mark));
  const left = Math.ceil(Math.max(...marks.map((mark) => widthOf(frame.formatMeasure(mark))))) + 10;
  const [top, right, bottom] = [8, 10, LINE + 10];
  y.range([height - bottom, top]);
  const floor = height - bottom;
  const edges = layEdges(model, left, width - right);
  const outlines: Outline[] = marks.map((mark) => ({ d: lineAt(left, y(mark), width - right, y(mark)), stroke: mark ? "rule" : "edge" }));
  const texts: Text[] = marks.map((mark) => ({
    x: left - 6,
    y: y(mark) + 4,
    text: frame.formatMeasure(mark),
    anchor: "end",
    fill: "soft",
  }));
  const spots = model.places.map((_, at) => ({ x: edges[at]!, y: top, width: edges[at + 1]! - edges[at]!, height: floor - top }));
  const gap = (at: number): number => Math.min(2, (edges[at + 1]! - edges[at]!) * 0.15);
  if (lines) outlines.push(...drawLines(model, edges, y, pickedBy));
  else {
    const bases = model.places.map(() => 0);
    model.series.forEach(({ paint }, column) => {
      const sorted = new Map<string, string[]>();
      model.places.forEach(({ incomplete }, at) => {
        const value = model.cells[at]![column] ?? null;
        if (!value) return;
        const base = bases[at]!;
        bases[at] = base + value;
        const [high, low] = [y(Math.max(base, base + value)), y(Math.min(base, base + value))];
        const wide = edges[at + 1]! - edges[at]! - gap(at);
        // What is there is seen, however small.
        const rect = { x: edges[at]! + gap(at) / 2, y: Math.min(high, low - 0.7), width: wide, height: Math.max(low - high, 0.7) };
        const off = (picked && !picked[at]) || (pickedBy && !pickedBy[column]);
        const key = `${off ? "off" : "on"} ${incomplete ? "part" : "whole"}`;
        sorted.set(key, [...(sorted.get(key) ?? []), box(rect)]);
      });
      for (const [key, boxes] of sorted)
        outlines.push({ d: boxes.join(""), ...lookOf(paint, key.startsWith("off"), key.endsWith("part")) });
    });
  }
  const axis = model.group.kind === "time" ? labelTimes(model, edges, frame) : labelEdges(model, edges, frame);
  for (const { at, text, anchor, tick } of axis) {
    if (tick) outlines.push({ d: lineAt(at, floor, at, floor + 5), stroke: "edge" });
    texts.push({ x: at, y: floor + LINE + 4, text, anchor, fill: "soft" });
  }
  return { width, height, outlines, texts, spots, brushed: true };
}

/** What is not picked is grey; of several colours pale. What is not complete is pale inside its outline. */
function lookOf(paint: Paint | null, off: boolean, part: boolean): Look {
  const fill = off && !paint ? "bar" : (paint ?? "accent");
  const look: Look = { fill, ...(off && paint ? { opacity: 0.25 } : {}) };
  return part ? { ...look, opacity: off ? 0.3 : 0.45, stroke: fill, dash: "3 2", width: 1 } : look;
}

function drawLines(model: Model, edges: readonly number[], y: (value: number) => number, picked: boolean[] | null): Outline[] {
  const middle = (at: number): number => (edges[at]! + edges[at + 1]!) / 2;
  return model.series.map(({ paint }, column) => {
    const points = model.cells.map((row, at): [number, number | null] => [middle(at), row[column] ?? null]);
    const draw = line<[number, number | null]>()
      .defined(([, value]) => value !== null)
      .x(([x]) => round(x))
      .y(([, value]) => round(y(value!)));
    // A point between two gaps would not be seen.
    const alone = points.filter(
      ([, value], at) => value !== null && (points[at - 1]?.[1] ?? null) === null && (points[at + 1]?.[1] ?? null) === null,
    );
    const dots = alone.map(([x, value]) => `M${round(x - 1.5)},${round(y(value!))}h3`).join("");
    return { d: `${draw(points) ?? ""}${dots}`, stroke: paint ?? REST, width: 2, ...(picked && !picked[column] ? { opacity: 0.25 } : {}) };
  });
}

/** Where places begin and end on the axis: times as long as they are, all else alike. */
function layEdges({ group, places }: Model, from: number, to: number): number[] {
  const even = (at: number): number => from + ((to - from) * at) / Math.max(1, places.length);
  if (group.kind === "time" && group.ends) {
    const times = [...group.values, group.ends.at(-1)!].map((text) => timeOf(String(text)));
    const [first, last] = [times[0]!, times.at(-1)!];
    if (times.every(Number.isFinite) && last > first) return times.map((time) => from + ((to - from) * (time - first)) / (last - first));
  }
  return Array.from({ length: places.length + 1 }, (_, at) => even(at));
}

const timeOf = (text: string): number => (text.includes("T") ? Date.parse(text) : toDays(text) * 86_400_000);

interface Label {
  at: number;
  text: string;
  anchor: Text["anchor"];
  tick: boolean;
}

/** Under each column where there is room; else at the round times between them. */
function labelTimes(model: Model, edges: readonly number[], { width, words }: Frame): Label[] {
  const { group } = model;
  if (group.kind !== "time" || !group.values.length) return [];
  const step = group.bucket as Step;
  const short = group.values.map((value, at) =>
    group.ends ? shorten(words, step, String(value), at === 0) : describeShort(words, step, Number(value)),
  );
  const room = (edges.at(-1)! - edges[0]!) / group.values.length;
  const middle = (at: number): number => (edges[at]! + edges[at + 1]!) / 2;
  const needed = Math.max(...short.map(widthOf)) + 8;
  if (needed <= room || !group.ends) {
    const stride = Math.max(1, Math.ceil(needed / room));
    return short.flatMap((text, at) => (at % stride ? [] : [{ at: middle(at), text, anchor: "middle" as const, tick: false }]));
  }
  const times = [...group.values, group.ends.at(-1)!].map((text) => timeOf(String(text)));
  if (!times.every(Number.isFinite)) return [{ at: edges[0]!, text: String(group.values[0]), anchor: "start", tick: true }];
  const x = scaleUtc()
    .domain([times[0]!, times.at(-1)!])
    .range([edges[0]!, edges.at(-1)!]);
  const span = times.at(-1)! - times[0]!;
  // Where the last bucket ends nothing begins.
  const ticks = x.ticks(Math.max(2, Math.floor((width - edges[0]!) / 84))).filter((time) => time.getTime() < times.at(-1)!);
  return ticks.flatMap((time) => {
    const at = x(time);
    const text = formatTime(words, time, span);
    const over = at + widthOf(text) > width;
    return [{ at, text, anchor: over ? ("end" as const) : ("start" as const), tick: true }];
  });
}

/** As little as tells a bucket from its neighbours. */
function shorten(words: Words, step: Step, value: string, first: boolean): string {
  const time = timeOf(value);
  if (!Number.isFinite(time)) return value;
  const write = (options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat(words.locale, { ...options, timeZone: "UTC" }).format(time);
  if (step === "hour") return write({ hour: "2-digit", minute: "2-digit" });
  if (step === "day" || step === "week") return write({ day: "numeric", month: "short" });
  if (step === "month" || step === "quarter")
    return write({ month: "short", ...((first || value.slice(5, 7) === "01") && { year: "2-digit" }) });
  return write({ year: "numeric" });
}

function describeShort(words: Words, step: Step, value: number): string {
  const text = describeBucket(words, step, value);
  return step === "hour-of-day" ? text : text.slice(0, 3);
}

/** At the edges of bins, as many as there is room for. */
function labelEdges({ group }: Model, edges: readonly number[], { words }: Frame): Label[] {
  if (group.kind !== "number") return [];
  const texts = group.edges.map((edge) => words.formatNumber(edge));
  const room = (edges.at(-1)! - edges[0]!) / Math.max(1, group.edges.length - 1);
  const stride = Math.max(1, Math.ceil((Math.max(...texts.map(widthOf)) + 12) / room));
  return texts.flatMap((text, at) => (at % stride ? [] : [{ at: edges[at]!, text, anchor: "middle" as const, tick: true }]));
}

/** Where in a bar that is too long for the picture it is broken off, by a slanting gap. */
const BREAK = 0.9;
const breakAt = (x: number, y: number, height: number): string => `M${round(x)},${y + height}l6,${-height}h5l-6,${height}z`;

/** A bar a line, the longest first. */
function drawRows(model: Model, frame: Frame): Figure {
  const { width, picked } = frame;
  const height = heightOf(model, 0);
  const narrowPage = width < 480;
  const values = model.totals.map((value) => (value === null ? "–" : frame.formatMeasure(value)));
  const right = Math.max(...values.map(widthOf), 0) + 10;
  const left = Math.min(Math.max(...model.places.map(({ label }) => widthOf(label)), 40) + 12, width * (narrowPage ? 0.42 : 0.36));
  // All that are not listed may be many times the longest of those that are: then their bar is broken off.
  const listed = model.totals.map((value, at) => (model.places[at]!.key >= 0 ? (value ?? 0) : 0));
  const most = Math.max(0, ...listed) || Math.max(0, ...model.totals.map((value) => value ?? 0));
  const least = Math.min(0, ...model.totals.map((value) => value ?? 0));
  const x = scaleLinear()
    .domain([least, most || 1])
    .range([left, width - right]);
  const outlines: Outline[] = [];
  const texts: Text[] = [];
  const spots: Box[] = [];
  const sorted = new Map<Token, string[]>();
  const breaks: string[] = [];
  model.places.forEach(({ label, key }, at) => {
    const top = at * ROW + 2;
    const value = model.totals[at] ?? null;
    const off = picked !== null && !picked[at];
    spots.push({ x: 0, y: top, width, height: ROW });
    if (value) {
      const look: Token = off ? "bar" : key < 0 ? "edge" : "accent";
      const [from, to] = [x(Math.min(0, value)), x(Math.min(most, Math.max(0, value)))];
      if (value > most) breaks.push(breakAt(from + (to - from) * BREAK, top + 2, ROW - 4));
      const rect = { x: from, y: top + 4, width: Math.max(to - from, 1), height: ROW - 8 };
      sorted.set(look, [...(sorted.get(look) ?? []), box(rect)]);
    }
    texts.push({ x: left - 8, y: top + ROW / 2 + 4, text: cut(label, left - 10), anchor: "end", fill: off ? "soft" : "ink" });
    texts.push({
      x: x(Math.min(most, Math.max(0, value ?? 0))) + 6,
      y: top + ROW / 2 + 4,
      text: values[at]!,
      anchor: "start",
      fill: off ? "soft" : "ink",
    });
  });
  for (const [fill, boxes] of sorted) outlines.push({ d: boxes.join(""), fill });
  if (breaks.length) outlines.push({ d: breaks.join(""), fill: "paper" });
  outlines.push({ d: lineAt(x(0), 0, x(0), height), stroke: "edge" });
  return { width, height, outlines, texts, spots, brushed: false };
}

/** Shades of a heat map, by the root of what is counted: few rows are seen beside many. */
export const SHADES = [0.14, 0.32, 0.52, 0.74, 1];

/** The least value of each shade. */
export function listShades(most: number): number[] {
  return SHADES.map((_, at) => (at / SHADES.length) ** 2 * most);
}

const shadeOf = (value: number, most: number): number =>
  Math.min(SHADES.length - 1, Math.max(0, Math.ceil(Math.sqrt(Math.max(0, value) / (most || 1)) * SHADES.length) - 1));

/** One number against another: the more rows in a cell, the darker it is. */
function drawHeat(model: Model, frame: Frame): Figure {
  const { width, height, words, picked, pickedBy } = frame;
  const group = model.group as Extract<Model["group"], { kind: "number" }>;
  const against = model.against!;
  const names = against.edges.map((edge) => words.formatNumber(edge));
  const left = Math.max(...names.map(widthOf)) + 10;
  const [top, right, bottom] = [LINE + 8, 12, LINE + 10];
  const edges = layEdges(model, left, width - right);
  const floor = height - bottom;
  const rows = against.edges.length - 1;
  const step = (floor - top) / Math.max(1, rows);
  const most = Math.max(0, ...model.cells.flat().map((value) => value ?? 0));
  const boxes = new Map<string, string[]>();
  const spots: Box[] = [];
  model.places.forEach((_, at) => {
    for (let row = 0; row < rows; row += 1) {
      const spot = { x: edges[at]!, y: floor - (row + 1) * step, width: edges[at + 1]! - edges[at]!, height: step };
      spots.push(spot);
      const value = model.cells[at]![row] ?? null;
      if (value === null) continue;
      const off = (picked && !picked[at]) || (pickedBy && !pickedBy[row]);
      const key = `${off ? "off" : "on"} ${shadeOf(value, most)}`;
      boxes.set(key, [...(boxes.get(key) ?? []), box({ ...spot, width: spot.width - 0.6, height: spot.height - 0.6 })]);
    }
  });
  const outlines: Outline[] = [...boxes].map(([key, all]) => {
    const [state, shade] = key.split(" ");
    return { d: all.join(""), fill: state === "off" ? "edge" : "accent", opacity: SHADES[Number(shade)]! * (state === "off" ? 0.6 : 1) };
  });
  outlines.push({ d: `${lineAt(left, top, left, floor)}${lineAt(left, floor, width - right, floor)}`, stroke: "edge" });
  const texts: Text[] = [];
  const stride = Math.max(1, Math.ceil((LINE + 6) / step));
  names.forEach((text, row) => {
    if (row % stride === 0) texts.push({ x: left - 6, y: floor - row * step + 4, text, anchor: "end", fill: "soft" });
  });
  for (const { at, text, anchor } of labelEdges(model, edges, frame))
    texts.push({ x: at, y: floor + LINE + 4, text, anchor, fill: "soft" });
  texts.push({ x: 0, y: LINE - 2, text: `↑ ${nameOf(against)}`, anchor: "start", fill: "ink" });
  texts.push({ x: width - right, y: floor - 6, text: `${nameOf(group)} →`, anchor: "end", fill: "ink" });
  return { width, height, outlines, texts, spots, brushed: false };
}

const nameOf = ({ title, unit }: { title: string; unit: string }): string => (unit ? `${title} (${unit})` : title);
