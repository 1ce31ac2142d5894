/**
 * Where everything stands on a sheet, in pixels of its paper. What is said comes as `Content`; what is drawn leaves as marks.
 * The map takes what words leave; where there are many, they become smaller before the map does.
 */
import type { BinClasses } from "../legend/bins.ts";
import type { LegendEntry } from "../query/types.ts";
import type { Box, Size } from "./paper.ts";
import { cutText, wrapText, type Font, type Measure } from "./text.ts";

export interface SheetEntry {
  /** What is measured, over the first of its entries; else "". */
  heading: string;
  label: string;
  sign: LegendEntry;
  scale: number;
  outlined: boolean;
}

export interface SheetLayer {
  title: string;
  /** How many rows, and what narrows them. */
  lines: string[];
  /** Classes of its bins, from the fewest; `label` is written below each. */
  bins: { title: string; classes: (BinClasses["entries"][number] & { label: string })[]; marks: BinClasses["marks"] } | null;
  entries: SheetEntry[];
}

/** A map, and what is said of it. */
export interface Side {
  /** What narrows all layers. */
  lead: string;
  layers: SheetLayer[];
}

export interface Content {
  title: string;
  /** One map, or two that are compared. */
  sides: Side[];
  /** Sources, licences, the day, and the address of the view. */
  notes: string[];
  /** What the map itself is made of. */
  ground: string;
  /** Squares of the address as a picture that phones read; null where it is too long. */
  code: boolean[][] | null;
  /** How to say that something had no room. */
  more: (count: number) => string;
}

export type Token = "ink" | "soft" | "rule" | "paper";

export type Mark =
  | { kind: "text"; x: number; y: number; text: string; font: Font; fill: Token; anchor?: "middle" | "end" }
  | { kind: "sign"; x: number; y: number; size: number; entry: SheetEntry }
  | { kind: "class"; box: Box; entry: LegendEntry; side: number | null; framed: boolean }
  | { kind: "line"; x: number; y: number; width: number }
  | { kind: "code"; x: number; y: number; size: number; code: boolean[][] };

export interface Layout extends Size {
  /** As many as there are sides, all of one size. */
  maps: Box[];
  marks: Mark[];
  /** Beneath the first map: where the scale bar begins, and the size of its letters. */
  scale: { x: number; y: number; size: number; most: number };
  /** In the first map's upper right corner. */
  north: { x: number; y: number; size: number };
}

/** Of an A4 sheet. */
const MARGIN = 40;
const GAP = 18;
const TITLE = 23;
const TEXT = 11;
const NOTE = 8.5;
const CODE = 84;
/** How much smaller words become where there are many. */
const SHRUNK = [1, 0.92, 0.84, 0.76, 0.7];
/** Part of the sheet's height that an upright map has at least before words become smaller, and in any case. */
const ROOMY = 0.46;
const LEAST = 0.3;
/** Part of the width that a legend beside a map has; beside one of two it is a narrower one. */
const SIDE = 0.24;
const SIDE_OF_TWO = 0.3;

/** Part of the sheet's height that the legend may grow by for a layer not to go on in the next column. */
const WHOLE = 0.1;

/** A line of the legend. `keep`: the next one does not begin another column; `last` of its layer. */
interface Row {
  height: number;
  keep: boolean;
  last?: true;
  put: (x: number, y: number) => Mark[];
}

export function layOut(content: Content, paper: Size, measure: Measure): Layout {
  // A larger sheet is looked at from farther away.
  const large = Math.sqrt(Math.min(paper.width, paper.height) / 793.7);
  for (const shrunk of SHRUNK) {
    const found = tryLayout(content, paper, measure, large, large * shrunk, shrunk === SHRUNK.at(-1));
    if (found) return found;
  }
  throw new Error("a sheet is laid out at the last size in any case");
}

/** What all parts of a sheet are measured by; `last`: what has no room is left out, for words do not become smaller. */
interface Rule {
  paper: Size;
  measure: Measure;
  large: number;
  size: number;
  last: boolean;
  gap: number;
  /** Beneath each map, for the scale and what the map is made of. */
  strip: number;
}

