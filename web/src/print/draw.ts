/** The map of a sheet, drawn anew by a MapLibre of its own that nobody sees, as fine as the paper wants it. */
import { Map as MapLibreMap, type StyleSpecification } from "maplibre-gl";
import type { Bin } from "../map/bins.ts";
import type { Seen } from "../map/seen.ts";
import { isAway } from "../query/presence.svelte.ts";
import type { Size } from "./paper.ts";

export interface Wanted {
  style: StyleSpecification;
  /** Layers that have rows. */
  layers: string[];
  lon: number;
  lat: number;
  zoom: number;
  /** In the map's own pixels. */
  size: Size;
  /** Dots of the picture in each of these. */
  ratio: number;
}

export interface Drawn {
  canvas: HTMLCanvasElement;
  /** It may be another one than was wanted where the world would end within the sheet. */
  zoom: number;
  bins: Bin[];
}

export type Fault = "tiles" | "graphics" | "large";

export class DrawError extends Error {
  readonly fault: Fault;
  /** It may go well once the server is there again. */
  readonly away: boolean;

  constructor(fault: Fault, away = false) {
    super(`the map of the sheet could not be drawn: ${fault}`);
    this.fault = fault;
    this.away = away;
  }
}

/** More dots than these are drawn without softened edges of shapes: they are fine enough, and it takes four times the memory. */
const SOFT = 6e6;

/** Throws what `signal` was aborted with, and a DrawError. */
export async function drawMap(wanted: Wanted, signal: AbortSignal): Promise<Drawn> {
  const width = Math.round(wanted.size.width);
  const height = Math.round(wanted.size.height);
  const dots = { width: Math.floor(width * wanted.ratio), height: Math.floor(height * wanted.ratio) };
  if (Math.max(dots.width, dots.height) > readLimit()) throw new DrawError("large");
  const container = document.createElement("div");
  // Out of sight, and for no reader: the sheet says in words what is on it.
  container.style.cssText = `position:fixed;top:0;left:-100000px;width:${width}px;height:${height}px;visibility:hidden`;
  container.inert = true;
  document.body.append(container);
  let map: MapLibreMap | undefined;
  try {
    // Asked for as the page asks for it: bundled with this part, the page itself would be larger.
    const { Seen, withFonts } = await import("../map/city-map.ts");
    map = new MapLibreMap({
      container,
      style: withFonts(wanted.style),
      center: [wanted.lon, wanted.lat],
      zoom: wanted.zoom,
      maxZoom: 24,
      pixelRatio: wanted.ratio,
      maxCanvasSize: [dots.width + 1, dots.height + 1],
      canvasContextAttributes: { preserveDrawingBuffer: true, antialias: dots.width * dots.height < SOFT },
      interactive: false,
      attributionControl: false,
      fadeDuration: 0,
      refreshExpiredTiles: false,
      // A tile that was read before the layer was edited is asked for again.
      transformRequest: (url) => (url.includes("/tiles/") ? { url, cache: "no-cache" } : { url }),
    });
    await waitForAll(map, signal);
    return { canvas: copy(map.getCanvas(), dots), zoom: map.getZoom(), bins: readBins(new Seen(map), wanted) };
  } catch (error) {
    throw signal.aborted || error instanceof DrawError ? error : new DrawError("graphics");
  } finally {
    map?.remove();
    container.remove();
  }
}

/** Dots that a side of a picture may have here. */
function readLimit(): number {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) throw new DrawError("graphics");
  const sides = context.getParameter(context.MAX_VIEWPORT_DIMS) as Int32Array;
  const limit = Math.min(context.getParameter(context.MAX_RENDERBUFFER_SIZE) as number, ...sides);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return limit;
}

function waitForAll(map: MapLibreMap, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    let broken: DrawError | null = null;
    const abort = (): void => fail(signal.reason as Error);
    signal.addEventListener("abort", abort);
    map.on("error", ({ error }) => {
      // No answer at all is an error of the network, without a status.
      const { status = 0 } = error as { status?: number };
      broken = new DrawError("tiles", broken?.away || isAway(status));
    });
    map.on("webglcontextlost", () => fail(new DrawError("graphics")));
    map.on("idle", () => {
      signal.removeEventListener("abort", abort);
      if (broken) fail(broken);
      else done();
    });
    if (signal.aborted) abort();
  });
}

/** A canvas that stays when the map and its memory go; browsers may have given the map a smaller one than it asked for. */
function copy(from: HTMLCanvasElement, dots: Size): HTMLCanvasElement {
  const graphics = from.getContext("webgl2")!;
  if (graphics.drawingBufferWidth < dots.width - 1 || graphics.drawingBufferHeight < dots.height - 1) throw new DrawError("large");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [from.width, from.height];
  const context = canvas.getContext("2d");
  if (!context) throw new DrawError("large");
  context.drawImage(from, 0, 0);
  return canvas;
}

function readBins(seen: Seen, { style, layers }: Wanted): Bin[] {
  seen.read(style, layers);
  return seen.bins();
}
