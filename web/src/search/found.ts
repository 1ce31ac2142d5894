/** What `/api/search` finds, asked for in parts that come when each is ready, as one list of options in groups. */
import { parseExact } from "../query/json.ts";
import { writeQuery, type Ask } from "../query/server.ts";
import type { Bounds, Place, Scalar } from "../query/types.ts";
import type { components } from "../query/openapi.d.ts";
import { lookAt } from "./places.ts";

export type Found = components["schemas"]["Searched"];
export type Group = "at" | "layers" | "values" | "places" | "features";

/** Questions that do not wait for each other: what is in memory, and what takes rows. */
export const PARTS = ["at,layers,values", "places", "features"] as const;
/** In the order in which they stand below each other. */
const GROUPS: Group[] = ["at", "layers", "values", "places", "features"];
/** Letters from which on the server looks, and signs that are words by themselves. */
const LEAST = 2;
const IDEOGRAPHS = /^[\u2e80-\u{3ffff}]/u;
/** Of each group at most: all fit on a screen. */
const MOST: Record<Group, number> = { at: 3, layers: 8, values: 5, places: 6, features: 5 };
/** Seen from here where a place has no size. */
const CLOSE = 16;

export interface Target {
  layer?: string;
  /** A filter: this field has this value. */
  field?: string;
  value?: Scalar;
  fid?: number;
  at?: [lon: number, lat: number];
  zoom?: number;
  /** Where a place itself is, which need not be in the middle of what is shown of it. */
  pin?: [lon: number, lat: number];
}

export interface Option {
  key: string;
  group: Group;
  title: string;
  /** What it is, beside the title: of a value its field and layer. */
  detail: string;
  /** By what it was found, where its title does not say. */
  field: string | null;
  count: number | null;
  target: Target;
}

export const isLongEnough = (text: string): boolean => text.length >= LEAST || IDEOGRAPHS.test(text);

export function askFound(q: string, parts: string, lang: string, at: string): Ask<Found> {
  const address = `api/search${writeQuery({ q, parts, limit: String(MOST.layers), lang, at })}`;
  return { address, version: "", read: (text) => parseExact(text) as never };
}

/** Where the map stands, of an address: a few hundred metres are the same place, so that answers can be kept. */
export function middleOf(link: string): string {
  const found = /#[\d.]+\/(-?[\d.]+)\/(-?[\d.]+)/.exec(link);
  return found ? `${round(found[2]!)},${round(found[1]!)}` : "";
}

const round = (degrees: string): string => String(+Number(degrees).toFixed(2));

/** All that was found, group after group; `blind`: there is no map to go anywhere on. */
export function listOptions(answers: (Partial<Found> | null)[], blind = false): Option[] {
  const found: Partial<Found> = Object.assign({}, ...answers);
  return GROUPS.filter((group) => !blind || (group !== "at" && group !== "places")).flatMap((group) =>
    listGroup(found, group).slice(0, MOST[group]),
  );
}

function listGroup(found: Partial<Found>, group: Group): Option[] {
  const option = (key: string, title: string, detail: string, target: Target, rest: Partial<Option> = {}): Option => ({
    key: `${group} ${key}`,
    group,
    title,
    detail,
    field: null,
    count: null,
    target,
    ...rest,
  });
  switch (group) {
    case "at":
      return (found.at ?? []).map(({ title, kind, at }) =>
        option(title + kind, title, kind === "degrees" || kind === "link" ? "" : nameOf(kind), {
          at: at as never,
          zoom: CLOSE,
          pin: at as never,
        }),
      );
    case "layers":
      return (found.layers ?? []).map(({ layer, title, theme, field_title }) =>
        option(layer, title, theme, { layer }, { field: field_title }),
      );
    case "values":
      return (found.values ?? []).map(({ layer, layer_title, field, field_title, value, label, count }) =>
        option(`${layer} ${field} ${value}`, label, layer_title, { layer, field, value }, { field: field_title, count }),
      );
    case "places":
      return (found.places ?? []).map((place) => {
        const { lon, lat, zoom } = lookAt(place as Place);
        return option(`${place.layer} ${place.id}`, place.title, place.near ?? "", { at: [lon, lat], zoom, pin: place.at as never });
      });
    case "features":
      return (found.features ?? []).map(({ layer, layer_title, id, title, text, at, bounds }) => {
        const seen = lookAt({ title, near: null, kind: null, layer, id, at, bounds: bounds as Bounds });
        const target = { layer, fid: id, at: [seen.lon, seen.lat] as [number, number], zoom: seen.zoom };
        return option(`${layer} ${id}`, title, layer_title, target, { field: text });
      });
  }
}

const nameOf = (kind: string): string => (kind === "plus" ? "Plus Code" : kind.includes(":") ? kind : kind.toUpperCase());

/** The option that comes `by` steps after this one, round and round; none before the first. */
export function step(options: Option[], active: string | null, by: 1 | -1): string | null {
  if (!options.length) return null;
  const at = options.findIndex(({ key }) => key === active);
  const next = at < 0 ? (by > 0 ? 0 : options.length - 1) : at + by;
  return options[(next + options.length) % options.length]!.key;
}
