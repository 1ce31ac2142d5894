/** Whether points and shapes touch a place: in the plane of degrees, edges included, as PostGIS' ST_Intersects has it. */
import type { Position } from "../filter/question.ts";
import { refuse, type Place } from "./condition.ts";

type Bounds = [west: number, south: number, east: number, north: number];
/** Polygons, each with its outer ring first; rings are closed. */
export interface Region {
  bounds: Bounds;
  polygons: Position[][][];
  edges: Edges;
  /** It is the box around it and nothing less. */
  box: boolean;
}

const CORNERS = 256;
/** Halfway between the circle through the corners and the one that the edges touch (geoserver/filtering/areas.py). */
const EVEN = 2 / (1 + Math.cos(Math.PI / CORNERS));
/** Of the ellipsoid WGS 84: half axes in metres, and flattening. */
const [AXIS, FLAT] = [6_378_137, 1 / 298.257223563];
const POLAR = AXIS * (1 - FLAT);
const RADIAN = Math.PI / 180;

/** What a place is made of: more than one where the antimeridian cuts it. */
export function regionsOf(place: Exclude<Place, { kind: "feature" }>): Region[] {
  if (place.kind === "box") {
    const [west, south, east, north] = place.bounds;
    if (west <= east) return [boxRegion(place.bounds)];
    return [boxRegion([west, south, 180, north]), boxRegion([-180, south, east, north])];
  }
  if (place.kind === "polygons") return place.polygons.map((polygon) => polygonRegion(polygon));
  const ring = drawCircle(place.at, place.radius);
  const own = makeRegion([[ring]]);
  // Beyond the end of the world it goes on at the other one.
  const turn = own.bounds[0] < -180 ? 360 : own.bounds[2] > 180 ? -360 : 0;
  return turn ? [own, makeRegion([[ring.map(([lon, lat]): Position => [lon + turn, lat])]])] : [own];
}

export const shapeRegions = (shape: GeoJSON.Geometry): Region[] =>
  shape.type === "Polygon"
    ? [makeRegion([shape.coordinates as Position[][]])]
    : shape.type === "MultiPolygon"
      ? shape.coordinates.map((polygon) => makeRegion([polygon as Position[][]]))
      : refuse("FEATURE: only areas can be looked into here");

function boxRegion(bounds: Bounds): Region {
  const [west, south, east, north] = bounds;
  const ring: Position[] = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
  return { bounds, polygons: [[ring]], edges: new Edges([[ring]], bounds), box: true };
}

function polygonRegion(rings: Position[][]): Region {
  for (const ring of rings) {
    const [first, last] = [ring[0]!, ring.at(-1)!];
    if (ring.length < 4 || first[0] !== last[0] || first[1] !== last[1])
      refuse("POLYGON: expected rings that end where they begin, of 4 positions or more");
    if (crosses(ring)) refuse("POLYGON: expected a valid geometry (Self-intersection)");
  }
  return makeRegion([rings]);
}

function makeRegion(polygons: Position[][][]): Region {
  const corners = polygons.flat(2);
  const bounds: Bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [lon, lat] of corners) {
    bounds[0] = Math.min(bounds[0], lon);
    bounds[1] = Math.min(bounds[1], lat);
    bounds[2] = Math.max(bounds[2], lon);
    bounds[3] = Math.max(bounds[3], lat);
  }
  return { bounds, polygons, edges: new Edges(polygons, bounds), box: false };
}

/** Edges of a ring that meet elsewhere than where one follows the other. */
function crosses(ring: Position[]): boolean {
  const last = ring.length - 1;
  for (let a = 0; a < last; a++)
    for (let b = a + 2; b < last; b++) {
      if (a === 0 && b === last - 1) continue;
      if (meet(ring[a]!, ring[a + 1]!, ring[b]!, ring[b + 1]!)) return true;
    }
  return false;
}

/** Twice the area of the triangle, with the sign of its turn. */
const turn = (a: Position, b: Position, c: Position): number => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);

const between = (a: Position, b: Position, p: Position): boolean =>
  Math.min(a[0], b[0]) <= p[0] && p[0] <= Math.max(a[0], b[0]) && Math.min(a[1], b[1]) <= p[1] && p[1] <= Math.max(a[1], b[1]);

/** Whether two segments have a place in common. */
function meet(a: Position, b: Position, c: Position, d: Position): boolean {
  const [abc, abd, cda, cdb] = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  if (abc > 0 !== abd > 0 && cda > 0 !== cdb > 0 && abc && abd && cda && cdb) return true;
  return (
    (abc === 0 && between(a, b, c)) || (abd === 0 && between(a, b, d)) || (cda === 0 && between(c, d, a)) || (cdb === 0 && between(c, d, b))
  );
}

/** Bands from south to north into which the edges of a region are sorted: a point is held against those of its band alone. */
const BANDS = 512;

class Edges {
  #bands: Float64Array[];
  #south: number;
  #step: number;

