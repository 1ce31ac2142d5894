/**
 * What is asked of a layer: clauses on its fields, or a text of somebody's own in their place; and what holds for all
 * layers together, a time window and an area. All of it becomes one CQL2 text.
 */
import type { Bounds, Field } from "../query/types.ts";
import { dateOf } from "../ui/dates.ts";
import { writeFilter, type Clauses } from "./cql2.ts";

/** Days as "2024-01-31", both included; null is open. */
export interface TimeWindow {
  from: string | null;
  to: string | null;
}

/** A place in degrees. */
export type Position = [lon: number, lat: number];

export type Area =
  | { kind: "box"; bounds: Bounds }
  | { kind: "polygon"; ring: Position[] }
  /** `radius` in metres. */
  | { kind: "circle"; at: Position; radius: number }
  /** What another layer's feature covers, whatever its shape is by then. */
  | { kind: "feature"; layer: string; fid: number };

/** What narrows every layer that it fits. */
export interface Shared {
  window: TimeWindow | null;
  area: Area | null;
}

export interface Question extends Shared {
  clauses: Clauses;
  /** CQL2 that the controls cannot show; there are no clauses beside it. */
  custom: string;
}

/** Of a layer's documents, what it takes to write a question about it. */
export interface Asked {
  time: string | null;
  fields: Field[];
}

/** What reads a layer's own text back comes with the parts that show it (`reading.ts`). */
export type Parse = (text: string, shared: Shared, layer: Pick<Asked, "fields">) => Question;

/** The whole question as CQL2, "" when it narrows nothing. */
export function writeQuestion(question: Question, layer: Asked): string {
  const own = question.custom || writeFilter(question.clauses, layer.fields);
  return combine(own, question, layer.fields.find((field) => field.name === layer.time) ?? null);
}

/** A layer's own text together with what is shared; `time` is the field that a time window acts on. */
export function combine(own: string, { window, area }: Shared, time: Field | null): string {
  const shared = [
    window && time ? writeFilter({ [time.name]: { kind: "range", ...window } }, [time]) : "",
    area ? `S_INTERSECTS(geometry,${writeShape(area)})` : "",
  ].filter(Boolean);
  if (!shared.length || !own.trim()) return [own.trim(), ...shared].filter(Boolean).join(" AND ");
  // What is no whole condition is left to the server to refuse: in brackets it could come to mean something else.
  return isWhole(own) ? [`(${own})`, ...shared].join(" AND ") : own;
}

/** Whether every bracket and quotation mark of a text is closed within it. */
function isWhole(text: string): boolean {
  const bare = text.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, "");
  if (/['"]/.test(bare)) return false;
  let depth = 0;
  for (const sign of bare) {
    depth += sign === "(" ? 1 : sign === ")" ? -1 : 0;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** Six decimals are a tenth of a metre. */
const degrees = (value: number): string => String(+value.toFixed(6));

function writeShape(area: Area): string {
  if (area.kind === "box") return `BBOX(${area.bounds.map(degrees).join(",")})`;
  if (area.kind === "circle") return `CIRCLE(${writePosition(area.at)},${area.radius})`;
  if (area.kind === "feature") return `FEATURE('${area.layer.replaceAll("'", "''")}',${area.fid})`;
  const ring = [...area.ring, area.ring[0]!];
  return `POLYGON((${ring.map(([lon, lat]) => `${degrees(lon)} ${degrees(lat)}`).join(",")}))`;
}

/** Other layers whose features a text names: what it leaves depends on their data, too. */
export function layersIn(filter: string): string[] {
  const named = [...filter.matchAll(/\bFEATURE\s*\(\s*'((?:[^']|'')*)'/gi)].map(([, id]) => id!.replaceAll("''", "'"));
  return [...new Set(named)].sort();
}

/** A time window as `2024-01-01/2024-03-31`, with `..` for an open end. */
export function writeWindow({ from, to }: TimeWindow): string {
  return `${from ?? ".."}/${to ?? ".."}`;
}

/** Null when the text is no window, or one that holds everything or nothing. */
export function parseWindow(text: string): TimeWindow | null {
  const ends = text.split("/");
  if (ends.length !== 2 || !ends.every((end) => end === ".." || dateOf(end) === end)) return null;
  const [from, to] = ends.map((end) => (end === ".." ? null : end)) as [string | null, string | null];
  return (from === null && to === null) || (from !== null && to !== null && from > to) ? null : { from, to };
}

/** A box as `west,south,east,north`, a polygon as the corners of its ring with semicolons between, the others by their names. */
export function writeArea(area: Area): string {
  if (area.kind === "box") return area.bounds.map(degrees).join(",");
  if (area.kind === "circle") return `circle:${writePosition(area.at)},${area.radius}`;
  if (area.kind === "feature") return `feature:${area.layer}/${area.fid}`;
  return area.ring.map((corner) => corner.map(degrees).join(",")).join(";");
}

/** Metres, at most. */
const WIDEST = 100_000;

export function parseArea(text: string): Area | null {
  const [, layer, fid] = /^feature:([^/]+)\/(\d{1,15})$/.exec(text) ?? [];
  if (layer) return { kind: "feature", layer, fid: Number(fid) };
  const [, place, radius] = /^circle:(.+),(\d{1,6})$/.exec(text) ?? [];
  if (place) {
    const at = parsePosition(place);
    return at && Number(radius) > 0 && Number(radius) <= WIDEST ? { kind: "circle", at, radius: Number(radius) } : null;
  }
  const parts = text.split(";").map((part) => part.split(",").map((number) => (number.trim() === "" ? NaN : Number(number))));
  if (!parts.flat().every(Number.isFinite)) return null;
  const [first] = parts;
  if (parts.length === 1) {
    const [west, south, east, north] = first!;
    const fits = first!.length === 4 && isPlace(west!, south!) && isPlace(east!, north!) && south! <= north!;
    return fits ? { kind: "box", bounds: [west!, south!, east!, north!] } : null;
  }
  const ring = parts as [number, number][];
  return ring.length >= 3 && ring.every((corner) => corner.length === 2 && isPlace(...corner)) ? { kind: "polygon", ring } : null;
}

/** The same place within the world that answers know: a map goes on to the east and west of it. */
export const wrap = ([lon, lat]: Position): Position => [Math.abs(lon) <= 180 ? lon : ((((lon + 180) % 360) + 360) % 360) - 180, lat];

export const writePosition = (at: Position): string => at.map(degrees).join(",");

export function parsePosition(text: string): Position | null {
  const at = text.split(",").map((number) => (number.trim() === "" ? NaN : Number(number)));
  return at.length === 2 && isPlace(at[0]!, at[1]!) ? (at as Position) : null;
}

/** Metres around a place that are asked about unless somebody says others. */
export const AROUND = 500;

/** A place that is asked about as `lon,lat`, or with other metres around it as `lon,lat,metres`. */
export const writePin = ({ at, radius }: { at: Position; radius: number }): string =>
  writePosition(at) + (radius === AROUND ? "" : `,${radius}`);

export function parsePin(text: string): { at: Position; radius: number } | null {
  const [, place, radius = AROUND] = /^([^,]+,[^,]+)(?:,([1-9]\d{0,4}))?$/.exec(text) ?? [];
  const at = place ? parsePosition(place) : null;
  return at && { at, radius: Number(radius) };
}

const isPlace = (lon: number, lat: number): boolean => Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
