/** Where in a table the reader is, and how wide its columns are. */
import type { Field } from "../query/types.ts";
import { widthOf } from "./text.ts";

/** A cell; the headings are row -1. */
export interface At {
  row: number;
  column: number;
}

export interface Size {
  rows: number;
  columns: number;
  /** Rows that a page more or less is. */
  page: number;
}

/** The cell to which a key leads, as in any grid; null for other keys. */
export function step(
  { key, ctrlKey }: Pick<KeyboardEvent, "key" | "ctrlKey">,
  { row, column }: At,
  { rows, columns, page }: Size,
): At | null {
  const to = (nextRow: number, nextColumn: number): At => ({
    row: Math.max(-1, Math.min(rows - 1, nextRow)),
    column: Math.max(0, Math.min(columns - 1, nextColumn)),
  });
  switch (key) {
    case "ArrowUp":
      return to(ctrlKey ? 0 : row - 1, column);
    case "ArrowDown":
      return to(ctrlKey ? rows - 1 : row + 1, column);
    case "ArrowLeft":
      return to(row, ctrlKey ? 0 : column - 1);
    case "ArrowRight":
      return to(row, ctrlKey ? columns - 1 : column + 1);
    case "PageUp":
      return to(Math.max(0, row - page), column);
    case "PageDown":
      return to(row + page, column);
    case "Home":
      return to(ctrlKey ? 0 : row, 0);
    case "End":
      return to(ctrlKey ? rows - 1 : row, columns - 1);
    default:
      return null;
  }
}

/** Of the room, the most that the first column takes: it stays where it is while the others pass. */
const FROZEN = 0.4;

/** Pixels of each column; `rem` are those of the page's font, and `values` are some of each column's. */
export function columnsOf(
  fields: readonly Field[],
  room: number,
  rem: number,
  values: readonly (readonly string[])[],
): { width: number }[] {
  return fields.map(({ title }, at) => {
    const wanted = Math.round(widthOf(title, values[at] ?? []) * 0.5 * rem + 2.25 * rem);
    const most = room && at === 0 && fields.length > 1 ? Math.max(6 * rem, room * FROZEN) : Infinity;
    return { width: Math.round(Math.min(wanted, most)) };
  });
}
