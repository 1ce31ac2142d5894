/**
 * The state of one map: what is chosen, what the server says about it, and its tie to an address. Components read it; only
 * its methods change it. It asks for itself: what is known does not depend on what is on the screen.
 */
import { untrack } from "svelte";
import { AROUND, wrap, writePosition, type Area, type Parse, type Position, type TimeWindow } from "../filter/question.ts";
import type { Bin } from "../map/bins.ts";
import type { CityMap } from "../map/city-map.ts";
import type { Marks } from "../map/style.ts";
import type { Manifest } from "../frozen/manifest.ts";
import type { Queries } from "../query/queries.ts";
import type { Bounds, City, LayerSummary, Scalar } from "../query/types.ts";
import { pickLanguage, Words, type First, type LanguageFiles } from "../ui/i18n.svelte.ts";
import { parseAddress, VERSION, writeAddress, type Address, type Bar, type Base, type Camera, type Tab } from "./address.ts";
import type { AddressBar } from "./history.ts";
import { choiceOf, Choices } from "./choices.svelte.ts";
import { Knowledge, type Foretold } from "./knowledge.svelte.ts";
import { cardKey, selectionKey, type Selection } from "./selection.ts";

export interface InView {
  layer: string;
  fid: number;
  properties: Record<string, Scalar>;
  at: [lon: number, lat: number] | null;
}

/** Changes of one control within this many milliseconds are one step back. */
const ONE_STEP = 1500;
const NOWHERE: AddressBar = { read: () => ({ search: "", hash: "" }), push: () => undefined, replace: () => undefined };

/** Which languages the page can speak, which ones the reader's browser prefers, and in which the city wants it. */
export interface Tongues {
  files: LanguageFiles;
  later?: LanguageFiles;
  first: First;
  preferred: readonly string[];
  offered: readonly string[];
}

/** From so many layers on the list of them is folded, and can be searched. */
const MANY = 9;

export class MapState {
  /** What the page says, in the reader's language. */
  readonly words: Words;
  #tongues: Tongues;
  #queries: Queries;
  /** What a frozen map says of itself: then there is no server behind the page. */
  readonly frozen: Manifest | null;
  /** Reads filters, once a part is there that shows them. */
  parse: Parse | null = $state.raw(null);
  /** What the server says. */
  readonly known: Knowledge;
  /** Ids of the layers that are on as the address states them, those included that the catalogue does not have. */
  stated = $state.raw<string[] | null>(null);
  /** By layer: the CQL2 text of its own filter. */
  filters = $state.raw<Record<string, string>>({});
  /** What narrows all layers together. */
  window = $state.raw<TimeWindow | null>(null);
  area = $state.raw<Area | null>(null);
  /** The place that is asked about, and metres around it; what it is called is known of one that was found by its name. */
  pin = $state.raw<{ at: Position; radius: number; title: string } | null>(null);
  /** The tool that draws and picks areas is at hand. */
  areaTool = $state(false);
  /** What is drawn on the map beside its layers and the selection, in its colours. */
  marks = $state.raw<((base: Base) => Marks | null) | null>(null);
  base = $state<Base | null>(null);
  systemDark = $state(false);
  /** The browser cannot draw a map; what is on is listed. */
  blind = $state(false);
  /** Beside the map there are lists: of layers, and of rows where no map is drawn. */
  listed = $state(true);
  /** What narrows the layers is not for the reader to change. */
  locked = $state(false);
  language = $state<string | null>(null);
  tab = $state<Tab | null>(null);
  /** What the chart is drawn of, as the address has it; null leaves it to the layer's fields. */
  chart = $state<string | null>(null);
  /** What the table is sorted by, and its columns. */
  sort = $state<string | null>(null);
  columns = $state<string | null>(null);
  bar = $state<Bar | null>(null);
  /** Layers whose tiles hold every feature with its time: the time bar narrows them on the map itself. */
  whole = $state.raw<readonly string[]>([]);
  /** A sheet of the map is made, on which nothing is left out but by the server. */
  printing = $state(false);
  /** What the time bar has counted already, under the window that it says. */
  foretold = $state.raw<Foretold | null>(null);
  /** The map, once it is there. */
  map = $state.raw<CityMap | null>(null);
  /** The other map of a comparison, once it is there. */
  other = $state.raw<MapState | null>(null);
  /** What the other map of a comparison shows, as the address has it; "" while there is none. */
  compared = $state("");
  /** The layer that tabs are to tell of, as the address has it; null is the first one that is on. */
  of = $state<string | null>(null);
  #selection = $state.raw<Selection | null>(null);
  inView = $state.raw<InView[]>([]);
  /** Bins on the map whose features are not on it. */
  bins = $state.raw<Bin[]>([]);
  /** Null until there is a map. */
  zoom = $state<number | null>(null);
  /** Layers whose filter controls are open: how the rows are spread is asked for these. */
  opened = $state.raw<string[]>([]);
  /** What the reader has read of what the address asks and cannot be had. */
  #dismissed = $state.raw<string[]>([]);
  #unknown = $state.raw<Address["unknown"]>([]);
  #version = $state(VERSION);
  /** Where the address or the buttons want the map to be; the map follows and reports back through `moved`. */
  target = $state.raw<Camera | "home" | null>(null);
  #camera: Camera | null = null;
  #fragment = "";
  #bar: AddressBar;
  #step = { key: "", time: 0 };
  #choices = new Choices();
  #stop: () => void;

