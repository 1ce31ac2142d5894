/** MapLibre behind a small door: what the page asks of a map, and what the map tells the page. */
import {
  addProtocol,
  AJAXError,
  AttributionControl,
  Map as MapLibreMap,
  removeProtocol,
  ScaleControl,
  setWorkerUrl,
  type GeoJSONSource,
  type RequestParameters,
  type StyleSpecification,
  type TransformStyleFunction,
  type VectorSourceSpecification,
  type VectorTileSource,
} from "maplibre-gl";
import workerUrl from "virtual:map-worker";
import { layersIn, type Position } from "../filter/question.ts";
import type { Bounds } from "../query/types.ts";
import type { Camera } from "../state/address.ts";
import type { InView } from "../state/map-state.svelte.ts";
import { pick, type Selection } from "../state/selection.ts";
import type { Ahead } from "./ahead.ts";
import { freePart, shiftInto, type Part } from "./room.ts";
import { isBin, type Bin } from "./bins.ts";
import { Seen, toBin, toStack } from "./seen.ts";
import { MARKS, SELECTION } from "./style.ts";

export { Seen };

// At an opaque origin MapLibre makes the worker of the text that it finds there, in which only whole addresses mean something.
setWorkerUrl(origin === "null" ? `data:text/javascript,${encodeURIComponent(`import "${workerUrl}"`)}` : workerUrl);

/** Milliseconds in which a browser whose graphics broke down usually has them back. */
const PATIENCE = 5_000;
/** Milliseconds after which a map that has everything draws once more, to say so. */
const NUDGE = 1_000;

export interface Events {
  moved(camera: Camera): void;
  zoomed(zoom: number): void;
  /** All is drawn; what is in view comes with it, unless the next thing is drawn at once. */
  idle(seen: { features: InView[]; bins: Bin[] } | null): void;
  busy(): void;
  selected(selection: Selection | null): void;
  /** Somebody wants to know what is at a place. */
  asked(at: Position): void;
  /** A part of the map did not come; `status` is that of the answer, 0 for none. */
  failed(status: number | undefined): void;
  /** The browser has taken the map's means to draw away, and not given them back; or it has by now. */
  lost(gone: boolean): void;
}

export interface Options {
  container: HTMLElement;
  style: StyleSpecification;
  label: string;
  camera: Camera | null;
  bounds: Bounds | null;
  padding: () => { top: number; right: number; bottom: number; left: number };
  /** Pixels at the bottom that something lies on. */
  covered: number;
  /** Tiles that were asked for before there was a map. */
  ahead: Ahead;
  /** A name that no other map on the page has. */
  name: string;
  /** The map stands in a page of others. */
  abroad: Abroad | null;
}

/** How a map behaves in a page of others: it asks for nothing by the name of who reads that page. */
export interface Abroad {
  /** What the map opens with where its address says no place. */
  fit: Bounds | null;
  /** The page goes on scrolling over the map; what is said then, of a wheel, of one on a Mac, and of a finger. */
  gestures: { wheel: string; mac: string; finger: string } | null;
}

const gentle = ({ wheel, mac, finger }: NonNullable<Abroad["gestures"]>): Record<string, string> => ({
  "CooperativeGesturesHandler.WindowsHelpText": wheel,
  "CooperativeGesturesHandler.MacHelpText": mac,
  "CooperativeGesturesHandler.MobileHelpText": finger,
});

export class CityMap {
  /** What each style goes through before it is drawn. */
  dress = (style: StyleSpecification): StyleSpecification => style;
  /** What is drawn is not looked at, for it is soon another. */
  brisk = false;
  #map: MapLibreMap;
  #options: Options;
  #events: Events;
  #seen: Seen;
  /** By layer: the version of the data that its tiles are of. */
  #versions: Record<string, string> = {};
  /** Layers that were edited while the map stood: the browser may have older tiles of them. */
  #edited = new Set<string>();
  /** Sources whose tiles are to be read again. */
  #outdated = new Set<string>();
  #timers: ReturnType<typeof setTimeout>[] = [];
  #hover = 0;
  /** The map has changed since it was last idle. */
  #busy = true;
  #nudge: ReturnType<typeof setInterval> | undefined;
  #lost: ReturnType<typeof setTimeout> | undefined;
  /** A tool that has the presses on the map for itself, and what it wants to keep of a style when there is another. */
  claim: ((x: number, y: number) => void) | null = null;
  keep?: TransformStyleFunction;
  /** A place was asked about by the press that is not over yet: a finger that rests, and then is lifted, makes a click, too. */
  #held = false;
  /** Where the map is going. */
  #goal: { center: [number, number]; zoom: number } | null = null;
  /** MapLibre compares styles only once the first one is there; what comes before waits here. */
  #styled = false;
  #waiting: StyleSpecification | null = null;
  /** What is drawn now. */
  #style: StyleSpecification;
  /**
   * Sources of which a tile failed, or is on its way as they change: MapLibre 6.17 may wait for ever for such a tile once
   * its source's tiles change. Of a source whose look changes too it would go on to draw the old tiles. So these sources
   * are made again instead.
   */
  #faulty = new Set<string>();

