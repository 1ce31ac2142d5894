/** One function per address of the server: what is asked, under which version of the data it holds, and how it is read. */
import { parseExact } from "./json.ts";
import type { Aggregate, Catalogue, Feature, LayerDetail, LayerSummary, LayerWords, Me, Readings, Summary, TileJson } from "./types.ts";

/** A question to the server. Two with the same key are one. */
export interface Ask<T> {
  /** Relative to where the page lives. */
  address: string;
  /** Of the data that the answer is made from; an answer of another version is another answer. */
  version: string;
  read: (text: string) => T;
  /** Answers about other things must not stand in for this one while it is on its way. */
  alone?: boolean;
  /** Milliseconds to wait before asking when an answer to the question before is there: a slider asks many. */
  patience?: number;
  /** Milliseconds after which, while somebody looks, it is asked again. */
  again?: number;
  /** Milliseconds by which the first answer may be behind: after them it is asked once more. */
  behind?: number;
}

/** In place of a status: we could not read an answer that is whole. */
export const OURS = -1;

/** `status` 0 means that no answer came at all; `parameter` is the one that the server did not like. */
export class ApiError extends Error {
  status: number;
  parameter: string | null;

  constructor(status: number, message: string, parameter: string | null = null) {
    super(message);
    this.status = status;
    this.parameter = parameter;
  }

  /** The question is at fault, or we are, and asking it again will not help. */
  get refused(): boolean {
    return this.status === OURS || (this.status >= 400 && this.status < 500 && this.status !== 408 && this.status !== 429);
  }

  /** Nobody answered, or a proxy did in place of a server that is not there. */
  get unanswered(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

/** How often the catalogue is looked at for layers whose data is another one; an unchanged one is a 304. */
const LOOK_AGAIN = 15_000;
const PATIENCE = 150;
/** Milliseconds until every worker has heard of a change. */
const LAG = 500;
/** Rows of a layer that are listed where there is no map. */
const FIRST = 20;

const id = encodeURIComponent;
const plain = (text: string): never => JSON.parse(text) as never;
const exact = (text: string): never => parseExact(text) as never;

/** Percent-encode only what must be, so that an address can still be read. */
export function writeQuery(values: Record<string, string>): string {
  const parts = Object.entries(values).filter(([, value]) => value !== "");
  return parts.length ? `?${parts.map(([name, value]) => `${id(name)}=${encodeValue(value)}`).join("&")}` : "";
}

export const encodeValue = (text: string): string => id(text).replace(/%(2C|3A|2F|3D)/g, decodeURIComponent);

/** Milliseconds by which answers about a layer that changes all the time may be behind, as its file says. */
export const behindOf = ({ live }: LayerSummary): number => (live?.age ? 1_000 * live.age + LAG : 0);

const lag = (layer: LayerSummary): { behind?: number } => (layer.live?.age ? { behind: behindOf(layer) } : {});

/** What is asked of all layers at first, and what of them is asked to be searched: a city may have hundreds. */
const LISTED =
  "id,title,theme,theme_key,theme_language,basemap,visible,order,count,time,nouns,language,version,features_from,access_title,live";
const SEARCHED = "id,description,description_language,keywords,field_titles";

/** Who has signed in; a session ends by itself, too. */
export function askMe(lang: string): Ask<Me> {
  return { address: `api/me${writeQuery({ lang })}`, version: "", read: plain, again: 4 * LOOK_AGAIN };
}

export function askLayers(lang: string): Ask<Catalogue> {
  return { ...askWords(lang, LISTED), again: LOOK_AGAIN } as Ask<never>;
}

export function askWords(lang: string, fields = SEARCHED): Ask<{ layers: LayerWords[] }> {
  return { address: `api/layers${writeQuery({ fields, lang })}`, version: "", read: exact };
}

export function askLayer(layer: LayerSummary, lang: string): Ask<LayerDetail> {
  return { address: `api/layers/${id(layer.id)}${writeQuery({ lang })}`, version: layer.version, read: exact, ...lag(layer) };
}

/** Count, and how the rows are spread over `fields`; with none of them only the count, which is cheap. */
export function askSummary(layer: LayerSummary, filter: string, fields: string[]): Ask<Summary> {
  const query = `${writeQuery({ filter }) || "?"}${filter && "&"}fields=${fields.map(id).join(",")}`;
  return { address: `api/layers/${id(layer.id)}/summary${query}`, version: layer.version, read: exact, patience: PATIENCE, ...lag(layer) };
}

export function askFeature(layer: LayerSummary, fid: number): Ask<Feature> {
  return { address: `api/layers/${id(layer.id)}/features/${fid}`, version: layer.version, read: exact, alone: true };
}

/** The first rows under a filter: what there is to see of a layer without a map. */
export function askFirst(layer: LayerSummary, filter: string): Ask<{ features: Feature[] }> {
  const query = writeQuery({ f: "json", limit: String(FIRST), skipGeometry: "true", filter });
  return { address: `ogc/collections/${id(layer.id)}/items${query}`, version: layer.version, read: exact, patience: PATIENCE };
}

export function askReadings(layer: LayerSummary, fid: number, lang: string): Ask<Readings> {
  const address = `api/layers/${id(layer.id)}/features/${fid}/readings${writeQuery({ limit: "1000", lang })}`;
  return { address, version: layer.version, read: exact, alone: true };
}

/** Rows by groups; what they are counted or measured by stands in `version` beside the layer's own, where it is other data. */
export function askAggregate(
  layer: LayerSummary,
  asked: { filter: string; group: string; measure: string; lang: string },
  beside = "",
): Ask<Aggregate> {
  const address = `api/layers/${id(layer.id)}/aggregate${writeQuery(asked)}`;
  return { address, version: layer.version + beside, read: exact, patience: PATIENCE, ...lag(layer) };
}

/** Where a layer's tiles under a filter are, and from which zoom on they hold each feature. */
export function askTileJson(layer: LayerSummary, filter: string): Ask<TileJson> {
  const address = `tiles/${id(layer.id)}.json${writeQuery({ filter })}`;
  return { address, version: layer.version, read: plain, patience: filter ? PATIENCE : 0 };
}

/**
 * The style of a base with layers on it. `starts` tells from which zoom on each of them shows features, in the order of
 * the layers; null leaves it to the layer. `lang` is the language of names on the map.
 */
export function askStyle(base: string, layers: LayerSummary[], starts: (number | null)[], lang: string): Ask<Record<string, unknown>> {
  const query = writeQuery({
    layers: layers.map((layer) => layer.id).join(","),
    "features-from": starts.every((start) => start === null) ? "" : starts.map((start) => start ?? "").join(","),
    lang,
  });
  const version = layers.map((layer) => layer.version).join(" ");
  return { address: `styles/${base}.json${query}`, version, read: plain };
}