function tryLayout(content: Content, paper: Size, measure: Measure, large: number, size: number, last: boolean): Layout | null {
  const margin = MARGIN * large;
  const inner = { x: margin, y: margin, width: paper.width - 2 * margin, height: paper.height - 2 * margin };
  const rule: Rule = { paper, measure, large, size, last, gap: GAP * large, strip: TEXT * large * 2.1 };
  const marks: Mark[] = [];
  const top = putHeader(marks, content, inner, measure, large);
  const bottom = putFooter(marks, content, inner, measure, large);
  const wide = paper.width > paper.height;
  const frames = splitFrame(
    { x: inner.x, y: top, width: inner.width, height: bottom - rule.gap - top },
    content.sides.length,
    wide,
    rule.gap,
  );
  const head = putHeads(marks, content.sides, frames, rule);
  const bodies = frames.map((frame) => ({ ...frame, y: frame.y + head, height: frame.height - head }));
  // Beside each other two maps are upright ones, and below each other wide ones.
  const put = wide === (frames.length === 1) ? putBeside : putBelow;
  const found = put(marks, content, bodies, rule);
  if (!found) return null;
  const maps = found.map((map) => ({ ...map, width: Math.floor(map.width), height: Math.floor(map.height) }));
  const [map, end] = [maps[0]!, maps.at(-1)!];
  const ground: Font = { size: NOTE * large, bold: false, serif: false };
  const text = cutText(content.ground, end === map ? map.width * 0.4 : end.width, ground, measure);
  const y = end.y + end.height + NOTE * large * 1.5;
  marks.push({ kind: "text", x: end.x + end.width, y, text, font: ground, fill: "soft", anchor: "end" });
  return {
    ...paper,
    maps,
    marks,
    scale: { x: map.x, y: map.y + map.height + 6 * large, size: NOTE * large * 1.1, most: map.width * 0.25 },
    north: { x: map.x + map.width - 22 * large, y: map.y + 24 * large, size: 26 * large },
  };
}

/** As many parts of one size, beside each other on a wide sheet. */
function splitFrame(frame: Box, count: number, wide: boolean, gap: number): Box[] {
  const width = wide ? (frame.width - (count - 1) * gap) / count : frame.width;
  const height = wide ? frame.height : (frame.height - (count - 1) * gap) / count;
  return Array.from({ length: count }, (_, index) => ({
    x: frame.x + (wide ? index * (width + gap) : 0),
    y: frame.y + (wide ? 0 : index * (height + gap)),
    width,
    height,
  }));
}

/** Which of two maps it is, and what narrows it, over each of them. Gives how much of each frame that takes. */
function putHeads(marks: Mark[], sides: Side[], frames: Box[], { measure, large }: Rule): number {
  if (sides.length === 1) return 0;
  const font: Font = { size: TEXT * 1.2 * large, bold: true, serif: false };
  const heads = sides.map(({ lead }, index) => [String.fromCharCode(65 + index), lead].filter(Boolean).join(" · "));
  const lines = heads.map((head, index) => wrapText(head, frames[index]!.width, font, measure, 2));
  lines.forEach((each, index) => {
    const { x, y } = frames[index]!;
    each.forEach((text, line) => marks.push({ kind: "text", x, y: y + font.size * (1 + line * 1.2), text, font, fill: "ink" }));
  });
  return font.size * (1.2 * Math.max(...lines.map((each) => each.length)) + 0.3);
}

/** Each map with its legend beside it; null where that has no room. */
function putBeside(marks: Mark[], content: Content, frames: Box[], { measure, size, last, gap, strip }: Rule): Box[] | null {
  const width = frames[0]!.width * (frames.length === 1 ? SIDE : SIDE_OF_TWO);
  const beside = content.sides.some(({ layers }) => layers.length) ? width + gap : 0;
  const rows = content.sides.map(({ layers }) => layers.flatMap((layer) => listRows(layer, width, measure, size)));
  if (!last && rows.some((each) => sum(each) > frames[0]!.height)) return null;
  return frames.map(({ x, y, width: whole, height }, index) => {
    const map = { x, y, width: whole - beside, height: height - strip };
    putColumns(marks, rows[index]!, { x: x + map.width + gap, y, width, height }, 1, gap, content, size);
    return map;
  });
}

/** Each map with its legend below it; null where that leaves too little of it. */
function putBelow(marks: Mark[], content: Content, frames: Box[], { paper, measure, size, last, gap, strip }: Rule): Box[] | null {
  const [frame] = frames as [Box];
  const columns = Math.max(1, Math.round(frame.width / (230 * size)));
  const width = (frame.width - (columns - 1) * gap) / columns;
  const rows = content.sides.map(({ layers }) => layers.flatMap((layer) => listRows(layer, width, measure, size)));
  const room = frame.height - strip;
  rows.forEach((each) => keepLayers(each, columns, paper.height));
  const height = Math.min(Math.max(...rows.map((each) => lowest(each, columns))), room - LEAST * paper.height);
  if (!last && room - height - gap < ROOMY * paper.height) return null;
  return frames.map(({ x, y, width: whole }, index) => {
    const map = { x, y, width: whole, height: room - height };
    putColumns(marks, rows[index]!, { x, y: y + map.height + strip + gap / 2, width, height }, columns, gap, content, size);
    return map;
  });
}