  constructor(options: Options, events: Events) {
    this.#options = options;
    this.#style = options.style;
    this.#events = events;
    addProtocol(options.name, ({ url }) => this.#take(url.slice(options.name.length + 3)));
    const { camera } = options;
    const bounds = options.abroad?.fit ?? options.bounds;
    this.#map = new MapLibreMap({
      container: options.container,
      style: withFonts(options.style),
      attributionControl: false,
      dragRotate: false,
      touchPitch: false,
      maxZoom: 20,
      fadeDuration: 100,
      // The page itself learns when data has changed, and does not ask again while it has not.
      refreshExpiredTiles: false,
      transformRequest: (url) => this.#address(url),
      locale: { "Map.Title": options.label, ...(options.abroad?.gestures && gentle(options.abroad.gestures)) },
      cooperativeGestures: !!options.abroad?.gestures,
      ...(camera ? { center: [camera.lon, camera.lat], zoom: camera.zoom } : {}),
    });
    this.#seen = new Seen(this.#map);
    this.#map.setPadding({ bottom: options.covered });
    if (!camera && bounds) this.#map.fitBounds(bounds, { padding: options.padding(), animate: false }, { quiet: true });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.keyboard.disableRotation();
    this.#map.addControl(new AttributionControl({ compact: false }), "bottom-right");
    this.#map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-right");
    this.#listen();
    this.#events.zoomed(this.#map.getZoom());
  }

  #listen(): void {
    const map = this.#map;
    addEventListener("beforeprint", this.#still);
    map.on("style.load", () => {
      this.#styled = true;
      if (this.#waiting) this.#apply(this.#waiting);
      this.#waiting = null;
    });
    map.on("idle", () => {
      if (this.#waiting) return;
      this.#busy = false;
      this.#options.ahead.stop();
      this.#events.idle(this.brisk ? null : { features: this.#seen.nearest(), bins: this.#seen.bins() });
    });
    map.on("zoom", () => this.#events.zoomed(map.getZoom()));
    map.on("dataloading", () => this.#change());
    map.on("movestart", () => this.#change());
    // What comes last may come after the last frame, on a busy machine: then no frame would say that all is there.
    this.#nudge = setInterval(() => {
      if (this.#busy && map.loaded()) map.triggerRepaint();
    }, NUDGE);
    map.on("moveend", (event) => {
      this.#goal = null;
      if ("quiet" in event) return;
      const { lng, lat } = map.getCenter().wrap();
      this.#events.moved({ zoom: map.getZoom(), lat, lon: lng });
    });
    map.on("error", ({ error, ...about }) => {
      if ("sourceId" in about) this.#faulty.add(String(about.sourceId));
      const { status } = error as { status?: number };
      // A refused filter is told where the filter is.
      if (status !== 400) this.#events.failed(status);
    });
    map.on("click", ({ point, lngLat }) => {
      if (this.#held) return;
      if (this.claim) return this.claim(point.x, point.y);
      const found = this.#seen.pick(point.x, point.y);
      const at: [number, number] = [lngLat.lng, lngLat.lat];
      if (!found[0]) this.#events.selected(null);
      else if (isBin(found[0])) this.#events.selected({ layer: found[0].source, bin: toBin(found[0]), at });
      else this.#events.selected(pick(toStack(found, at), 0));
    });
    map.getCanvasContainer().addEventListener("pointerdown", () => (this.#held = false));
    map.on("contextmenu", ({ lngLat }) => this.#ask(lngLat.toArray()));
    map.once("touchstart", () => void import("./hold.ts").then(({ onHold }) => onHold(map, (at) => this.#ask(at))));
    map.on("webglcontextlost", () => {
      this.#change();
      clearTimeout(this.#lost);
      this.#lost = setTimeout(() => this.#events.lost(true), PATIENCE);
    });
    map.on("webglcontextrestored", () => {
      clearTimeout(this.#lost);
      this.#events.lost(false);
    });
    map.on("mousemove", ({ point }) => {
      cancelAnimationFrame(this.#hover);
      this.#hover = requestAnimationFrame(() => {
        map.getCanvas().style.cursor = this.#seen.under(point.x, point.y).length ? "pointer" : "";
      });
    });
  }

  /** What is at a place, somebody wants to know: unless a tool has the map. */
  #ask(at: Position): void {
    if (this.claim) return;
    this.#held = true;
    this.#events.asked(at);
  }

  /** What WebGL drew is gone by the time that a browser prints the page: a copy lies over it meanwhile. */
  #still = (): void => {
    const canvas = this.#map.getCanvas();
    const copy = canvas.cloneNode() as HTMLCanvasElement;
    this.#map.redraw();
    copy.getContext("2d")!.drawImage(canvas, 0, 0);
    canvas.after(copy);
    addEventListener("afterprint", () => copy.remove(), { once: true });
  };

  #change(): void {
    this.#busy = true;
    this.#events.busy();
  }

  /**
   * Draw a style; `data` are the layers that can be clicked and listed, `versions` tells which data each one has, `behind`
   * for how many milliseconds its first tiles may be of the data before.
   */
  show(style: StyleSpecification, data: string[], versions: Record<string, string>, behind: Record<string, number> = {}): void {
    this.#seen.read(style, data);
    const before = this.#versions;
    this.#versions = { ...before, ...versions };
    const changed = Object.keys(versions).filter((id) => id in before && before[id] !== versions[id]);
    for (const [id, source] of Object.entries(style.sources)) {
      const shaped = "tiles" in source && source.tiles ? layersIn(decodeURIComponent(source.tiles[0]!)) : [];
      if (![id, ...shaped].some((each) => changed.includes(each))) continue;
      this.#edited.add(id);
      this.#outdated.add(id);
    }
    for (const id of Object.keys(versions).filter((each) => behind[each] && !(each in before))) {
      this.#timers.push(setTimeout(() => this.#renew(id), behind[id]));
    }
    if (style === this.#options.style) return;
    this.#change();
    if (this.#styled) this.#apply(style);
    else this.#waiting = style;
  }

  /** Look once more at what was drawn when the server may still have been behind. */
  #renew(id: string): void {
    if (this.#edited.has(id) || !this.#styled || !(id in this.#style.sources)) return;
    this.#edited.add(id);
    this.#outdated.add(id);
    this.#apply(this.#style);
  }

  /** Where a tile is to be had: here, if it was asked for ahead. */
  #address(url: string): RequestParameters {
    // MapLibre hands it on to `fetch`, though its types do not know of it.
    const asked: RequestParameters = this.#options.abroad ? { url, credentials: "omit" as "same-origin" } : { url };
    if (this.#edited.has(layerOfTile(url))) return { ...asked, cache: "no-cache" };
    return this.#options.ahead.has(url) ? { ...asked, url: `${this.#options.name}://${url}` } : asked;
  }

  async #take(url: string): Promise<{ data: ArrayBuffer }> {
    const ahead = await this.#options.ahead.take(url);
    if (ahead) return { data: ahead };
    // No answer has the status 0.
    const answer = await fetch(url, this.#options.abroad ? { credentials: "omit" } : {}).catch(() => Response.error());
    if (!answer.ok) throw new AJAXError(answer.status, answer.statusText, url, new Blob());
    return { data: await answer.arrayBuffer() };
  }

  /** Change what differs, and keep every tile that both styles share. */
  #apply(style: StyleSpecification): void {
    for (const [id, next] of Object.entries(style.sources)) {
      const source = this.#map.getSource(id);
      if (source?.type !== "vector" || next.type !== "vector") continue;
      const changes = String((source as VectorTileSource).tiles) !== String(next.tiles) || this.#outdated.has(id);
      if (changes && (looksOf(style, id) !== looksOf(this.#style, id) || !this.#map.isSourceLoaded(id))) this.#faulty.add(id);
    }
    if (this.#faulty.size) this.#setStyle(without(style, this.#faulty));
    this.#faulty.clear();
    for (const [id, next] of Object.entries(style.sources)) {
      const source = this.#map.getSource(id);
      if (next.type !== source?.type) continue;
      if (next.type === "vector" && next.tiles) this.#setTiles(id, source as VectorTileSource, next);
      if ((id === SELECTION || id === MARKS) && next.type === "geojson") (source as GeoJSONSource).setData(next.data);
    }
    this.#setStyle(withFonts(style));
    this.#style = style;
    this.#map.triggerRepaint();
  }

  #setStyle(style: StyleSpecification): void {
    this.#map.setStyle(this.dress(style), this.keep && { transformStyle: this.keep });
  }

  /** A source whose zooms change is made again with the style; one whose tiles change keeps the rest. */
  #setTiles(id: string, source: VectorTileSource, next: VectorSourceSpecification): void {
    const outdated = this.#outdated.delete(id);
    const same = source.minzoom === (next.minzoom ?? 0) && source.maxzoom === (next.maxzoom ?? 22);
    if (same && (outdated || String(source.tiles) !== String(next.tiles))) source.setTiles(next.tiles!);
  }

  goTo(target: Camera | "home"): void {
    if (target !== "home") this.#map.jumpTo({ center: [target.lon, target.lat], zoom: target.zoom }, { quiet: true });
    else if (this.#options.bounds) {
      this.#map.fitBounds(this.#options.bounds, { padding: this.#options.padding() });
    }
  }

  /** MapLibre's own map, for what comes later and works on it, and the style that it draws. */
  get inner(): MapLibreMap {
    return this.#map;
  }

  get style(): StyleSpecification {
    return this.#style;
  }

  get middle(): [number, number] {
    return this.#map.getCenter().toArray();
  }

  /** Read again what failed. */
  redraw(style: StyleSpecification): void {
    this.#change();
    this.#apply(style);
  }

  lookAt(center: [number, number], zoom: number): void {
    this.#fly({ center, zoom });
  }

  /** Go there; what changes the padding on the way goes on to the same place. */
  #fly(goal: { center: [number, number]; zoom: number }, padding = this.#map.getPadding()): void {
    this.#map.easeTo({ ...goal, padding });
    this.#goal = this.#map.isMoving() ? goal : null;
  }

  zoom(by: 1 | -1): void {
    if (by > 0) this.#map.zoomIn();
    else this.#map.zoomOut();
  }

  /** Something lies on the lowest `bottom` pixels: keep the middle of the map in the middle of what is left. */
  cover(bottom: number): void {
    if (this.#map.getPadding().bottom === bottom) return;
    const padding = { top: 0, right: 0, left: 0, bottom };
    if (this.#goal) this.#fly(this.#goal, padding);
    else this.#map.easeTo({ padding, duration: 250 }, { quiet: true });
  }

  /** Bring a place out from under a card, and from under what lies on the lowest `bottom` pixels. */
  reveal(at: [number, number], bottom: number, card: Pick<Part, "left" | "top"> | null): void {
    const { clientWidth: width, clientHeight: height } = this.#options.container;
    const [dx, dy] = shiftInto(this.#map.project(at), freePart(width, height - bottom, card));
    if (dx || dy) this.#map.panBy([dx, dy]);
  }

  focus(): void {
    this.#map.getCanvas().focus();
  }

  remove(): void {
    removeEventListener("beforeprint", this.#still);
    cancelAnimationFrame(this.#hover);
    clearTimeout(this.#lost);
    clearInterval(this.#nudge);
    this.#timers.forEach(clearTimeout);
    this.#map.remove();
    removeProtocol(this.#options.name);
    this.#options.ahead.stop();
  }
}

/**
 * The style, with fonts for Chinese, Japanese and Korean of which the system has none: then a sign that is a stroke in mid-air
 * is a box that stands on the line.
 */
export const withFonts = (style: StyleSpecification): StyleSpecification =>
  document.createElement("canvas").getContext("2d")!.measureText("一").actualBoundingBoxDescent < -1
    ? style
    : { ...style, ...(style.metadata as Record<string, Partial<StyleSpecification>>)["geoserver:han"] };

/** All that a style draws of a source. */
const looksOf = ({ layers }: StyleSpecification, source: string): string =>
  JSON.stringify(layers.filter((layer) => "source" in layer && layer.source === source));

/** The layer in the address of a tile; "" for other addresses. */
const layerOfTile = (url: string): string => decodeURIComponent(/\/tiles\/([^/]+)\/\d/.exec(url)?.[1] ?? "");

/** The style without some of its sources, and without what is drawn from them. */
function without(style: StyleSpecification, ids: Set<string>): StyleSpecification {
  const sources = Object.fromEntries(Object.entries(style.sources).filter(([id]) => !ids.has(id)));
  return { ...style, sources, layers: style.layers.filter((layer) => !("source" in layer) || !ids.has(layer.source)) };
}
