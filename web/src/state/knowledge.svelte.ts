/** What the server says about a map's layers under its filters: details, counts, plans, and the scene to draw. */
import { untrack } from "svelte";
import {
  combine,
  layersIn,
  writeQuestion,
  type Area,
  type Parse,
  type Question,
  type Shared,
  type TimeWindow,
} from "../filter/question.ts";
import { Desk, type Known } from "../query/desk.svelte.ts";
import type { Presence } from "../query/presence.svelte.ts";
import type { Queries } from "../query/queries.ts";
import {
  askFeature,
  askFirst,
  askLayer,
  askLayers,
  askReadings,
  askStyle,
  askSummary,
  askTileJson,
  askWords,
  behindOf,
  type Ask,
} from "../query/server.ts";
import type {
  Catalogue,
  Feature,
  Histogram,
  LayerDetail,
  LayerSummary,
  LayerWords,
  Readings,
  Scalar,
  Summary,
  TileJson,
} from "../query/types.ts";
import type { InView } from "./map-state.svelte.ts";
import type { Selection } from "./selection.ts";

/** Where the feature is known whose shape is the area. */
export const AREA_FEATURE = "area feature";

/** What the server says about a layer under its filter. */
export interface Result {
  count: number;
  total: number;
  facets: Record<string, { value: Scalar; count: number }[]>;
  histograms: Record<string, Histogram>;
}

/** All that it takes to draw the layers that are on; all of it belongs to the same filters. */
export interface Scene {
  base: "light" | "dark";
  style: Record<string, unknown>;
  /** By layer. */
  tiles: Record<string, TileJson>;
  /** By layer, those included of which only features are named in filters. */
  versions: Record<string, string>;
  /** By layer: for how many milliseconds its tiles may be of the data before. */
  behind: Record<string, number>;
  /** Layers that could not be had; the rest is drawn without them. */
  failed: string[];
}

/** By layer: how many rows a time window leaves, beside what else narrowed them when it was chosen. */
export interface Foretold {
  readonly window: TimeWindow;
  readonly area: Area | null;
  readonly filters: Readonly<Record<string, string>>;
  readonly counts: Readonly<Record<string, number>>;
}

/** What is chosen, as far as questions follow from it. */
export interface Choice extends Shared {
  readonly layers: LayerSummary[];
  readonly on: string[];
  readonly filters: Record<string, string>;
  readonly opened: string[];
  /** Whoever opens controls has it read. */
  readonly parse: Parse | null;
  readonly selection: Selection | null;
  readonly theme: "light" | "dark";
  /** Layers that the map narrows to the window by itself. */
  readonly whole: readonly string[];
  readonly printing: boolean;
  readonly foretold: Foretold | null;
  /** There is no map to draw. */
  readonly blind: boolean;
  /** Rows are listed in its place. */
  readonly listed: boolean;
  /** Somebody wants to know what each layer is about. */
  readonly browsing: boolean;
  /** Code of the language in which the server is asked for words. */
  readonly speaks: string;
  layer(id: string): LayerSummary | undefined;
}

/** Questions, each in a place of its own. */
export type Wanted = Map<string, Ask<unknown>>;

export class Knowledge {
  #desk: Desk;
  #choice: Choice;
  readonly presence: Presence;
  #stop = (): void => undefined;
  /** The latest that could be drawn. */
  scene = $state.raw<Scene | null>(null);
  /** A newer one is on its way. */
  drawing = $state(true);
  /** Nothing can be drawn: the base is missing. */
  baseFailed = $state(false);
  /** Zoom before which features of a layer are not shown, whatever its filter leaves: another map beside this one shows none. */
  least = $state.raw((_id: string): number => 0);
  /** What parts of the page that came later want to know. */
  #more = $state.raw<(() => Wanted)[]>([]);
  /** The latest style that goes with its filters. */
  #style = $state.raw<Ask<Record<string, unknown>> | null>(null);

  constructor(queries: Queries, choice: Choice) {
    this.#desk = new Desk(queries);
    this.#choice = choice;
    this.presence = queries.presence;
  }

  /** Begin to ask. What is chosen depends on what is known, which may be known at once. */
  start(): void {
    this.#stop = $effect.root(() => {
      $effect.pre(() => {
        const wanted = this.#list();
        untrack(() => this.#desk.want(wanted));
      });
      $effect.pre(() => this.#compose());
    });
  }