  constructor(polygons: Position[][][], [, south, , north]: Bounds) {
    this.#south = south;
    this.#step = (north - south) / BANDS || 1;
    const bands: number[][] = Array.from({ length: BANDS + 1 }, () => []);
    for (const ring of polygons.flat())
      for (let at = 1; at < ring.length; at++) {
        const [ax, ay] = ring[at - 1]!;
        const [bx, by] = ring[at]!;
        for (let band = this.#band(Math.min(ay, by)); band <= this.#band(Math.max(ay, by)); band++) bands[band]!.push(ax, ay, bx, by);
      }
    this.#bands = bands.map((edges) => Float64Array.from(edges));
  }

  #band(y: number): number {
    return Math.min(BANDS, Math.max(0, Math.floor((y - this.#south) / this.#step)));
  }

  /** Within, or on an edge; of polygons that do not overlap, holes included, every other side is within. */
  holds(x: number, y: number): boolean {
    const edges = this.#bands[this.#band(y)]!;
    let inside = false;
    for (let at = 0; at < edges.length; at += 4) {
      const [ax, ay, bx, by] = [edges[at]!, edges[at + 1]!, edges[at + 2]!, edges[at + 3]!];
      if ((ay > y && by > y) || (ay < y && by < y) || (ax < x && bx < x)) continue;
      const side = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
      if (side === 0 && Math.min(ax, bx) <= x && x <= Math.max(ax, bx)) return true;
      if (ay > y !== by > y && side > 0 === by > ay) inside = !inside;
    }
    return inside;
  }
}

export function holdsPoint({ bounds: [west, south, east, north], edges, box }: Region, x: number, y: number): boolean {
  return x >= west && x <= east && y >= south && y <= north && (box || edges.holds(x, y));
}

/** Points, lines and polygons of a shape, however it holds them. */
function partsOf(shape: GeoJSON.Geometry): { points: Position[]; lines: Position[][]; polygons: Position[][][] } {
  const found = { points: [] as Position[], lines: [] as Position[][], polygons: [] as Position[][][] };
  if (shape.type === "Point") found.points.push(shape.coordinates as Position);
  else if (shape.type === "MultiPoint") found.points.push(...(shape.coordinates as Position[]));
  else if (shape.type === "LineString") found.lines.push(shape.coordinates as Position[]);
  else if (shape.type === "MultiLineString") found.lines.push(...(shape.coordinates as Position[][]));
  else if (shape.type === "Polygon") found.polygons.push(shape.coordinates as Position[][]);
  else if (shape.type === "MultiPolygon") found.polygons.push(...(shape.coordinates as Position[][][]));
  else
    for (const part of shape.geometries) {
      const more = partsOf(part);
      found.points.push(...more.points);
      found.lines.push(...more.lines);
      found.polygons.push(...more.polygons);
    }
  return found;
}

export function touches(region: Region, shape: GeoJSON.Geometry): boolean {
  const { points, lines, polygons } = partsOf(shape);
  if (points.some(([x, y]) => holdsPoint(region, x, y))) return true;
  const own = region.polygons.flat();
  const reaches = (line: Position[]): boolean =>
    line.some(([x, y]) => holdsPoint(region, x, y)) || own.some((ring) => lineMeets(line, ring, region.bounds));
  if (lines.some(reaches)) return true;
  return polygons.some((rings) => rings.some(reaches) || own.some(([corner]) => makeRegion([rings]).edges.holds(...corner!)));
}

function lineMeets(line: Position[], ring: Position[], [west, south, east, north]: Bounds): boolean {
  for (let at = 1; at < line.length; at++) {
    const [a, b] = [line[at - 1]!, line[at]!];
    if (Math.max(a[0], b[0]) < west || Math.min(a[0], b[0]) > east || Math.max(a[1], b[1]) < south || Math.min(a[1], b[1]) > north)
      continue;
    for (let to = 1; to < ring.length; to++) if (meet(a, b, ring[to - 1]!, ring[to]!)) return true;
  }
  return false;
}

/** The circle that the server draws: a polygon on the ellipsoid, its corners by Vincenty's direct formulae (1975). */
function drawCircle([lon, lat]: Position, radius: number): Position[] {
  const ring = Array.from({ length: CORNERS }, (_, at) => goFrom([lon, lat], (at * 360) / CORNERS, radius * EVEN));
  return [...ring, ring[0]!];
}

function goFrom([lon, lat]: Position, azimuth: number, metres: number): Position {
  const [sinA, cosA] = [Math.sin(azimuth * RADIAN), Math.cos(azimuth * RADIAN)];
  const tanU = (1 - FLAT) * Math.tan(lat * RADIAN);
  const cosU = 1 / Math.hypot(1, tanU);
  const sinU = tanU * cosU;
  const start = Math.atan2(tanU, cosA);
  const sinAlpha = cosU * sinA;
  const cosSquared = 1 - sinAlpha * sinAlpha;
  const u = (cosSquared * (AXIS * AXIS - POLAR * POLAR)) / (POLAR * POLAR);
  const a = 1 + (u / 16384) * (4096 + u * (-768 + u * (320 - 175 * u)));
  const b = (u / 1024) * (256 + u * (-128 + u * (74 - 47 * u)));
  const straight = metres / (POLAR * a);
  let arc = straight;
  for (let step = 0; step < 20; step++) {
    const middle = Math.cos(2 * start + arc);
    const [sin, cos] = [Math.sin(arc), Math.cos(arc)];
    const last = (b / 6) * middle * (4 * sin * sin - 3) * (4 * middle * middle - 3);
    arc = straight + b * sin * (middle + (b / 4) * (cos * (2 * middle * middle - 1) - last));
  }
  const [sin, cos, middle] = [Math.sin(arc), Math.cos(arc), Math.cos(2 * start + arc)];
  const rest = sinU * sin - cosU * cos * cosA;
  const north = Math.atan2(sinU * cos + cosU * sin * cosA, (1 - FLAT) * Math.hypot(sinAlpha, rest));
  const lambda = Math.atan2(sin * sinA, cosU * cos - sinU * sin * cosA);
  const c = (FLAT / 16) * cosSquared * (4 + FLAT * (4 - 3 * cosSquared));
  const east = lambda - (1 - c) * FLAT * sinAlpha * (arc + c * sin * (middle + c * cos * (2 * middle * middle - 1)));
  return [lon + east / RADIAN, north / RADIAN];
}