/** Gives where the map begins. */
function putHeader(marks: Mark[], content: Content, inner: Box, measure: Measure, large: number): number {
  let y = inner.y;
  const put = (text: string, font: Font, fill: Token, most: number): void => {
    for (const line of wrapText(text, inner.width, font, measure, most)) {
      y += font.size * 1.2;
      marks.push({ kind: "text", x: inner.x, y: y - font.size * 0.2, text: line, font, fill });
    }
  };
  if (content.title) put(content.title, { size: TITLE * large, bold: true, serif: true }, "ink", 2);
  const [{ lead }] = content.sides as [Side];
  if (lead && content.sides.length === 1) put(lead, { size: TEXT * 1.1 * large, bold: false, serif: false }, "soft", 3);
  return y + (y > inner.y ? 10 * large : 0);
}

/** Gives where it begins. */
function putFooter(marks: Mark[], content: Content, inner: Box, measure: Measure, large: number): number {
  const side = CODE * large;
  const width = inner.width - (content.code ? side + GAP * large : 0);
  const font: Font = { size: NOTE * large, bold: false, serif: false };
  const lines = content.notes.flatMap((note) => wrapText(note, width, font, measure, 4));
  const height = Math.max(lines.length * font.size * 1.4, content.code ? side : 0) + 8 * large;
  const top = inner.y + inner.height - height;
  marks.push({ kind: "line", x: inner.x, y: top, width: inner.width });
  lines.forEach((text, index) => {
    marks.push({ kind: "text", x: inner.x, y: top + 8 * large + font.size * (1 + index * 1.4), text, font, fill: "soft" });
  });
  if (content.code) marks.push({ kind: "code", x: inner.x + inner.width - side, y: top + 8 * large, size: side, code: content.code });
  return top;
}

function listRows(layer: SheetLayer, width: number, measure: Measure, size: number): Row[] {
  const rows: Row[] = [];
  const text = (said: string, font: Font, fill: Token, indent = 0): void => {
    for (const line of wrapText(said, width - indent, font, measure, 6)) {
      const put = (x: number, y: number): Mark[] => [{ kind: "text", x: x + indent, y: y + font.size, text: line, font, fill }];
      rows.push({ height: font.size * 1.32, keep: true, put });
    }
  };
  const plain: Font = { size: TEXT * size, bold: false, serif: false };
  const bold = { ...plain, bold: true };
  // A sign that says what the layer's name says needs no words of its own.
  const [only] = layer.entries;
  const alone = layer.entries.length === 1 && only && !layer.bins && (only.label === "" || only.label === layer.title) ? only : null;
  const aside = 24 * size;
  text(layer.title, { ...bold, size: TEXT * 1.08 * size }, "ink", alone ? aside : 0);
  if (alone && rows[0]) {
    const { put } = rows[0];
    rows[0].put = (x, y) => [...put(x, y), { kind: "sign", x, y: y - size, size: 15 * size, entry: alone }];
  }
  for (const line of layer.lines) text(line, plain, "soft");
  if (layer.bins) rows.push(...listBins(layer.bins, width, measure, size));
  if (!alone) for (const entry of layer.entries) rows.push(...listEntry(entry, width, measure, size));
  const end = rows.at(-1);
  if (end) Object.assign(end, { height: end.height + TEXT * size * 0.8, keep: false, last: true });
  return rows;
}

function listEntry(entry: SheetEntry, width: number, measure: Measure, size: number): Row[] {
  const font: Font = { size: TEXT * 0.96 * size, bold: false, serif: false };
  const head: Row[] = wrapText(entry.heading, width, font, measure, 3).map((text) => ({
    height: font.size * 1.35,
    keep: true,
    put: (x, y) => [{ kind: "text", x, y: y + font.size, text, font, fill: "soft" }],
  }));
  const wide = (entry.sign.kind === "line" ? 31 : 23) * size;
  const lines = wrapText(entry.label, width - wide, font, measure, 4);
  const height = Math.max(lines.length * font.size * 1.25, 15 * size);
  const put = (x: number, y: number): Mark[] => [
    { kind: "sign", x, y, size: 15 * size, entry },
    ...lines.map((text, index): Mark => ({ kind: "text", x: x + wide, y: y + font.size * (1.05 + index * 1.25), text, font, fill: "ink" })),
  ];
  return [...head, { height, keep: false, put }];
}

