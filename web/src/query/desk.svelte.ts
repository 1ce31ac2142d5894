/** What a state wants to know at the moment, each question in a place of its own, and what is known of it. */
import { untrack } from "svelte";
import { nameOf, type Answer, type Queries, type Watch } from "./queries.ts";
import type { ApiError, Ask } from "./server.ts";

/** A place for one question after another, such as the count of a layer under one filter after another. */
class Place<T> {
  /** The latest answer; of the question before while the present one is on its way, unless that one wants to be alone. */
  data = $state.raw<T>();
  error = $state.raw<ApiError | null>(null);
  /** The answer, or the error, is that of the present question. */
  settled = $state(false);
  busy = $state(true);
  ask: Ask<T>;
  #queries: Queries;
  #watch: Watch<T>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The present question is not asked yet; answers to the one before may still come. */
  #waiting = false;

  constructor(queries: Queries, ask: Ask<T>) {
    this.ask = ask;
    this.#queries = queries;
    this.#watch = queries.watch(ask, (answer) => this.#show(answer));
  }

  change(ask: Ask<T>): void {
    if (nameOf(ask) === nameOf(this.ask)) return;
    const before = this.ask;
    this.ask = ask;
    this.settled = false;
    this.busy = true;
    this.error = null;
    if (ask.alone && ask.address !== before.address) this.data = undefined;
    clearTimeout(this.#timer);
    this.#waiting = Boolean(ask.patience) && before.version === ask.version && this.data !== undefined && !this.#queries.knows(ask);
    if (this.#waiting) this.#timer = setTimeout(() => this.#ask(), ask.patience);
    else this.#ask();
  }

  #ask(): void {
    this.#waiting = false;
    this.#watch.change(this.ask);
  }

  retry(): void {
    if (this.error) this.#watch.retry();
  }

  look(): void {
    this.#watch.retry();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#watch.stop();
  }

  #show({ data, error, busy }: Answer<T>): void {
    if (this.#waiting) return;
    this.busy = true;
    // Asked once more after a failure, or for the first time: what is known stays.
    if (data === undefined && error === null) return;
    if (data !== undefined) this.data = data;
    this.error = error;
    this.settled = true;
    this.busy = busy;
  }
}

export interface Known<T> {
  readonly data: T | undefined;
  readonly error: ApiError | null;
  readonly settled: boolean;
  readonly busy: boolean;
}

const NOTHING: Known<never> = { data: undefined, error: null, settled: false, busy: false };

export class Desk {
  #queries: Queries;
  /** Another one whenever a place is made or given up; Svelte's own map would be a kilobyte that all load. */
  #places = $state.raw<ReadonlyMap<string, Place<unknown>>>(new Map());

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** What is known in a place; nothing where nothing is asked. */
  read<T>(place: string): Known<T> {
    return (this.#places.get(place) as Place<T> | undefined) ?? NOTHING;
  }

  /** Ask exactly this from now on: what is new is asked, what is no longer wanted is let go. */
  want(wanted: Map<string, Ask<unknown>>): void {
    const before = untrack(() => this.#places);
    const places = new Map<string, Place<unknown>>();
    for (const [name, place] of before) if (!wanted.has(name)) place.stop();
    for (const [name, ask] of wanted) {
      const place = before.get(name);
      place?.change(ask);
      places.set(name, place ?? new Place(this.#queries, ask));
    }
    if (places.size !== before.size || [...places.keys()].some((name) => !before.has(name))) this.#places = places;
  }

  /** Ask once more what failed, in places whose names begin so. */
  retry(prefix = ""): void {
    for (const [name, place] of this.#places) if (name.startsWith(prefix)) place.retry();
  }

  /** Ask a place's question again, whatever is known. */
  look(place: string): void {
    this.#places.get(place)?.look();
  }

  close(): void {
    this.want(new Map());
  }
}
