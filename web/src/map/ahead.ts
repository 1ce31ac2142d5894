/**
 * What a view begins with, asked for while MapLibre is still on its way: tiles of the sources that the style draws there,
 * and the letters of its labels. MapLibre then takes the tiles from here.
 */
import type { StyleSpecification } from "maplibre-gl";
import type { Bounds } from "../query/types.ts";
import type { Camera } from "../state/address.ts";

export interface View {
  camera: Camera | null;
  /** What to fit into the view where there is no camera. */
  bounds: Bounds | null;
  width: number;
  height: number;
  padding: { top: number; right: number; bottom: number; left: number };
  /** Pixels at the bottom that something lies on. */
  covered: number;
}

/** Pixels of a tile at a whole zoom. */
const TILE = 512;
/** More would be in each other's way. */
const MOST = 16;
const LETTERS = "0-255";

type Point = [x: number, y: number];

/** Web Mercator, 0 to 1 from the north-west. */
function project(lon: number, lat: number): Point {
  return [(lon + 180) / 360, (1 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / Math.PI) / 2];
}

/** The zoom, and the rectangle of the world that is seen, as MapLibre will find them. */
export function findView({ camera, bounds, width, height, padding, covered }: View): { zoom: number; from: Point; to: Point } | null {
  const middle: Point = [width / 2, (height - covered) / 2];
  let zoom: number;
  let center: Point;
  if (camera) {
    zoom = camera.zoom;
    center = project(camera.lon, camera.lat);
  } else if (bounds) {
    const [west, north] = project(bounds[0], bounds[3]);
    const [east, south] = project(bounds[2], bounds[1]);
    const across = (width - padding.left - padding.right) / (east - west);
    const down = (height - covered - padding.top - padding.bottom) / (south - north);
    zoom = Math.min(Math.log2(Math.min(across, down) / TILE), 20);
    center = [(west + east) / 2, (north + south) / 2];
    middle[0] += (padding.left - padding.right) / 2;
    middle[1] += (padding.top - padding.bottom) / 2;
  } else return null;
  const world = TILE * 2 ** zoom;
  const corner = (x: number, y: number): Point => [center[0] + (x - middle[0]) / world, center[1] + (y - middle[1]) / world];
  return zoom >= 0 ? { zoom, from: corner(0, 0), to: corner(width, height) } : null;
}

/** Addresses of the tiles that a view begins with. */
export function listTiles(style: StyleSpecification, view: View): string[] {
  const seen = findView(view);
  if (!seen) return [];
  const { zoom } = seen;
  return Object.entries(style.sources).flatMap(([id, source]) => {
    if (source.type !== "vector" || !/^http/.test(source.tiles?.[0] ?? "") || !isDrawn(style, id, zoom) || zoom < (source.minzoom ?? 0))
      return [];
    const z = Math.min(Math.floor(zoom), source.maxzoom ?? 22);
    const [west, south, east, north] = source.bounds ?? [-180, -85, 180, 85];
    const [first, last] = [project(west, north), project(east, south)];
    const range = (axis: 0 | 1): number[] => {
      const from = Math.floor(Math.max(seen.from[axis], first[axis]) * 2 ** z);
      const to = Math.ceil(Math.min(seen.to[axis], last[axis]) * 2 ** z);
      return Array.from({ length: Math.min(to - from, MOST) }, (_, step) => from + step);
    };
    const [columns, rows] = [range(0), range(1)];
    return columns.flatMap((x) => rows.map((y) => source.tiles![0]!.replace(/\{(.)\}/g, (_, name: "x") => `${{ x, y, z }[name]}`)));
  });
}

/** Addresses of the letters that its labels need in any case. */
export function listLetters(style: StyleSpecification, view: View): string[] {
  const zoom = findView(view)?.zoom;
  if (zoom === undefined || !style.glyphs) return [];
  const fonts = style.layers.flatMap((layer) => {
    if (layer.type !== "symbol" || !isAt(layer, zoom)) return [];
    const font = layer.layout?.["text-font"];
    return Array.isArray(font) && !font.some(Array.isArray) ? [font.join(",")] : [];
  });
  return [...new Set(fonts)].map((font) => style.glyphs!.replace("{fontstack}", encodeURIComponent(font)).replace("{range}", LETTERS));
}

const isAt = ({ minzoom = 0, maxzoom = 24 }: { minzoom?: number; maxzoom?: number }, zoom: number): boolean =>
  minzoom <= zoom && zoom < maxzoom;

const isDrawn = (style: StyleSpecification, source: string, zoom: number): boolean =>
  style.layers.some((layer) => "source" in layer && layer.source === source && layer.layout?.visibility !== "none" && isAt(layer, zoom));

/** Tiles on their way or there, each to be taken once. */
export class Ahead {
  #tiles = new Map<string, Promise<ArrayBuffer | null>>();
  #asked = new Set<string>();
  #stop = new AbortController();
  #credentials: RequestCredentials;

  /** `abroad`: what is asked does not say who reads it. */
  constructor(abroad = false) {
    this.#credentials = abroad ? "omit" : "same-origin";
  }

  start(style: StyleSpecification, view: View): void {
    const tiles = listTiles(style, view);
    if (tiles.length > MOST) return;
    for (const address of tiles) if (this.#isNew(address)) this.#tiles.set(address, this.#read(address));
    // The browser keeps them, and gives them to MapLibre.
    for (const address of listLetters(style, view)) if (this.#isNew(address)) void this.#read(address);
  }

  #isNew(address: string): boolean {
    return !this.#asked.has(address) && !!this.#asked.add(address);
  }

  has(address: string): boolean {
    return this.#tiles.has(address);
  }

  /** A tile's bytes; null when it did not come, and has to be asked for again. */
  async take(address: string): Promise<ArrayBuffer | null> {
    const found = this.#tiles.get(address);
    this.#tiles.delete(address);
    return (await found) ?? null;
  }

  stop(): void {
    this.#stop.abort();
    this.#tiles.clear();
  }

  async #read(address: string): Promise<ArrayBuffer | null> {
    try {
      const answer = await fetch(address, { signal: this.#stop.signal, credentials: this.#credentials });
      return answer.ok ? await answer.arrayBuffer() : null;
    } catch {
      return null;
    }
  }
}
