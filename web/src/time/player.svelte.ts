/** Plays the map through time, step by step: each is drawn before the next one is shown, and the next one's tiles are asked for meanwhile. */
import { tick } from "svelte";
import { listTiles } from "../map/ahead.ts";
import { untilDrawn, viewOf } from "../map/narrowing.ts";
import { buildStyle } from "../map/style.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { chooseUnit, countSteps, numberOf, stepAt, type Span, type Unit } from "./steps.ts";
import type { Course, Times } from "./times.svelte.ts";

/** Steps a second. */
export const SPEEDS = [0.5, 1, 2, 4, Infinity] as const;
/** Steps of which tiles are asked for ahead. */
const AHEAD = 2;
/** Tiles whose addresses are remembered; the browser keeps what they hold. */
const MOST_WARM = 500;
/** Milliseconds in which the browser has a tile without asking whether it has changed. */
const KEPT = 8_000;
/** Milliseconds until it is looked again whether the server is back. */
const AGAIN = 100;

const isSame = (a: Span | null, b: { from: string | null; to: string | null } | null): boolean =>
  a !== null && b !== null && a.from === b.from && a.to === b.to;

const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));
const sleep = (milliseconds: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Player {
  #viewer: MapState;
  #times: Times;
  running = $state(false);
  /** Null follows what is played. */
  unit = $state<Unit | null>(null);
  speed = $state<number>(1);
  /** Of the course, the step that is shown. */
  #place = -1;
  /** Each run has a number: one that was stopped does not go on beside the next. */
  #run = 0;
  #warm = new Map<string, { at: number; read: Promise<unknown> }>();

  constructor(viewer: MapState, times: Times) {
    this.#viewer = viewer;
    this.#times = times;
  }

  /** The window, as far as its ends are on the axis. */
  get #window(): Span | null {
    const { window } = this.#viewer;
    const { span } = this.#times;
    return window && span && { from: window.from ?? span.from, to: window.to ?? span.to };
  }

  /** What would be played now: the window where it has several steps, else all times. */
  get course(): Course | null {
    const { course, span } = this.#times;
    if (course && this.#isOn) return course;
    const window = this.#window;
    if (!span) return null;
    if (window && window.from <= window.to) {
      const unit = this.unit ?? chooseUnit(window);
      if (countSteps(unit, window) > 1) return { span: window, unit };
    }
    return { span, unit: this.unit ?? chooseUnit(span) };
  }

  /** The window is the step that was shown last. */
  get #isOn(): boolean {
    const { course } = this.#times;
    const fits = course !== null && (this.unit === null || this.unit === course.unit);
    return fits && this.#place >= 0 && isSame(stepAt(course.unit, course.span, this.#place), this.#viewer.window);
  }

  /** Begin a course, or go on with it. False where there is nothing to play. */
  #prepare(): boolean {
    const { course } = this;
    if (!course) return false;
    if (course === this.#times.course && this.#isOn) return true;
    const { window } = this.#viewer;
    this.#times.course = course;
    // From a window of one step, on to the next one.
    const at =
      window?.from && !isSame(course.span, window) ? numberOf(course.unit, window.from) - numberOf(course.unit, course.span.from) : -1;
    this.#place = Math.max(-1, Math.min(at, countSteps(course.unit, course.span) - 1));
    return true;
  }

  get #last(): number {
    const { unit, span } = this.#times.course!;
    return countSteps(unit, span) - 1;
  }

  #stepAt(place: number): Span {
    const { unit, span } = this.#times.course!;
    return stepAt(unit, span, place);
  }

  async play(): Promise<void> {
    if (this.running || !this.#prepare()) return;
    const run = (this.#run += 1);
    this.running = true;
    if (this.#place >= this.#last) this.#place = -1;
    const goesOn = (): boolean => this.running && this.#run === run;
    this.#look(this.#place + 1);
    // What is known until then are the steps of the course before.
    await tick();
    while (goesOn() && !this.#times.counted) await frame();
    for (let first = true; goesOn(); first = false) {
      const began = performance.now();
      const step = this.#show(this.#place + 1, first);
      this.#hurry(this.speed > 1);
      await this.#drawn(goesOn);
      await Promise.all([sleep(1000 / this.speed - (performance.now() - began)), this.#warmed(goesOn)]);
      // Of a server that is gone the map would have nothing to show.
      while (goesOn() && this.#viewer.known.presence.gone) await sleep(AGAIN);
      // Somebody else has chosen another time meanwhile, or went back.
      if (this.#viewer.window !== step) return this.#end(run);
      if (this.#place >= this.#last) this.pause();
    }
  }

  /** Stay where it is: the step is a filter like any other. */
  pause(): void {
    if (!this.running) return;
    this.#end(this.#run);
    // Before the first step there is nothing to tell.
    if (this.#times.course && this.#isOn) this.#viewer.setWindow(this.#stepAt(this.#place), true);
  }

  #end(run: number): void {
    if (this.#run !== run) return;
    this.running = false;
    this.#hurry(false);
    this.#times.coming = [];
  }

  /** Of quick steps nobody reads which features are in view. */
  #hurry(brisk: boolean): void {
    const { map } = this.#viewer;
    if (!map || map.brisk === brisk) return;
    map.brisk = brisk;
    map.inner.triggerRepaint();
  }

  /** One step on or back. */
  move(by: 1 | -1): void {
    this.pause();
    const fresh = !this.#isOn;
    if (!this.#prepare()) return;
    const place = fresh && this.#place < 0 && by < 0 ? this.#last : this.#place + by;
    if (place < 0 || place > this.#last) return;
    this.#place = place;
    this.#viewer.setWindow(this.#stepAt(place));
  }

  /** The first step of a play is a choice, the others move it. */
  #show(place: number, first: boolean): Span {
    const step = this.#stepAt(place);
    this.#place = place;
    this.#viewer.playTo({ window: step, counts: this.#times.foretell(step) });
    if (first) this.#viewer.setWindow(step);
    this.#look(place + 1);
    return step;
  }

  /** Ask ahead for the steps from this one on. */
  #look(place: number): void {
    const ahead = Array.from({ length: Math.max(0, Math.min(AHEAD, this.#last - place + 1)) }, (_, at) => this.#stepAt(place + at));
    this.#times.coming = ahead;
  }

  /** What is shown now is on the screen; a page that nobody sees waits. */
  async #drawn(goesOn: () => boolean): Promise<void> {
    const { known, map, blind } = this.#viewer;
    await tick();
    while (goesOn() && known.drawing && !blind) await frame();
    // The map takes over a scene a moment after it is there.
    await sleep(0);
    if (goesOn() && map) await untilDrawn(map.inner);
  }

  /** The next step's tiles are in the browser. */
  async #warmed(goesOn: () => boolean): Promise<void> {
    const [next, ...later] = this.#times.coming;
    if (!next) return;
    while (goesOn() && this.#times.planOf(next) === null) await frame();
    await this.#fetch(next);
    for (const step of later) void this.#fetch(step);
  }

  async #fetch(step: Span): Promise<void> {
    const { known, map } = this.#viewer;
    const plan = this.#times.planOf(step);
    if (!plan || !map || !known.scene) return;
    const style = buildStyle({ ...known.scene, tiles: plan }, null);
    const sources = Object.fromEntries(Object.entries(style.sources).filter(([id]) => id in plan));
    await Promise.all(listTiles({ ...style, sources }, viewOf(map.inner)).map((address) => this.#read(address)));
  }

  /** What does not come the map asks for itself. */
  #read(address: string): Promise<unknown> {
    const found = this.#warm.get(address);
    const at = performance.now();
    if (found && at - found.at < KEPT) return found.read;
    const read = fetch(address)
      .then((answer) => answer.arrayBuffer())
      .catch(() => {
        this.#warm.delete(address);
        this.#viewer.known.presence.doubt();
      });
    this.#warm.set(address, { at, read });
    if (this.#warm.size > MOST_WARM) this.#warm.delete(this.#warm.keys().next().value!);
    return read;
  }
}