  readonly status: "loading" | "ready" | "failed" = $derived.by(() => {
    const { data, error } = this.known.catalogue;
    return data ? "ready" : error ? "failed" : "loading";
  });
  /** Every layer that can be switched on, in the order of display. */
  readonly layers: LayerSummary[] = $derived.by(() => (this.known.catalogue.data?.layers ?? []).filter((layer) => !layer.basemap));
  /** Whose map it is; null until the server has said so. */
  readonly city: City | null = $derived.by(() => this.known.catalogue.data?.city ?? null);
  readonly many: boolean = $derived(this.layers.length >= MANY);
  /** What somebody looks for. */
  sought = $state("");
  /** What each layer is about is shown where they are few, and searched where they are many. */
  readonly browsing: boolean = $derived(this.listed && (!this.many || !!this.sought));
  /** Without a word from the address those that the catalogue names; a city that names none still opens on something. */
  readonly #wanted: string[] = $derived.by(() => {
    if (this.stated) return this.stated;
    const named = this.layers.filter((layer) => layer.visible);
    return (named.length ? named : this.layers.slice(0, 1)).map((layer) => layer.id);
  });
  readonly on: string[] = $derived(this.#wanted.filter((id) => this.layer(id)));
  /** The layer that chart and table tell of: one that is on and has rows. */
  readonly subject: string | null = $derived.by(() => {
    const told = this.on.filter((id) => this.layer(id)!.count !== null);
    return told.find((id) => id === this.of) ?? told[0] ?? null;
  });
  /** Layers that the address asks for and the catalogue does not have. */
  readonly missing: string[] = $derived(
    this.status === "ready"
      ? [...new Set([...this.#wanted, ...(this.of ? [this.of] : [])])].filter(
          (id) => !this.layer(id) && !this.#dismissed.includes(`layer ${id}`),
        )
      : [],
  );
  /** Parts of the address that this page does not know. */
  readonly unknown: string[] = $derived(
    [...(this.#version > VERSION ? [`v=${this.#version}`] : []), ...new Set(this.#unknown.map(([name]) => name))].filter(
      (name) => !this.#dismissed.includes(name),
    ),
  );
  /** Nothing is selected in a layer that is off. */
  readonly selection: Selection | null = $derived(this.#selection && this.on.includes(this.#selection.layer) ? this.#selection : null);

  constructor(queries: Queries, bar: AddressBar, tongues: Tongues, frozen: Manifest | null = null, parse: Parse | null = null) {
    this.parse = parse;
    this.#bar = bar;
    this.frozen = frozen;
    this.#queries = queries;
    this.#tongues = tongues;
    this.words = new Words(tongues.files, tongues.preferred, tongues.later ?? {}, tongues.first);
    this.known = new Knowledge(queries, this);
    this.known.start();
    this.readAddress();
    // A link with a filter opens it, so that the reader sees why rows are missing.
    this.opened = Object.keys(this.filters);
    this.#stop = $effect.root(() => {
      $effect.pre(() => void this.words.use(this.speaks).catch(() => undefined)); // then it speaks on as before
      // From now on the address says which layers are on, and goes on saying it when the catalogue shows others at first.
      $effect(() => {
        if (this.status !== "ready") return;
        untrack(() => {
          this.stated ??= this.#wanted;
          this.#choices.begin(this.#address());
          this.#bar.replace(this.link);
        });
      });
    });
  }

  /** From now on it says nothing to its address any more, whatever is still under way. */
  close(): void {
    this.#bar = NOWHERE;
    this.#stop();
    this.known.close();
  }

  /** Another map of the same city, with an address of its own. */
  twin(bar: AddressBar): MapState {
    return new MapState(this.#queries, bar, this.#tongues, this.frozen, this.parse);
  }

  get theme(): Base {
    return this.base ?? (this.systemDark ? "dark" : "light");
  }

  /** The language that the page speaks, or will as soon as its file is there. */
  get speaks(): string {
    return pickLanguage(this.language ? [this.language] : this.#tongues.preferred, this.languages);
  }

  /** Those that the page can be read in. */
  get languages(): readonly string[] {
    return this.#tongues.offered;
  }

  /** Where a target is: "home" has a camera where the city says one, else its bounds are fitted into the view. */
  resolve(target: Camera | "home" | null): Camera | "home" | null {
    return (target === "home" && this.city?.home.camera) || target;
  }

  get home(): Bounds | null {
    return this.city?.home.bounds ?? null;
  }

  layer(id: string): LayerSummary | undefined {
    return this.layers.find((layer) => layer.id === id);
  }

  /** Where the map is; null until there is one. */
  get camera(): Camera | null {
    return this.#camera;
  }

  /** The state as an address, relative to where the page lives. */
  get link(): string {
    return writeAddress(this.#address());
  }

  /** The same for others, whose programs look at it before they do. */
  get shared(): string {
    return writeAddress(this.#address(), "query");
  }

  /** The same while a window is played or dragged: with the one before, until a new one is chosen. */
  get #settled(): string {
    const passing = this.foretold !== null && this.foretold.window === this.window;
    return passing ? writeAddress({ ...this.#address(), window: this.#choices.now.window }) : this.link;
  }

  #address(): Address {
    const selected = this.selection;
    return {
      version: this.#version,
      layers: this.#wanted.length || this.status === "ready" ? this.#wanted : this.stated,
      filters: this.filters,
      window: this.window,
      area: this.area,
      pin: this.pin,
      selection: selected && !selected.bin ? { layer: selected.layer, fid: selected.fid } : null,
      tab: this.tab,
      subject: this.of,
      chart: this.chart,
      sort: this.sort,
      columns: this.columns,
      bar: this.bar,
      base: this.base,
      language: this.language,
      compare: this.compared,
      camera: this.#camera,
      unknown: this.#unknown,
      fragment: this.#fragment,
    };
  }

  /** Whether the address says something else than what is chosen; the place and what is selected do not count. */
  get outdated(): boolean {
    const { search, hash } = this.#bar.read();
    const said = parseAddress(search, hash);
    const now = this.#address();
    return (
      choiceOf(said) !== choiceOf(now) ||
      (["base", "language", "tab", "subject", "chart", "sort", "columns", "bar", "compare"] as const).some(
        (part) => said[part] !== now[part],
      )
    );
  }

  /** Take over the address: at the start, and on back and forward. */
  readAddress(): void {
    const { search, hash } = this.#bar.read();
    const address = parseAddress(search, hash);
    this.#version = address.version;
    this.stated = address.layers;
    this.filters = address.filters;
    this.window = address.window;
    this.area = address.area;
    this.#readPin(address.pin);
    this.tab = address.tab;
    this.of = address.subject;
    this.chart = address.chart;
    this.sort = address.sort;
    this.columns = address.columns;
    this.bar = address.bar;
    this.compared = address.compare;
    this.base = address.base;
    this.language = address.language;
    this.#unknown = address.unknown;
    this.#fragment = address.fragment;
    this.target = address.camera ?? "home";
    this.#camera = address.camera;
    const { selection } = address;
    const same = selection && this.#selection && selectionKey({ ...selection, at: null }) === selectionKey(this.#selection);
    if (!same) this.#selection = selection && { ...selection, at: null };
    this.#choices.follow(address);
  }

  #readPin(pin: Address["pin"]): void {
    const title = pin && this.pin && writePosition(pin.at) === writePosition(this.pin.at) ? this.pin.title : "";
    this.pin = pin && !this.frozen ? { ...pin, title } : null;
  }

  /** Put the state into the address; a repeated `key` soon after the last replaces that step instead of adding one. */
  #writeAddress(key: string, again = false): void {
    const now = Date.now();
    const same = again || (key === this.#step.key && now - this.#step.time < ONE_STEP);
    if (same) this.#bar.replace(this.link);
    else this.#bar.push(this.link);
    this.#step = { key, time: now };
    this.#choices.add(this.#address(), same);
  }

  /** Write down what narrows the layers; what was chosen before already is no step. */
  #choose(key: string, same = false): void {
    if (!same && this.#choices.has(this.#address())) this.#bar.replace(this.link);
    else this.#writeAddress(key, same);
  }

  get canUndo(): boolean {
    return this.#choices.canUndo;
  }

  /** Take back the latest choice of layers or of what narrows them; the map stays where it is. */
  undo(): void {
    const before = this.#choices.undo();
    if (!before) return;
    const { layers, filters, window, area } = before;
    this.stated = layers;
    this.filters = filters;
    this.window = window;
    this.area = area;
    this.#countAnew(() => true);
    this.#step = { key: "", time: 0 };
    // The step that is taken back is no longer one for "back".
    this.#bar.replace(this.link);
  }

  toggle(id: string): void {
    const on = this.#wanted.includes(id);
    const told = this.subject;
    if (on && this.#selection?.layer === id) this.#selection = null;
    this.stated = on ? this.#wanted.filter((other) => other !== id) : [...this.#wanted, id];
    if (this.subject !== told) this.chart = this.sort = this.columns = null;
    this.#writeAddress(`layer ${id}`);
  }

  /** Show something, or nothing. */
  select(selection: Selection | null): void {
    this.#selection = selection;
    // A look at another feature is no step of its own: "back" undoes what was chosen.
    this.#bar.replace(this.#settled);
  }

  /** Ask about a place, or about none; like a selection it is no step of its own. */
  setPin(at: Position | null, title = "", radius = this.pin?.radius ?? AROUND): void {
    // What is around a place only a server tells.
    if (this.frozen) at = null;
    this.pin = at && { at: wrap(at), title, radius };
    this.select(null);
  }

  /** What a card tells of: what is selected, or else the place that is asked about. */
  get told(): unknown {
    return this.selection ? cardKey(this.selection) : this.pin?.at.join();
  }

  /** Take away what the card tells of. */
  untell(): void {
    if (this.selection) this.select(null);
    else this.setPin(null);
  }

  setFilter(id: string, text: string, key = ""): void {
    if ((this.filters[id] ?? "") === text) return;
    const { [id]: _, ...others } = this.filters;
    this.filters = text ? { ...others, [id]: text } : others;
    this.#countAnew((layer) => layer === id);
    this.#writeAddress(`filter ${id} ${key}`);
  }

  /** Switch a layer on under a filter of its own, in one step. */
  show(id: string, text: string): void {
    if (!this.#wanted.includes(id)) this.stated = [...this.#wanted, id];
    this.filters = { ...this.filters, [id]: text };
    this.#countAnew((layer) => layer === id);
    this.#writeAddress(`show ${id}`);
  }

  /** `same`: it is still the choice before, moved. */
  setWindow(window: TimeWindow | null, same = false): void {
    this.window = window;
    this.#countAnew((id) => this.layer(id)?.time !== null);
    this.#choose(window ? "time" : "no time", same);
  }

  /** Show another step of a play, of which the address tells no more than where it stops. */
  playTo({ window, counts }: Pick<Foretold, "window" | "counts">): void {
    this.foretold = { window, counts, area: this.area, filters: this.filters };
    this.window = window;
    this.#countAnew((id) => this.layer(id)?.time !== null);
  }

  setArea(area: Area | null): void {
    this.area = area;
    this.#countAnew(() => true);
    // As with a part of a filter, to take it out is a step of its own.
    this.#choose(area ? "area" : "no area");
  }

  /** Take out all that narrows a layer, that included which all layers share. */
  clearAll(id: string): void {
    const { [id]: _, ...others } = this.filters;
    this.filters = others;
    this.window = this.area = null;
    this.#countAnew(() => true);
    this.#writeAddress(`clear ${id}`);
  }

  /** A bin of such a layer counts other rows now. */
  #countAnew(concerns: (layer: string) => boolean): void {
    if (this.#selection?.bin && concerns(this.#selection.layer)) this.#selection = null;
  }

  openFilters(id: string, open: boolean): void {
    if (this.opened.includes(id) === open) return;
    this.opened = open ? [...this.opened, id] : this.opened.filter((other) => other !== id);
  }

  /** Show the chart or the table, or the map alone. */
  setTab(tab: Tab | null): void {
    if (this.tab === tab) return;
    this.tab = tab;
    this.#writeAddress(`tab ${tab}`);
  }

  /** Tell of another layer that is on; another layer's chart and table are others. */
  setSubject(id: string): void {
    if (this.subject === id) return;
    this.of = id;
    this.chart = this.sort = this.columns = null;
    this.#writeAddress(`of ${id}`);
  }

  setChart(text: string | null): void {
    if (this.chart === text) return;
    this.chart = text;
    this.#writeAddress("chart");
  }

  setTable(part: "sort" | "columns", text: string | null): void {
    if (this[part] === text) return;
    this[part] = text;
    this.#writeAddress(part);
  }

  setBar(bar: Bar | null): void {
    this.bar = bar;
    this.#writeAddress("bar");
  }

  /** Take over what both maps of a comparison share. */
  share({ tab, subject, chart, sort, columns, bar, base, language }: Address): void {
    Object.assign(this, { tab, of: subject, chart, sort, columns, bar, base, language });
  }

  /** Say what the other map shows; `step`: "back" undoes it. */
  compare(text: string, step: boolean): void {
    this.compared = text;
    if (step) this.#step = { key: "", time: 0 };
    this.#bar[step ? "push" : "replace"](this.#settled);
  }

  setBase(base: Base): void {
    this.base = base;
    this.#writeAddress("base");
  }

  setLanguage(code: string): void {
    this.language = code;
    this.#writeAddress("language");
  }

  moved(camera: Camera): void {
    this.#camera = camera;
    this.#bar.replace(this.#settled);
  }

  /** The map is there, in the place where nobody has moved it from. */
  stands(camera: Camera): void {
    if (this.#fragment || this.#camera) return;
    this.moved(camera);
  }

  /** The map is at another zoom; bins there are others. */
  zoomed(zoom: number): void {
    if (this.#selection?.bin && this.zoom !== null && Math.floor(zoom) !== Math.floor(this.zoom)) this.select(null);
    this.zoom = zoom;
  }

  /** What the map shows now. */
  shows(features: InView[], bins: Bin[]): void {
    this.inView = features;
    this.bins = bins;
  }

  dismiss(): void {
    this.#dismissed = [...this.#dismissed, ...this.missing.map((id) => `layer ${id}`), ...this.unknown];
  }
}