/** Side of a mark of a bin of so many pixels, from the class of the fewest to that of the most. */
const sideOf = ({ few, many }: NonNullable<BinClasses["marks"]>, index: number, count: number): number =>
  few + ((many - few) * index) / Math.max(count - 1, 1);

function listBins(bins: NonNullable<SheetLayer["bins"]>, width: number, measure: Measure, size: number): Row[] {
  const font: Font = { size: TEXT * 0.96 * size, bold: false, serif: false };
  const small = { ...font, size: font.size * 0.88 };
  const head: Row[] = wrapText(bins.title, width, font, measure, 3).map((text) => ({
    height: font.size * 1.35,
    keep: true,
    put: (x, y) => [{ kind: "text", x, y: y + font.size, text, font, fill: "ink" }],
  }));
  const { classes, marks } = bins;
  const step = Math.min(width, 290 * size) / classes.length;
  const tall = (marks ? 15 : 11) * size;
  const put = (x: number, y: number): Mark[] =>
    classes.flatMap((entry, index): Mark[] => [
      {
        kind: "class",
        box: { x: x + index * step, y: y + 2, width: marks ? tall : step, height: tall },
        entry,
        side: marks && sideOf(marks, index, classes.length),
        framed: marks?.framed ?? false,
      },
      { kind: "text", x: x + index * step, y: y + 2 + tall + small.size * 1.1, text: entry.label, font: small, fill: "ink" },
    ]);
  return [...head, { height: tall + small.size * 1.7, keep: false, put }];
}

const sum = (rows: readonly Row[]): number => rows.reduce((total, { height }) => total + height, 0);

/** Columns of at most this height, as the first row in each; `keep` moves a row to where the next one is. */
function breakRows(rows: readonly Row[], height: number): number[] {
  const starts = [0];
  let used = 0;
  rows.forEach((row, index) => {
    if (used && used + row.height > height) {
      let start = index;
      while (start > starts.at(-1)! + 1 && rows[start - 1]!.keep) start -= 1;
      // What is kept together is higher than a column.
      if (start === starts.at(-1)! + 1 && rows[start - 1]!.keep) start = index;
      starts.push(start);
      used = sum(rows.slice(start, index));
    }
    used += row.height;
  });
  return starts;
}

/** The least height at which the rows go into so many columns. */
function lowest(rows: readonly Row[], columns: number): number {
  if (!rows.length) return 0;
  let [low, run] = [0, 0];
  for (const { height, keep } of rows) {
    run += height;
    low = Math.max(low, run);
    if (!keep) run = 0;
  }
  let high = sum(rows);
  if (breakRows(rows, low).length <= columns) return Math.ceil(low);
  while (high - low > 1) {
    const middle = (low + high) / 2;
    if (breakRows(rows, middle).length <= columns) high = middle;
    else low = middle;
  }
  return Math.ceil(high);
}

/** No layer goes on in the next column, where that does not make the legend much higher. */
function keepLayers(rows: Row[], columns: number, paper: number): void {
  const whole = rows.map((row): Row => ({ ...row, keep: !row.last }));
  if (lowest(whole, columns) > lowest(rows, columns) + WHOLE * paper) return;
  for (const row of rows) row.keep = !row.last;
}

/** `box` is that of the first column. What has no room is told of, never left out in silence. */
function putColumns(marks: Mark[], rows: Row[], box: Box, columns: number, gap: number, content: Content, size: number): void {
  const font: Font = { size: TEXT * size, bold: false, serif: false };
  const starts = breakRows(rows, box.height);
  const end = starts[columns] ?? rows.length;
  const shown = end < rows.length ? end - 1 : end;
  let [column, y] = [0, box.y];
  rows.slice(0, shown).forEach((row, index) => {
    if (column + 1 < columns && index === starts[column + 1]) [column, y] = [column + 1, box.y];
    marks.push(...row.put(box.x + column * (box.width + gap), y));
    y += row.height;
  });
  if (shown === rows.length) return;
  const text = content.more(rows.length - shown);
  marks.push({ kind: "text", x: box.x + column * (box.width + gap), y: y + font.size, text, font, fill: "soft" });
}
