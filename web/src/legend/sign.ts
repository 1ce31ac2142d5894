/** How large the sign of a legend's entry is drawn, in a swatch of 18 by 18 pixels. */
import type { LegendEntry } from "../query/types.ts";

const LARGEST = 8;

/** What makes the largest of a legend's circles fit, so that the others keep their proportion to it. */
export const scaleOf = (entries: readonly LegendEntry[]): number =>
  Math.min(1, LARGEST / Math.max(...entries.map((entry) => (entry.kind === "circle" ? (entry.size ?? 0) : 0)), 1));

export function signOf(entry: LegendEntry, dark: boolean, scale: number) {
  const drawn = dark ? { ...entry, ...entry.dark } : entry;
  const width = Math.min(Math.max(drawn.size ?? 3, 1.5), 7);
  /** A thick outline is what a ring is: it is drawn outside of the radius, and still within the swatch. */
  const ring = Math.min((drawn.stroke_width ?? 1) * scale, 4);
  const radius = Math.min(Math.max((drawn.size ?? 5) * scale, scale < 1 ? 2 : 3.5), 8);
  return {
    color: drawn.color,
    opacity: drawn.opacity,
    outline: drawn.stroke ?? "none",
    ring,
    radius: Math.min(radius + ring / 2, 8.9 - ring / 2),
    /** Of a line. */
    width,
    dash: drawn.dash?.map((part) => part * width).join(" "),
  };
}
