/** The maps of a sheet, each drawn anew for it, and again whenever what they hang on has changed. */
import { untrack } from "svelte";
import { buildStyle, markOf } from "../map/style.ts";
import type { Base } from "../state/address.ts";
import type { Scene } from "../state/knowledge.svelte.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import type { Seen, Shown } from "./content.ts";
import { DrawError, drawMap, type Drawn, type Fault } from "./draw.ts";
import { PIXELS_PER_INCH, type Dots, type Size } from "./paper.ts";

/** How all of them are to be drawn. */
export interface Wish {
  base: Base;
  dots: Dots;
  /** Of each map on the sheet, in pixels of paper. */
  box: Size;
  zoom: number;
  /** Pixels of the map in one of paper. */
  density: number;
}

type Picture = Drawn & { url: string };

/** Milliseconds in which several choices are one drawing. */
const PATIENCE = 250;

/** To be made while a component is: it lives as long. */
export class SheetMaps {
  readonly #states: readonly MapState[];
  readonly #wish: () => Wish;
  readonly #base: () => Base;
  pictures = $state.raw<readonly Picture[]>([]);
  /** What the pictures were drawn for. */
  #drawnFor = $state("");
  /** What is on the sheet's own maps: at first what is on those of the screen. */
  #seen = $state.raw<readonly Seen[]>([]);
  fault = $state<Fault | null>(null);
  /** They are drawn again when the server answers. */
  #waits = false;
  #tries = $state(0);

  readonly #scenes: (Scene | null)[] = $derived.by(() => this.#states.map((state) => this.#readScene(state)));
  /** The maps with what is seen of them. */
  readonly shown: Shown[] = $derived.by(() =>
    this.#states.map((state, index) => ({ state, seen: this.#seen[index]!, style: this.#scenes[index]?.style })),
  );
  readonly #key: string = $derived.by(() => {
    const { box, dots, base } = this.#wish();
    return `${box.width} ${box.height} ${dots} ${base} ${this.#tries}`;
  });
  /** They show what was wished, and every count is there. */
  readonly current: boolean = $derived.by(
    () =>
      this.#drawnFor === this.#key &&
      this.#scenes.every((scene) => scene !== null) &&
      !this.#states.some(({ on, known }) => on.some((id) => known.counting(id))),
  );

  /** `base` is that of the wish, which hangs on what is seen. */
  constructor(states: readonly MapState[], base: () => Base, wish: () => Wish) {
    this.#states = states;
    this.#base = base;
    this.#wish = wish;
    this.#seen = states.map(({ zoom, bins }) => ({ zoom: zoom ?? 0, bins }));
    for (const { known } of states) {
      // The sheet may be light while the page is dark.
      $effect(() =>
        known.also(() => {
          const style = known.nextStyle(base());
          return style ? new Map([["sheet style", style]]) : new Map();
        }),
      );
    }
    $effect(() => this.#follow());
    $effect(() => states[0]!.known.presence.onAnswer(() => this.fault && this.#waits && this.again()));
    $effect(() => () => this.#forget());
  }

  again(): void {
    this.#tries += 1;
  }

  #readScene({ known }: MapState): Scene | null {
    const { data, settled } = known.read<Record<string, unknown>>("sheet style");
    const { scene, drawing } = known;
    return scene && data && settled && !drawing ? { ...scene, base: this.#base(), style: data } : null;
  }

  #follow(): (() => void) | undefined {
    const [key, scenes] = [this.#key, this.#scenes];
    if (!scenes.every((scene) => scene !== null)) return undefined;
    return untrack(() => {
      this.fault = null;
      const stop = new AbortController();
      const timer = setTimeout(() => void this.#draw(key, scenes, stop.signal), PATIENCE);
      return () => {
        clearTimeout(timer);
        stop.abort();
      };
    });
  }

  async #draw(key: string, scenes: Scene[], signal: AbortSignal): Promise<void> {
    const made: Picture[] = [];
    try {
      // One after the other: each takes as much memory as its picture is fine.
      for (const [index, scene] of scenes.entries()) {
        const drawn = await this.#drawOne(this.#states[index]!, scene, signal);
        if (drawn) made.push(drawn);
      }
      if (signal.aborted) return;
      this.#forget();
      this.pictures = made.splice(0);
      this.#drawnFor = key;
      this.#seen = this.pictures.map(({ zoom, bins }) => ({ zoom, bins }));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof DrawError)) throw error;
      this.fault = error.fault;
      this.#waits = error.away;
      if (this.#waits) this.#states[0]!.known.presence.doubt();
    } finally {
      made.forEach(({ url }) => URL.revokeObjectURL(url));
    }
  }

  /** Null before there is a map on the screen. */
  async #drawOne(state: MapState, scene: Scene, signal: AbortSignal): Promise<Picture | null> {
    const { camera } = this.#states[0]!;
    if (!camera) return null;
    const { zoom, density, box, dots } = this.#wish();
    const drawn = await drawMap(
      {
        style: buildStyle(scene, markOf(state), state.marks),
        layers: state.on.filter((id) => state.layer(id)?.count !== null),
        lon: camera.lon,
        lat: camera.lat,
        zoom,
        size: { width: box.width * density, height: box.height * density },
        ratio: dots / PIXELS_PER_INCH / density,
      },
      signal,
    );
    const blob = await new Promise<Blob | null>((done) => drawn.canvas.toBlob(done));
    if (!blob) throw new DrawError("large");
    return { ...drawn, url: URL.createObjectURL(blob) };
  }

  #forget(): void {
    this.pictures.forEach(({ url }) => URL.revokeObjectURL(url));
  }
}
