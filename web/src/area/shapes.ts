/** Areas as shapes on the map, and drawn shapes as areas. Pure; degrees of WGS 84 and metres. */
import { wrap, type Area, type Position } from "../filter/question.ts";
import type { Bounds } from "../query/types.ts";

/** Radii that are offered, in metres. */
export const RADII = [100, 250, 500, 1000, 2000, 5000];
/** Metres that a circle may be wide, as the address and the server have them. */
const [LEAST, WIDEST] = [1, 100_000];
/** Corners of a drawn area, so that a link with it fits into any message. */
export const MOST_CORNERS = 100;
/** Corners with which a circle is drawn. */
const STEPS = 96;
/** Decimals of degrees that are kept: a tenth of a metre. */
const DECIMALS = 6;

/** Degrees around it: the map goes on with the next one to the east and west. */
const WORLD = 360;
/** Of the ellipsoid WGS 84: its half axis in metres, and its eccentricity squared. */
const AXIS = 6_378_137;
const ECCENTRICITY = 0.00669437999014;
const RADIAN = Math.PI / 180;

/** Metres in a degree to the east and to the north. */
function scaleAt(lat: number): [east: number, north: number] {
  const bent = 1 - ECCENTRICITY * Math.sin(lat * RADIAN) ** 2;
  return [(AXIS / Math.sqrt(bent)) * Math.cos(lat * RADIAN) * RADIAN, ((AXIS * (1 - ECCENTRICITY)) / bent ** 1.5) * RADIAN];
}

export const round = (degrees: number): number => +degrees.toFixed(DECIMALS);
const roundAt = ([lon, lat]: readonly number[]): Position => [round(lon!), round(lat!)];

/** Metres between places that are not far from each other. */
export function distance(a: Position, b: Position): number {
  const [east, north] = scaleAt((a[1] + b[1]) / 2);
  return Math.hypot((b[0] - a[0]) * east, (b[1] - a[1]) * north);
}

/** A closed ring around a place. */
export function circleRing([lon, lat]: Position, radius: number, steps = STEPS): Position[] {
  const [east, north] = scaleAt(lat);
  const ring = Array.from({ length: steps }, (_, step): Position => {
    const angle = (step / steps) * 2 * Math.PI;
    return [lon + (radius * Math.cos(angle)) / east, lat + (radius * Math.sin(angle)) / north];
  });
  return [...ring, ring[0]!];
}

/** The closed ring of an area that says its shape itself; null for one that is another layer's feature. */
export function ringOf(area: Area): Position[] | null {
  if (area.kind === "feature") return null;
  if (area.kind === "circle") return circleRing(area.at, area.radius);
  if (area.kind === "polygon") return [...area.ring, area.ring[0]!];
  const [west, south, end, north] = area.bounds as [number, number, number, number];
  // Across the antimeridian its east has the smaller number.
  const east = end < west ? end + WORLD : end;
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
}

export type Drawn = "polygon" | "rectangle" | "circle";

/** What a closed ring that was drawn is as an area; null where it holds nothing. */
export function toArea(kind: Drawn, ring: readonly (readonly number[])[]): Area | null {
  const [west, east] = ends(ring.map(([lon]) => lon!));
  const [south, north] = ends(ring.map(([, lat]) => lat!));
  if (!(west < east && south < north)) return null;
  if (kind === "rectangle") {
    const [left, right] = east - west < WORLD ? [wrap([west, 0])[0], wrap([east, 0])[0]] : [-WORLD / 2, WORLD / 2];
    return { kind: "box", bounds: [round(left), round(south), round(right), round(north)] };
  }
  if (kind === "circle") {
    const at = roundAt([(west + east) / 2, (south + north) / 2]);
    return toCircle(at, distance(at, [east, at[1]]));
  }
  // On the world that most of it lies on; what is beyond that one's end is cut off.
  const turn = Math.round((west + east) / 2 / WORLD) * WORLD;
  const within = ring.slice(0, -1).map(([lon, lat]) => [Math.min(Math.max(lon! - turn, -WORLD / 2), WORLD / 2), lat!]);
  const corners = simplify(within.map(roundAt), MOST_CORNERS);
  return corners.length < 3 ? null : { kind: "polygon", ring: corners };
}

export function toCircle(at: Position, radius: number): Area {
  return { kind: "circle", at: roundAt(wrap(at)), radius: Math.min(WIDEST, Math.max(LEAST, Math.round(radius))) };
}

/** The box around a ring. */
export function boundsOf(ring: readonly Position[]): Bounds {
  const [west, east] = ends(ring.map(([lon]) => lon));
  const [south, north] = ends(ring.map(([, lat]) => lat));
  return [west, south, east, north];
}

const ends = (values: number[]): [number, number] => [Math.min(...values), Math.max(...values)];

/** At most so many corners: those go first that change the shape least (Visvalingam and Whyatt 1993). */
export function simplify(corners: Position[], most: number): Position[] {
  const left = corners.filter((corner, at) => at === 0 || String(corner) !== String(corners[at - 1]));
  const sizeAt = (at: number): number => {
    const [a, b, c] = [left.at(at - 1)!, left[at]!, left[(at + 1) % left.length]!];
    return Math.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]));
  };
  while (left.length > most) {
    const sizes = left.map((_, at) => sizeAt(at));
    left.splice(sizes.indexOf(Math.min(...sizes)), 1);
  }
  return left;
}
