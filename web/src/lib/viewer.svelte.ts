/** The state of the page and its two-way tie to the address. Components read it; only its methods change it. */
import {
  ApiError,
  readLayer,
  readLayers,
  readSummary,
  type Bounds,
  type Histogram,
  type LayerDetail,
  type LayerSummary,
  type Scalar,
} from "./api.ts";
import { parseFilter, writeFilter, type Clause, type Clauses } from "./cql2.ts";
import { findCity } from "./extent.ts";
import { pickLanguage, useLanguage } from "./i18n.svelte.ts";
import { keyOf, type Square } from "./squares.ts";
import { parseState, writeState, type Base, type Camera } from "./permalink.ts";

/** What the server says about a layer under its filter. */
export interface Result {
  count: number;
  total: number;
  facets: Record<string, { value: Scalar; count: number }[]>;
  histograms: Record<string, Histogram>;
}

/** A feature, or a square that stands for many. */
export type Selection = {
  layer: string;
  /** Where it was clicked, so that the popup can open before the details are there. */
  at: [lon: number, lat: number] | null;
} & ({ fid: number; square?: undefined } | { fid?: undefined; square: Square });

export const selectionKey = ({ layer, fid, square }: Selection): string => (square ? keyOf(square) : `${layer} ${fid}`);

export interface InView {
  layer: string;
  fid: number;
  properties: Record<string, Scalar>;
  at: [lon: number, lat: number];
}

/** Changes of one control within this many milliseconds are one step back. */
const ONE_STEP = 1500;

export class Viewer {
  status = $state<"loading" | "ready" | "failed">("loading");
  layers = $state.raw<LayerSummary[]>([]);
  city = $state.raw<Bounds | null>(null);
  details = $state.raw<Record<string, LayerDetail>>({});
  results = $state.raw<Record<string, Result>>({});
  /** By layer: why the server refused the filter, in its own words. */
  filterErrors = $state.raw<Record<string, string>>({});
  /** A layer whose numbers could not be had, for want of an answer. */
  failures = $state.raw<Record<string, boolean>>({});
  on = $state.raw<string[]>([]);
  filters = $state.raw<Record<string, string>>({});
  base = $state<Base | null>(null);
  systemDark = $state(false);
  selection = $state.raw<Selection | null>(null);
  inView = $state.raw<InView[]>([]);
  /** Squares on the map whose features are not on it. */
  squares = $state.raw<Square[]>([]);
  /** Null until there is a map. */
  zoom = $state<number | null>(null);
  missing = $state.raw<string[]>([]);
  /** Where the address or the buttons want the map to be; the map follows and reports back through `moved`. */
  target = $state.raw<Camera | "home" | null>(null);
  #camera: Camera | null = null;
  #language: string | null = null;
  #chosen = false;
  #step = { key: "", time: 0 };

  get theme(): Base {
    return this.base ?? (this.systemDark ? "dark" : "light");
  }

  layer(id: string): LayerSummary | undefined {
    return this.layers.find((layer) => layer.id === id);
  }

  /** Read the catalogue, then what the address asks for. */
  async start(): Promise<void> {
    this.status = "loading";
    try {
      const all = await readLayers();
      this.city = findCity(all);
      this.layers = all.filter((layer) => !layer.basemap);
      await this.readAddress();
      this.status = "ready";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.status = "failed";
    }
  }

  /** Take over the address: at the start, and on back and forward. */
  async readAddress(): Promise<void> {
    const state = parseState(location.search, location.hash);
    const known = (id: string): boolean => this.layers.some((layer) => layer.id === id);
    const named = this.layers.filter((layer) => layer.visible);
    // A city that names none still opens on a map with something on it.
    const visible = (named.length > 0 ? named : this.layers.slice(0, 1)).map((layer) => layer.id);
    this.#chosen = state.layers !== null;
    this.on = (state.layers ?? visible).filter(known);
    this.missing = (state.layers ?? []).filter((id) => !known(id));
    this.filters = Object.fromEntries(Object.entries(state.filters).filter(([id]) => known(id)));
    this.base = state.base;
    if (this.selection && (this.selection.square || !this.on.includes(this.selection.layer))) this.selection = null;
    this.filterErrors = {};
    this.target = state.camera ?? "home";
    this.#camera = state.camera;
    this.#language = state.language;
    await useLanguage(pickLanguage(state.language ? [state.language] : navigator.languages));
  }

