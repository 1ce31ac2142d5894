/** MapLibre behind a small door: what the page asks of a map, and what the map tells the page. */
import {
  AttributionControl,
  Map as MapLibreMap,
  ScaleControl,
  setWorkerUrl,
  type GeoJSONSource,
  type MapGeoJSONFeature,
  type StyleSpecification,
  type VectorSourceSpecification,
  type VectorTileSource,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import "./map.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import type { Bounds, Scalar } from "../query/types.ts";
import type { Camera } from "../state/address.ts";
import type { InView } from "../state/map-state.svelte.ts";
import { pick, type Selection, type Stacked } from "../state/selection.ts";
import { anchor, flatten } from "./geometry.ts";
import { freePart, shiftInto, type Part } from "./room.ts";
import { FADE, keyOf, type Square } from "./squares.ts";
import { layerOf, SELECTION } from "./style.ts";

setWorkerUrl(workerUrl);

/** Features told to the list beside the map. */
const MOST = 50;
/** Pixels around a click or tap that count as on the feature. */
const REACH = 5;
/** In the style's metadata: the zoom at which features begin to show where squares were. */
const FADES = "geoserver:fades-from";
/** The part of a tile with a layer's squares is named after it. */
const SQUARES = ":bins";

export interface Events {
  moved(camera: Camera): void;
  zoomed(zoom: number): void;
  idle(features: InView[], squares: Square[]): void;
  busy(): void;
  selected(selection: Selection | null): void;
  /** A part of the map did not come; `status` is that of the answer, 0 for none. */
  failed(status: number | undefined): void;
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
}

export class CityMap {
  #map: MapLibreMap;
  #options: Options;
  #events: Events;
  /** Of the style, what draws features and what draws squares that stand for many. */
  #features: string[] = [];
  #squares: string[] = [];
  /** By layer: the zoom from which on features count as shown, and no longer the squares that they fade into. */
  #shown = new Map<string, number>();
  /** Layers of which the squares that fade have a source of their own. */
  #apart = new Set<string>();
  /** By layer: the version of the data that its tiles are of. */
  #versions: Record<string, string> = {};
  /** Layers that were edited while the map stood: the browser may have older tiles of them. */
  #edited = new Set<string>();
  /** Sources whose tiles are to be read again. */
  #outdated = new Set<string>();
  #hover = 0;
  /** Where the map is going. */
  #goal: { center: [number, number]; zoom: number } | null = null;
  /** MapLibre compares styles only once the first one is there; what comes before waits here. */
  #styled = false;
  #waiting: StyleSpecification | null = null;
  /**
   * Sources of which a tile failed. MapLibre 6.17 would wait for ever for such a tile once its source's tiles change, so
   * these sources are made anew instead.
   */
  #faulty = new Set<string>();

  constructor(options: Options, events: Events) {
    this.#options = options;
    this.#events = events;
    const { camera, bounds } = options;
    this.#map = new MapLibreMap({
      container: options.container,
      style: options.style,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      maxZoom: 20,
      fadeDuration: 100,
      // The page itself learns when data has changed, and does not ask again while it has not.
      refreshExpiredTiles: false,
      transformRequest: (url) => ({ url, ...(this.#edited.has(layerOfTile(url)) && { cache: "no-cache" as const }) }),
      locale: { "Map.Title": options.label },
      ...(camera ? { center: [camera.lon, camera.lat], zoom: camera.zoom } : {}),
    });
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
    map.on("style.load", () => {
      this.#styled = true;
      if (this.#waiting) this.#apply(this.#waiting);
      this.#waiting = null;
    });
    map.on("idle", () => {
      if (!this.#waiting) this.#events.idle(this.#nearest(), this.#squaresInView());
    });
    map.on("zoom", () => this.#events.zoomed(map.getZoom()));
    map.on("dataloading", () => this.#events.busy());
    map.on("movestart", () => this.#events.busy());
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
      const found = this.#pick(point.x, point.y);
      const at: [number, number] = [lngLat.lng, lngLat.lat];
      if (!found[0]) this.#events.selected(null);
      else if (isSquare(found[0])) this.#events.selected({ layer: layerOf(found[0].source), square: toSquare(found[0]), at });
      else this.#events.selected(pick(toStack(found, at), 0));
    });
    map.on("mousemove", ({ point }) => {
      cancelAnimationFrame(this.#hover);
      this.#hover = requestAnimationFrame(() => {
        map.getCanvas().style.cursor = this.#query(
          [
            [point.x, point.y],
            [point.x, point.y],
          ],
          [...this.#features, ...this.#squares],
        ).length
          ? "pointer"
          : "";
      });
    });
  }

  /** Draw a style; `data` are the layers that can be clicked and listed, `versions` tells which data each one has. */
  show(style: StyleSpecification, data: string[], versions: Record<string, string>): void {
    const drawn = style.layers.filter((layer) => "source" in layer && data.includes(layerOf(layer.source)));
    this.#squares = drawn.filter(isSquare).map(({ id }) => id);
    this.#features = drawn.filter((layer) => !isSquare(layer)).map(({ id }) => id);
    this.#apart = new Set(data.filter((id) => `${id}:bins` in style.sources));
    this.#shown = new Map(
      drawn.flatMap((layer) => {
        const start = (layer.metadata as Record<string, unknown> | undefined)?.[FADES];
        return "source" in layer && typeof start === "number" ? [[layerOf(layer.source), start + FADE / 2] as const] : [];
      }),
    );
    const before = this.#versions;
    this.#versions = { ...before, ...versions };
    for (const id of Object.keys(style.sources)) {
      const layer = layerOf(id);
      if (!(layer in before) || !(layer in versions) || before[layer] === versions[layer]) continue;
      this.#edited.add(layer);
      this.#outdated.add(id);
    }
    if (style === this.#options.style) return;
    this.#events.busy();
    if (this.#styled) this.#apply(style);
    else this.#waiting = style;
  }

  /** Change what differs, and keep every tile that both styles share. */
  #apply(style: StyleSpecification): void {
    if (this.#faulty.size) this.#map.setStyle(without(style, this.#faulty), { diff: true });
    this.#faulty.clear();
    for (const [id, next] of Object.entries(style.sources)) {
      const source = this.#map.getSource(id);
      if (!source || next.type !== source.type) continue;
      if (next.type === "vector" && next.tiles) this.#setTiles(id, source as VectorTileSource, next);
      if (id === SELECTION && next.type === "geojson") (source as GeoJSONSource).setData(next.data);
    }
    this.#map.setStyle(style, { diff: true });
    this.#map.triggerRepaint();
  }

  /** A source whose zooms change is made anew with the style; one whose tiles change keeps the rest. */
  #setTiles(id: string, source: VectorTileSource, next: VectorSourceSpecification): void {
    const outdated = this.#outdated.delete(id);
    const same = source.minzoom === (next.minzoom ?? 0) && source.maxzoom === (next.maxzoom ?? 22);
    if (same && (outdated || String(source.tiles) !== String(next.tiles))) source.setTiles(next.tiles!);
  }

  /** What the layers draw in a box, topmost first; of squares and the features that they fade into only one. */
  #query(box: Box, layers: string[]): MapGeoJSONFeature[] {
    const known = layers.filter((id) => this.#map.getLayer(id));
    if (!known.length) return [];
    const zoom = this.#map.getZoom();
    return this.#map.queryRenderedFeatures(box, { layers: known }).filter((feature) => {
      const layer = layerOf(feature.source);
      const shown = zoom >= (this.#shown.get(layer) ?? -Infinity);
      if (!isSquare(feature)) return shown && Number.isSafeInteger(feature.id);
      // Those of their own source go while the features come; others stand for features from then on.
      return !this.#apart.has(layer) || shown === (feature.source === layer);
    });
  }

  /** What a click is meant for: the points and lines near it, else what lies under it, else an area close by. */
  #pick(x: number, y: number): MapGeoJSONFeature[] {
    const near = this.#query(
      [
        [x - REACH, y - REACH],
        [x + REACH, y + REACH],
      ],
      this.#features,
    );
    const thin = near.filter(({ geometry }) => !/Polygon$/.test(geometry.type));
    if (thin.length) return thin;
    const under = this.#query(
      [
        [x, y],
        [x, y],
      ],
      [...this.#features, ...this.#squares],
    );
    return (under.length ? under : near).slice(0, 1);
  }

  #squaresInView(): Square[] {
    const { clientWidth: width, clientHeight: height } = this.#options.container;
    const found = this.#query(
      [
        [0, 0],
        [width, height - this.#map.getPadding().bottom!],
      ],
      this.#squares,
    ).map(toSquare);
    return [...new Map(found.map((square) => [keyOf(square), square])).values()];
  }

  /** The features nearest to the middle: looks into a growing box, so that a full map costs no more than a sparse one. */
  #nearest(): InView[] {
    const { clientWidth: width, clientHeight: height } = this.#options.container;
    const middle = this.#map.project(this.#map.getCenter());
    for (const part of [0.05, 0.125, 0.25, 0.5]) {
      const [dx, dy] = [width * part, Math.min(height * part, height - this.#map.getPadding().bottom! - middle.y)];
      const found = this.#query(
        [
          [middle.x - dx, middle.y - dy],
          [middle.x + dx, middle.y + dy],
        ],
        this.#features,
      );
      const features = new Map(found.map((feature) => [`${feature.source} ${feature.id}`, feature]));
      if (features.size < MOST && part < 0.5) continue;
      return [...features.values()]
        .map((feature) => ({ feature, at: anchor(feature.geometry, this.#map.getCenter().toArray()) }))
        .map(({ feature, at }) => ({ feature, at, far: this.#map.project(at).dist(middle) }))
        .sort((a, b) => a.far - b.far || Number(a.feature.id) - Number(b.feature.id))
        .slice(0, MOST)
        .map(({ feature, at }) => ({
          layer: layerOf(feature.source),
          fid: Number(feature.id),
          properties: feature.properties as Record<string, Scalar>,
          at,
        }));
    }
    return [];
  }

  goTo(target: Camera | "home"): void {
    if (target !== "home") this.#map.jumpTo({ center: [target.lon, target.lat], zoom: target.zoom }, { quiet: true });
    else if (this.#options.bounds) {
      this.#map.fitBounds(this.#options.bounds, { padding: this.#options.padding() });
    }
  }

  get middle(): [number, number] {
    return this.#map.getCenter().toArray();
  }

  /** Read again what failed. */
  redraw(style: StyleSpecification): void {
    this.#events.busy();
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
    cancelAnimationFrame(this.#hover);
    this.#map.remove();
  }
}

type Box = [[number, number], [number, number]];

/** The layer in the address of a tile; "" for other addresses. */
const layerOfTile = (url: string): string => decodeURIComponent(/\/tiles\/([^/]+)\/\d+\//.exec(url)?.[1] ?? "");

/** Whether a layer of the style, or what it drew, is of squares. */
function isSquare(item: object): boolean {
  const layer = "sourceLayer" in item ? item.sourceLayer : "source-layer" in item ? item["source-layer"] : "";
  return String(layer).endsWith(SQUARES);
}

/** Each feature once, however many tiles and layers of the style draw it. */
function toStack(features: MapGeoJSONFeature[], clicked: [number, number]): Stacked[] {
  const found = features.map(({ source, id, properties, geometry }): Stacked => ({
    layer: layerOf(source),
    fid: Number(id),
    properties: properties as Record<string, Scalar>,
    at: geometry.type === "Point" ? (geometry.coordinates as [number, number]) : clicked,
  }));
  return [...new Map(found.reverse().map((item) => [`${item.layer} ${item.fid}`, item])).values()].reverse();
}

function toSquare({ source, properties, geometry }: MapGeoJSONFeature): Square {
  const corners = "coordinates" in geometry ? flatten(geometry.coordinates) : [];
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  return { layer: layerOf(source), properties, bounds: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] };
}

/** The style without some of its sources, and without what is drawn from them. */
function without(style: StyleSpecification, ids: Set<string>): StyleSpecification {
  const sources = Object.fromEntries(Object.entries(style.sources).filter(([id]) => !ids.has(id)));
  return { ...style, sources, layers: style.layers.filter((layer) => !("source" in layer) || !ids.has(layer.source)) };
}
