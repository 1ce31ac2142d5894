/** What the map has drawn: what a click is meant for, and what is in view. */
import type { Map as MapLibreMap, MapGeoJSONFeature, StyleSpecification } from "maplibre-gl";
import type { Scalar } from "../query/types.ts";
import type { InView } from "../state/map-state.svelte.ts";
import type { Stacked } from "../state/selection.ts";
import { anchor, flatten } from "./geometry.ts";
import { isBin, keyOf, type Bin } from "./bins.ts";

/** Features told to the list beside the map. */
const MOST = 50;
/** Of each layer that has so many in view, at least. */
const FEW = 5;
/** Pixels around a click or tap that count as on the feature. */
const REACH = 5;

interface Far {
  item: InView;
  far: number;
}

type Box = [[number, number], [number, number]];

const nearer = (a: Far, b: Far): number => a.far - b.far || a.item.fid - b.item.fid;

export class Seen {
  #map: MapLibreMap;
  /** Of the style, what draws features and what draws bins that stand for many. */
  #features: string[] = [];
  #bins: string[] = [];

  constructor(map: MapLibreMap) {
    this.#map = map;
  }

  /** Take over which layers of a style draw what; `data` are the layers that can be clicked and listed. */
  read(style: StyleSpecification, data: string[]): void {
    const drawn = style.layers.filter((layer) => "source" in layer && data.includes(layer.source));
    // A bin is there once, whatever is drawn in it.
    this.#bins = drawn.filter((layer) => isBin(layer) && layer.type === "fill").map(({ id }) => id);
    this.#features = drawn.filter((layer) => !isBin(layer)).map(({ id }) => id);
  }

  /** What the layers draw in a box, topmost first. */
  #query(box: Box, layers: string[]): MapGeoJSONFeature[] {
    const known = layers.filter((id) => this.#map.getLayer(id));
    if (!known.length) return [];
    const found = this.#map.queryRenderedFeatures(box, { layers: known });
    return found.filter((feature) => isBin(feature) || Number.isSafeInteger(feature.id));
  }

  /** What lies under a pixel, topmost first. */
  under(x: number, y: number): MapGeoJSONFeature[] {
    return this.#query(
      [
        [x, y],
        [x, y],
      ],
      [...this.#features, ...this.#bins],
    );
  }

  /** What a click is meant for: the points and lines near it, else what lies under it, else an area close by. */
  pick(x: number, y: number): MapGeoJSONFeature[] {
    const near = this.#query(
      [
        [x - REACH, y - REACH],
        [x + REACH, y + REACH],
      ],
      this.#features,
    );
    const thin = near.filter(({ geometry }) => !/Polygon$/.test(geometry.type));
    if (thin.length) return thin;
    const under = this.under(x, y);
    return (under.length ? under : near).slice(0, 1);
  }

  /** Pixels of the map that nothing lies on. */
  #room(): { width: number; height: number } {
    const { clientWidth: width, clientHeight: height } = this.#map.getContainer();
    return { width, height: height - (this.#map.getPadding().bottom ?? 0) };
  }

  bins(): Bin[] {
    const { width, height } = this.#room();
    const found = this.#query(
      [
        [0, 0],
        [width, height],
      ],
      this.#bins,
    ).map(toBin);
    return [...new Map(found.map((bin) => [keyOf(bin), bin])).values()];
  }

  /** The features nearest to the middle, some of each layer that has any: a dense one does not hide a sensor or two. */
  nearest(): InView[] {
    const sourceOf = (id: string): string | undefined => this.#map.getLayer(id)?.source;
    const found = [...new Set(this.#features.map(sourceOf))].flatMap((source) => {
      const drawn = this.#nearestOf(this.#features.filter((id) => sourceOf(id) === source));
      return drawn.map((each, place) => ({ ...each, few: place < FEW }));
    });
    return found
      .sort((a, b) => Number(b.few) - Number(a.few) || nearer(a, b))
      .slice(0, MOST)
      .sort(nearer)
      .map(({ item }) => item);
  }

  /** Of what some layers of the style draw: looks into a growing box, so that a full map costs no more than a sparse one. */
  #nearestOf(ids: string[]): Far[] {
    const { width, height } = this.#room();
    const whole = this.#map.getContainer().clientHeight;
    const middle = this.#map.project(this.#map.getCenter());
    for (const part of [0.05, 0.125, 0.25, 0.5]) {
      const [dx, dy] = [width * part, Math.min(whole * part, height - middle.y)];
      const found = this.#query(
        [
          [middle.x - dx, middle.y - dy],
          [middle.x + dx, middle.y + dy],
        ],
        ids,
      );
      const features = new Map(found.map((feature) => [feature.id, feature]));
      if (features.size < MOST && part < 0.5) continue;
      return [...features.values()]
        .map(({ source, id, properties, geometry }) => {
          const at = anchor(geometry, this.#map.getCenter().toArray());
          const item = { layer: source, fid: Number(id), properties: properties as Record<string, Scalar>, at };
          return { item, far: this.#map.project(at).dist(middle) };
        })
        .sort(nearer)
        .slice(0, MOST);
    }
    return [];
  }
}

/** Each feature once, however many tiles and layers of the style draw it. */
export function toStack(features: MapGeoJSONFeature[], clicked: [number, number]): Stacked[] {
  const found = features.map(({ source, id, properties, geometry }): Stacked => ({
    layer: source,
    fid: Number(id),
    properties: properties as Record<string, Scalar>,
    at: geometry.type === "Point" ? (geometry.coordinates as [number, number]) : clicked,
  }));
  return [...new Map(found.reverse().map((item) => [`${item.layer} ${item.fid}`, item])).values()].reverse();
}

export function toBin({ source, properties, geometry }: MapGeoJSONFeature): Bin {
  const corners = "coordinates" in geometry ? flatten(geometry.coordinates) : [];
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  return { layer: source, properties, bounds: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] };
}