  close(): void {
    this.#stop();
    this.#desk.close();
  }

  /** Ask also what `list` says, for as long as its caller wants to know it: what to call in the end is given back. */
  also(list: () => Wanted): () => void {
    this.#more = [...untrack(() => this.#more), list];
    return () => void (this.#more = untrack(() => this.#more).filter((other) => other !== list));
  }

  /** What is known of a question that was asked so. */
  read<T>(place: string): Known<T> {
    return this.#desk.read(place);
  }

  get catalogue(): Known<Catalogue> {
    return this.#desk.read("layers");
  }

  /** What a layer is about; nothing while nobody wants to know. */
  words(id: string): LayerWords | undefined {
    return this.#desk.read<{ layers: LayerWords[] }>("words").data?.layers.find((layer) => layer.id === id);
  }

  detail(id: string): LayerDetail | undefined {
    return this.#desk.read<LayerDetail>(`${id} detail`).data;
  }

  tiles(id: string): Known<TileJson> {
    return this.#desk.read(`${id} tiles`);
  }

  get feature(): Known<Feature> {
    return this.#desk.read("selected feature");
  }

  get readings(): Known<Readings> {
    return this.#desk.read("selected readings");
  }

  /** Rows to list where there is no map. */
  get first(): InView[] {
    return this.#choice.on.flatMap((layer) => {
      const { data, error } = this.#desk.read<{ features: Feature[] }>(`${layer} first`);
      if (error?.refused) return [];
      return (data?.features ?? []).map(({ id, properties }) => ({ layer, fid: id, properties, at: null }));
    });
  }

  /** The count of a layer that the window was chosen by. */
  #foretold(id: string): number | undefined {
    const { foretold, window, area, filters } = this.#choice;
    if (!foretold || foretold.window !== window || foretold.area !== area || foretold.filters !== filters) return undefined;
    return foretold.counts[id];
  }

  /** Count, and how the rows are spread over the fields whose controls are open. */
  result(id: string): Result | undefined {
    const layer = this.#choice.layer(id);
    if (!layer || layer.count === null) return undefined;
    const { data, error } = this.#desk.read<Summary>(`${id} summary`);
    const foretold = this.#foretold(id);
    if (foretold !== undefined) return { facets: {}, histograms: {}, ...data, count: foretold, total: layer.count };
    // Where there is an error, data are those of a question before.
    const whole = error ? undefined : data;
    // All rows are counted in the catalogue.
    if (this.filter(id) === "" && !whole) return { count: layer.count, total: layer.count, facets: {}, histograms: {} };
    if (!whole) return undefined;
    const result: Result = { ...whole, facets: { ...whole.facets }, histograms: { ...whole.histograms } };
    for (const name of this.#narrowed(id)) {
      const part = this.#desk.read<Summary>(`${id} summary without ${name}`).data;
      if (part?.facets[name]) result.facets[name] = part.facets[name];
      if (part?.histograms[name]) result.histograms[name] = part.histograms[name];
    }
    return result;
  }

  /** A newer result is on its way. */
  counting(id: string): boolean {
    if (!this.#wantsSummary(id) || this.#lost(id)) return false;
    const places = [...this.#summaries(id).keys()];
    return !places.length || places.some((place) => !this.#desk.read(place).settled);
  }

  /** Why the server refused a layer's filter, in its own words. */
  refusal(id: string): string | null {
    for (const place of ["summary", "tiles"]) {
      const { error } = this.#desk.read(`${id} ${place}`);
      if (error?.refused) return error.message;
    }
    return null;
  }

  /** The area is the shape of a feature that is gone, or that this reader does not see any more. */
  get areaGone(): boolean {
    const { area } = this.#choice;
    const all = this.catalogue.data?.layers;
    if (area?.kind !== "feature" || !all) return false;
    const { data, error } = this.#desk.read<Feature>(AREA_FEATURE);
    return !all.some(({ id }) => id === area.layer) || error?.status === 404 || data?.geometry === null;
  }

  /** A layer's details or numbers could not be had. */
  failed(id: string): boolean {
    return ["detail", "summary"].some((place) => {
      const { error } = this.#desk.read(`${id} ${place}`);
      return error !== null && error.status !== 400;
    });
  }

  /** The zoom from which on features are shown under the filter. */
  featuresFrom(id: string): number {
    return Math.max(this.least(id), this.tiles(id).data?.features_from ?? this.#choice.layer(id)?.features_from ?? 0);
  }

  /** Ask again what failed: of a layer, of the selection, or everywhere. */
  retry(what = ""): void {
    this.#desk.retry(what && `${what} `);
  }

  /** See whether any data has changed. */
  look(): void {
    this.#desk.look("layers");
  }

  retryAll(): void {
    this.#desk.retry();
  }

  /** The whole filter of a layer as CQL2; null while it takes the layer's details to write it. */
  filter(id: string, window = this.#choice.window): string | null {
    const { filters, area } = this.#choice;
    const layer = this.#choice.layer(id);
    if (!layer || layer.count === null) return filters[id] ?? "";
    const detail = this.detail(id);
    if (window && layer.time !== null && !detail) return null;
    return combine(filters[id] ?? "", { window, area }, detail?.fields.find((field) => field.name === layer.time) ?? null);
  }

  /** The filter of a layer's tiles. */
  #tileFilter(id: string): string | null {
    const { printing, whole, window } = this.#choice;
    return this.filter(id, whole.includes(id) && !printing ? null : window);
  }

  /** The layer, with the version of all data that its answers under its filter come from. */
  asked(id: string): LayerSummary | undefined {
    const layer = this.#choice.layer(id);
    const others = layersIn(this.filter(id) ?? "").map((other) => this.#choice.layer(other)?.version);
    return layer && { ...layer, version: [layer.version, ...others].join(" ") };
  }

  /** Fields that are narrowed and whose controls are open: these are counted without their own part. */
  #narrowed(id: string): string[] {
    const detail = this.detail(id);
    if (!detail || !this.#shown(detail)) return [];
    const { clauses } = this.#parse(detail)!;
    return countable(detail).filter((name) => clauses[name]);
  }

  /** Whether a layer's controls are open, and can show its filter. */
  #shown(detail: LayerDetail): boolean {
    return this.#choice.opened.includes(detail.id) && this.#parse(detail)?.custom === "";
  }

  #parse(detail: LayerDetail): Question | undefined {
    return this.#choice.parse?.(this.#choice.filters[detail.id] ?? "", this.#choice, detail);
  }

  /** Rows are counted where the catalogue does not tell: under a filter, or by value. */
  #wantsSummary(id: string): boolean {
    const layer = this.#choice.layer(id);
    if (!layer || layer.count === null) return false;
    return this.#choice.opened.includes(id) || (this.filter(id) !== "" && this.#foretold(id) === undefined);
  }

  #summaries(id: string): Wanted {
    const wanted: Wanted = new Map();
    const layer = this.asked(id);
    const filter = this.filter(id);
    if (!layer || filter === null || !this.#wantsSummary(id)) return wanted;
    const { data: detail, settled } = this.#desk.read<LayerDetail>(`${id} detail`);
    // It takes the details to know what else to count, and one question is better than two.
    if (this.#choice.opened.includes(id) && !detail && !settled) return wanted;
    const narrowed = this.#narrowed(id);
    const free = detail && this.#shown(detail) ? countable(detail).filter((name) => !narrowed.includes(name)) : [];
    wanted.set(`${id} summary`, askSummary(layer, filter, free));
    if (!detail) return wanted;
    for (const name of narrowed) {
      const { [name]: _, ...others } = this.#parse(detail)!.clauses;
      const own = writeQuestion({ clauses: others, custom: "", window: null, area: null }, detail);
      const text = combine(own, this.#choice, detail.fields.find((field) => field.name === layer.time) ?? null);
      wanted.set(`${id} summary without ${name}`, askSummary(layer, text, [name]));
    }
    return wanted;
  }

  /** Everything that is asked at the moment. */
  #list(): Wanted {
    const wanted: Wanted = new Map([["layers", askLayers(this.#choice.speaks)]]);
    if (!this.catalogue.data) return wanted;
    if (this.#choice.browsing) wanted.set("words", askWords(this.#choice.speaks));
    for (const id of this.#choice.on) {
      const layer = this.#choice.layer(id)!;
      const filter = this.#tileFilter(id);
      wanted.set(`${id} detail`, askLayer(layer, this.#choice.speaks));
      for (const [place, ask] of this.#summaries(id)) wanted.set(place, ask);
      if (filter === null) continue;
      const asked = this.asked(id)!;
      if (!this.#choice.blind) wanted.set(`${id} tiles`, askTileJson(asked, filter));
      else if (this.#choice.listed && layer.count !== null) wanted.set(`${id} first`, askFirst(asked, filter));
    }
    for (const more of this.#more) for (const [place, ask] of more()) wanted.set(place, ask);
    const selection = this.#choice.selection;
    const layer = selection && this.#choice.layer(selection.layer);
    if (layer && selection.fid !== undefined) {
      wanted.set("selected feature", askFeature(layer, selection.fid));
      if (this.detail(layer.id)?.readings) wanted.set("selected readings", askReadings(layer, selection.fid, this.#choice.speaks));
    }
    const style = this.#choice.blind ? null : (this.nextStyle() ?? untrack(() => this.#style));
    if (style) wanted.set("style", style);
    untrack(() => {
      if (style && (style.address !== this.#style?.address || style.version !== this.#style.version)) this.#style = style;
    });
    return wanted;
  }

  /** Details that it takes to write a layer's filter could not be had. */
  #lost(id: string): boolean {
    return this.filter(id) === null && this.#desk.read(`${id} detail`).error !== null;
  }

  /** Layers whose filter the server refused, or that cannot be written, are not drawn: all rows would be a wrong answer. */
  #drawn(): LayerSummary[] {
    // The server decides what lies above what, so the order of switching on does not matter, and sorted ids share a cache.
    const ids = [...this.#choice.on].sort();
    return ids.filter((id) => this.refusal(id) === null && !this.#lost(id)).map((id) => this.#choice.layer(id)!);
  }

  /** The style that goes with the filters, on this base; null while a filter's plan is not known. */
  nextStyle(base = this.#choice.theme): Ask<Record<string, unknown>> | null {
    const starts: (number | null)[] = [];
    const layers = this.#drawn();
    for (const layer of layers) {
      if (this.#tileFilter(layer.id) === "") {
        starts.push(null);
        continue;
      }
      const { settled, error } = this.tiles(layer.id);
      if (!settled) return null;
      const start = this.featuresFrom(layer.id);
      starts.push(error || start === layer.features_from ? null : start);
    }
    return askStyle(base, layers, starts, this.#choice.speaks);
  }

  /** Tiles say in their address from which zoom on they hold features, where that is not as of all rows. */
  #plan(id: string, found: TileJson): TileJson {
    return { ...found, tiles: found.tiles.map((address) => address.replace(/(&features-from=)\d+/, `$1${this.featuresFrom(id)}`)) };
  }

  /** Put together what belongs together; until all of it is there, the scene before stays. */
  #compose(): void {
    const layers = this.catalogue.data ? this.#drawn() : [];
    const style = this.#desk.read<Record<string, unknown>>("style");
    const tiles = layers.map((layer) => [layer, this.tiles(layer.id)] as const);
    const next = this.catalogue.data ? this.nextStyle() : null;
    const asked = this.#style;
    const current = next !== null && next.address === asked?.address && next.version === asked.version;
    const ready = current && style.settled && tiles.every(([, each]) => each.settled);
    this.drawing = !ready;
    if (!ready) return;
    // What is drawn stays until the server is there again.
    if (untrack(() => this.scene) && [style, ...tiles.map(([, each]) => each)].some(({ error }) => error?.unanswered)) return;
    this.baseFailed = style.error !== null;
    if (style.error || !style.data) return;
    this.scene = {
      base: this.#choice.theme,
      style: style.data,
      tiles: Object.fromEntries(
        tiles.flatMap(([layer, { data, error }]) => (data && !error ? [[layer.id, this.#plan(layer.id, data)]] : [])),
      ),
      versions: Object.fromEntries(
        layers.flatMap(({ id }) => [id, ...layersIn(this.filter(id) ?? "")]).map((id) => [id, this.#choice.layer(id)?.version ?? ""]),
      ),
      behind: Object.fromEntries(layers.map((layer) => [layer.id, behindOf(layer)])),
      failed: this.#choice.on.filter((id) => this.#lost(id) || tiles.some(([layer, { error }]) => layer.id === id && error !== null)),
    };
  }
}

/** Fields of which the server counts how the rows are spread. */
const countable = ({ fields }: LayerDetail): string[] =>
  fields.filter(({ filter }) => filter === "choice" || filter === "range").map(({ name }) => name);
