/** What the bins of a layer are drawn as, read from the style itself: classes follow the zoom, and a filter moves them. */
import { BINS } from "../map/bins.ts";
import type { BinEntry } from "../query/types.ts";

/** Ends the id of what draws a mark in the middle of each bin. */
const MARKS = "-marks";
/** In the metadata of marks. */
const SIZES = "geoserver:marks";

/** Filled or a frame, and what part of a bin the marks of few and of many are wide. */
export interface Marks {
  framed: boolean;
  few: number;
  many: number;
}

export interface BinClasses {
  /** What each bin holds; null where it is filled. */
  marks: Marks | null;
  entries: BinEntry[];
}

interface Drawn {
  id: string;
  metadata?: Record<string, unknown>;
  paint?: Record<string, unknown>;
}

/** The classes at a zoom; null where colours are not steps of the count, and the layer's own legend says what they are. */
export function binClasses(style: Record<string, unknown> | undefined, layer: string, zoom: number): BinClasses | null {
  const layers = (style?.layers ?? []) as Drawn[];
  const marks = layers.find(({ id }) => id === layer + BINS + MARKS);
  const item = marks ?? layers.find(({ id }) => id === layer + BINS);
  const colours = at(item?.paint?.[marks ? "line-color" : "fill-color"], zoom);
  if (!item || !colours) return null;
  const lows = [1, ...colours.slice(3).filter((_, index) => index % 2 === 0)] as number[];
  const shown = colours.slice(2).filter((_, index) => index % 2 === 0) as string[];
  const entries = shown.map((color, index): BinEntry => {
    const to = index + 1 < lows.length ? lows[index + 1]! - 1 : null;
    return { kind: marks ? "circle" : "fill", label: "", color, from: lows[index]!, to };
  });
  return { marks: (marks?.metadata?.[SIZES] as Marks | undefined) ?? null, entries };
}

/** The steps over `count` that hold at a zoom, out of steps over the zoom. */
function at(value: unknown, zoom: number): unknown[] | null {
  if (!Array.isArray(value) || value[0] !== "step") return null;
  if (String(value[1]) !== "zoom") return value;
  let found: unknown = value[2];
  for (let index = 3; index < value.length && zoom >= value[index]; index += 2) found = value[index + 1];
  return Array.isArray(found) ? found : null;
}