  /** Put the state into the address; a repeated `key` soon after the last replaces that step instead of adding one. */
  #writeAddress(key: string): void {
    const url = writeState({
      layers: this.#chosen ? this.on : null,
      filters: this.filters,
      base: this.base,
      camera: this.#camera,
      language: this.#language,
    });
    const now = Date.now();
    const same = key === "camera" || (key === this.#step.key && now - this.#step.time < ONE_STEP);
    if (same) history.replaceState(null, "", url);
    else history.pushState(null, "", url);
    if (key !== "camera") this.#step = { key, time: now };
  }

  toggle(id: string): void {
    const on = this.on.includes(id);
    this.on = on ? this.on.filter((other) => other !== id) : [...this.on, id];
    if (on && this.selection?.layer === id) this.selection = null;
    this.#chosen = true;
    this.#writeAddress(`layer ${id}`);
  }

  setFilter(id: string, text: string, key = ""): void {
    if ((this.filters[id] ?? "") === text) return;
    const { [id]: _, ...others } = this.filters;
    this.filters = text ? { ...others, [id]: text } : others;
    if (this.selection?.square && this.selection.layer === id) this.selection = null; // it counts other rows now
    this.#forgetError(id);
    this.#writeAddress(`filter ${id} ${key}`);
  }

  /** Change one field's part of a layer's filter; null takes it out. */
  setClause(layer: LayerDetail, name: string, clause: Clause | null): void {
    const clauses: Clauses = { ...(this.clauses(layer) ?? {}) };
    if (clause) clauses[name] = clause;
    else delete clauses[name];
    this.setFilter(layer.id, writeFilter(clauses, layer.fields), name);
  }

  /** The filter as the controls show it; null when they cannot. */
  clauses(layer: LayerDetail): Clauses | null {
    return parseFilter(this.filters[layer.id] ?? "", layer.fields);
  }

  setBase(base: Base): void {
    this.base = base;
    this.#writeAddress("base");
  }

  async setLanguage(code: string): Promise<void> {
    this.#language = code;
    await useLanguage(code);
    this.#writeAddress("language");
  }

  moved(camera: Camera): void {
    this.#camera = camera;
    this.#writeAddress("camera");
  }

  /** The map is at another zoom; squares there are others. */
  zoomed(zoom: number): void {
    if (this.selection?.square && this.zoom !== null && Math.floor(zoom) !== Math.floor(this.zoom)) this.selection = null;
    this.zoom = zoom;
  }

  dismissMissing(): void {
    this.missing = [];
  }

  async readDetail(id: string): Promise<void> {
    if (this.details[id]) return;
    await this.#try(id, async () => {
      this.details = { ...this.details, [id]: await readLayer(id) };
    });
  }

  /**
   * Count a layer's rows under its filter and, for `fields`, how they are spread. A field that is itself filtered is
   * counted without its own part: its control then shows what else could be chosen.
   */
  async summarise(id: string, filter: string, fields: string[], signal: AbortSignal): Promise<void> {
    const detail = this.details[id];
    const clauses = (detail && parseFilter(filter, detail.fields)) ?? {};
    const narrowed = fields.filter((name) => clauses[name]);
    const free = fields.filter((name) => !clauses[name]);
    await this.#try(id, async () => {
      const [whole, ...parts] = await Promise.all([
        readSummary(id, filter, free, signal),
        ...narrowed.map((name) => {
          const { [name]: _, ...others } = clauses;
          return readSummary(id, writeFilter(others, detail!.fields), [name], signal);
        }),
      ]);
      if (signal.aborted || !whole) return;
      const result: Result = { ...whole, facets: { ...whole.facets }, histograms: { ...whole.histograms } };
      for (const [index, name] of narrowed.entries()) {
        const facet = parts[index]?.facets[name];
        const histogram = parts[index]?.histograms[name];
        if (facet) result.facets[name] = facet;
        if (histogram) result.histograms[name] = histogram;
      }
      this.results = { ...this.results, [id]: result };
      this.#forgetError(id);
    });
  }

  /** Run a request for a layer; a refused filter is told at the filter, anything else as a failure to load. */
  async #try(id: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
      if (this.failures[id]) this.failures = { ...this.failures, [id]: false };
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 400) this.filterErrors = { ...this.filterErrors, [id]: error.message };
      else this.failures = { ...this.failures, [id]: true };
    }
  }

  #forgetError(id: string): void {
    if (!(id in this.filterErrors)) return;
    const { [id]: _, ...others } = this.filterErrors;
    this.filterErrors = others;
  }
}

export const viewer = new Viewer();
