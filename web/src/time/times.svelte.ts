/** What the time bar knows of the layers that are on: bars of their rows over time, counts of steps, and whose tiles are whole. */
import { SvelteSet } from "svelte/reactivity";
import { askAggregate, askTileJson, type Ask } from "../query/server.ts";
import type { Aggregate, Field, LayerSummary, TileJson } from "../query/types.ts";
import type { Wanted } from "../state/knowledge.svelte.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { cut, extentOf, join, readBars, spanOf, type Bar, type Extent } from "./axis.ts";
import { isWhole } from "./narrow.ts";
import { edgeOf, numberOf, type Span, type Unit } from "./steps.ts";

/** A layer with a time, and its rows over it under all that narrows it but the window. */
export interface Timed {
  layer: LayerSummary;
  bars: Bar[];
  extent: Extent | null;
  /** Rows that lie beyond the axis, far from all others. */
  beyond: number;
  state: "asked" | "known" | "failed";
}

/** What is played: each step of a span. */
export interface Course {
  span: Span;
  unit: Unit;
}

/** How often an axis is cut, at most: from millennia to days in three. */
const MOST_CUTS = 3;

export class Times {
  #viewer: MapState;
  /** What is played through; its steps are counted. */
  course = $state.raw<Course | null>(null);
  /** Steps of which tiles are asked for ahead. */
  coming = $state.raw<readonly Span[]>([]);
  /** Layers of which a tile here is too large to hold every feature. */
  #overfull = new SvelteSet<string>();

  readonly #on: LayerSummary[] = $derived.by(() => this.#viewer.layers.filter(({ id }) => this.#viewer.on.includes(id)));
  readonly #timed: LayerSummary[] = $derived(this.#on.filter(({ time, count }) => time !== null && count !== null));
  /** Layers that no window narrows. */
  readonly untimed: LayerSummary[] = $derived(this.#on.filter((layer) => !this.#timed.includes(layer)));
  readonly rows: Timed[] = $derived(this.#timed.map((layer) => this.#read(layer)));
  readonly extent: Extent | null = $derived(join(this.rows.map(({ extent }) => extent)));
  /** Days of the axis. */
  readonly span: Span | null = $derived(this.extent && spanOf(this.extent));
  readonly #whole: string = $derived.by(() => this.#timed.flatMap(({ id }) => (this.#isWhole(id) ? [id] : [])).join());
  /** Layers whose tiles here hold every feature with its time. */
  readonly whole: string[] = $derived(this.#whole ? this.#whole.split(",") : []);

  constructor(viewer: MapState) {
    this.#viewer = viewer;
  }

  field(id: string): Field | undefined {
    const detail = this.#viewer.known.detail(id);
    return detail?.fields.find(({ name }) => name === detail.time);
  }

  /** All that the bar asks. */
  list(): Wanted {
    const { known, blind, zoom } = this.#viewer;
    const wanted: Wanted = new Map();
    for (const layer of this.#timed) {
      const { id } = layer;
      if (!this.field(id)) continue;
      this.#listCuts(layer).forEach((window, at) => wanted.set(`time ${id} ${at}`, this.#ask(layer, window, "auto")));
      if (this.course) wanted.set(`time steps ${id}`, this.#ask(layer, this.course.span, this.course.unit));
      if (blind || zoom === null) continue;
      const asked = known.asked(id)!;
      wanted.set(`time plan ${id}`, askTileJson(asked, known.filter(id, null)!));
      if (this.whole.includes(id)) continue;
      for (const step of this.coming) wanted.set(`time ahead ${id} ${step.from}`, askTileJson(asked, known.filter(id, step)!));
    }
    return wanted;
  }

  #ask({ id, time }: LayerSummary, window: Span | null, unit: Unit | "auto"): Ask<Aggregate> {
    const { known, speaks } = this.#viewer;
    const filter = known.filter(id, window)!;
    return askAggregate(known.asked(id)!, { filter, group: `${time}:${unit}`, measure: "", lang: speaks });
  }

  /** Spans that a layer's bars are asked of: all times, then where nearly all rows are, as often as that is far less. */
  #listCuts({ id }: LayerSummary): (Span | null)[] {
    const spans: (Span | null)[] = [null];
    for (let at = 0; at < MOST_CUTS; at += 1) {
      const found = this.#viewer.known.read<Aggregate>(`time ${id} ${at}`).data;
      const part = found && cut(readBars(found));
      if (!part) break;
      spans.push(spanOf(part));
    }
    return spans;
  }

  #read(layer: LayerSummary): Timed {
    const { known } = this.#viewer;
    const answers = this.#listCuts(layer).map((_, at) => known.read<Aggregate>(`time ${layer.id} ${at}`));
    const told = answers.filter(({ data }) => data);
    const found = told.at(-1)?.data;
    const failed = answers.some(({ error }) => error !== null) || known.failed(layer.id);
    if (!found) return { layer, bars: [], extent: null, beyond: 0, state: failed ? "failed" : "asked" };
    const bars = readBars(found);
    const beyond = told[0]!.data!.count - found.count;
    return { layer, bars, extent: extentOf(bars), beyond, state: failed ? "failed" : "known" };
  }

  /** Every step of the course is counted, as far as it can be. */
  get counted(): boolean {
    return this.#timed.every(({ id }) => !this.field(id) || this.#viewer.known.read(`time steps ${id}`).settled);
  }

  /** By layer: rows of a step of the course, which the summary under it as its window would count. */
  foretell(step: Span): Record<string, number> {
    const { course } = this;
    if (!course) return {};
    const start = edgeOf(course.unit, numberOf(course.unit, step.from));
    return Object.fromEntries(
      this.#timed.flatMap(({ id }) => {
        const { data, error, settled } = this.#viewer.known.read<Aggregate>(`time steps ${id}`);
        const group = data?.groups[0];
        if (!settled || error || group?.kind !== "time") return [];
        const known = group.bucket === course.unit || !group.values.length;
        return known ? [[id, readBars(data!).find(({ from }) => from === start)?.count ?? 0]] : [];
      }),
    );
  }

  /** By layer: where a step's tiles are, of those layers that have to ask for them; null while one is not known. */
  planOf(step: Span): Record<string, TileJson> | null {
    const found: Record<string, TileJson> = {};
    for (const { id } of this.#timed) {
      if (this.whole.includes(id) || !this.field(id)) continue;
      const { data, settled } = this.#viewer.known.read<TileJson>(`time ahead ${id} ${step.from}`);
      if (!settled) return null;
      if (data) found[id] = data;
    }
    return found;
  }

  #isWhole(id: string): boolean {
    const { known, zoom, blind } = this.#viewer;
    const { data, settled, error } = known.read<TileJson>(`time plan ${id}`);
    const field = this.field(id);
    if (blind || zoom === null || !field || !settled || error || !data || this.#overfull.has(id)) return false;
    // Beside another map it may have squares for longer.
    return zoom >= known.least(id) && isWhole(data, id, field.name, zoom);
  }

  /** The map has bins of a layer where its tiles should hold every feature: the server narrows it from now on. */
  distrust(id: string): void {
    this.#overfull.add(id);
  }

  /** At another zoom there are other tiles. */
  trust(): void {
    this.#overfull.clear();
  }
}
