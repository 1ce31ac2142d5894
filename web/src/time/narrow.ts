/** A time window as a condition on the features of a tile, which leaves just those that the server would. */
import type { ExpressionSpecification } from "maplibre-gl";
import type { TimeWindow } from "../filter/question.ts";
import type { Field, TileJson } from "../query/types.ts";
import { addDays, LAST_DAY } from "../ui/dates.ts";

/** Letters of a time in a tile: "2024-01-31", "2024-01-31T08:15:00Z", in UTC; what has more or fewer lies beyond what a window can name. */
const LENGTHS = { date: 10, timestamp: 20 } as const;

/** Texts of times compare as the times do. Rows without a time are in no window. */
export function writeCondition({ name, type }: Pick<Field, "name" | "type">, { from, to }: TimeWindow): ExpressionSpecification {
  const text: ExpressionSpecification = ["to-string", ["get", name]];
  return [
    "all",
    ["==", ["length", text], LENGTHS[type === "date" ? "date" : "timestamp"]],
    ...(from === null ? [] : [[">=", text, from] as ExpressionSpecification]),
    // The day after: a timestamp of the last day is a longer text. After the last one of four digits texts compare otherwise.
    ...(to === null || to >= LAST_DAY ? [] : [["<", text, addDays(to, 1)] as ExpressionSpecification]),
  ];
}

/** Whether the tiles at a zoom hold every feature, and its time. */
export const isWhole = (tiles: TileJson, layer: string, time: string, zoom: number): boolean =>
  tiles.features_from <= Math.floor(zoom) && tiles.vector_layers.some(({ id, fields }) => id === layer && time in fields);
