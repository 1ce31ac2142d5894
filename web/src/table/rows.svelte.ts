/** The rows of a layer in an order: those that are looked at, page by page, and where in the order something stands. */
import { askMarks, askPlace, askRows, type Ordered, type Row, type RowMarks, type RowPlace } from "../query/rows.ts";
import type { Ask } from "../query/server.ts";
import type { Known } from "../query/desk.svelte.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import type { Wanted } from "../state/knowledge.svelte.ts";

/** Rows of a page. */
export const PAGE = 100;
/** Rows beyond what is seen that are fetched too. */
const BEYOND = 30;
/** Rows that the server may pass over by counting; farther down a page begins at a mark. */
const NEAR = 10_000;
/** Marks are at least so many rows apart. */
const APART = 1_000;
/** The server passes over no more than this, marks or not. */
const FARTHEST = 100_000;
/** Rows that can be chosen at once. */
export const MOST_CHOSEN = 1_000;

type Page = { features: Row[] };

/** How a page that begins with this row is asked for; null while it is not known, or where it cannot be. */
export function startOf(
  row: number,
  count: number,
  marks: Pick<Known<RowMarks>, "data" | "settled" | "error">,
): { cursor: string; offset: number } | null {
  if (count > NEAR && !marks.error) {
    if (row < APART) return { cursor: "", offset: row };
    if (!marks.settled || !marks.data) return null;
    const { every, cursors } = marks.data;
    let mark = Math.min(Math.floor(row / every), cursors.length);
    while (mark > 0 && cursors[mark - 1] === null) mark -= 1;
    const offset = row - mark * every;
    return offset > FARTHEST ? null : { cursor: mark ? cursors[mark - 1]! : "", offset };
  }
  return row > FARTHEST ? null : { cursor: "", offset: row };
}

export class Rows {
  #viewer: MapState;
  readonly #id: string;
  readonly #order: () => { sort: string; fields: string[] };
  /** First and last row that are looked at. */
  seen = $state.raw<[first: number, last: number]>([0, 0]);
  /** Rows that were chosen to be copied. */
  chosen = $state.raw<ReadonlySet<number>>(new Set());
  /** The feature of which it is asked where it stands. */
  sought = $state<number | null>(null);
  #count = 0;
  /** Rows were there to be seen; only then the marks are asked for, which takes the server longer. */
  #begun = false;

  constructor(viewer: MapState, id: string, order: () => { sort: string; fields: string[] }) {
    this.#viewer = viewer;
    this.#id = id;
    this.#order = order;
  }

  /** The same count as everywhere; the one before while a newer one is on its way. */
  readonly count: number = $derived.by(() => (this.#count = this.#viewer.known.result(this.#id)?.count ?? this.#count));

  /** Which rows these are, and in which order; and of which data, on which their numbers depend, too. */
  readonly order: string = $derived.by(() => `${this.#viewer.known.filter(this.#id)} ${this.#order().sort}`);
  readonly key: string = $derived.by(() => `${this.order} ${this.#viewer.known.asked(this.#id)?.version}`);

  readonly #ordered: Ordered | null = $derived.by(() => {
    const layer = this.#viewer.known.asked(this.#id);
    const filter = this.#viewer.known.filter(this.#id);
    return layer && filter !== null ? { layer, filter, sort: this.#order().sort } : null;
  });

  #name(part: string | number): string {
    return `${this.#id} rows ${part}`;
  }

  get #marks(): Known<RowMarks> {
    return this.#viewer.known.read(this.#name("marks"));
  }

  #page(number: number): Known<Page> {
    return this.#viewer.known.read(this.#name(number));
  }

  /** Pages of what is looked at, and of what was chosen. */
  #pages(): number[] {
    const [first, last] = this.seen;
    const end = Math.floor((this.count - 1) / PAGE);
    const pages = new Set([...this.chosen].map((row) => Math.floor(row / PAGE)));
    for (let page = Math.max(0, Math.floor((first - BEYOND) / PAGE)); page <= (last + BEYOND) / PAGE; page++) pages.add(page);
    return [...pages].filter((page) => page <= end);
  }

  /** All that is asked at the moment. */
  list(): Wanted {
    const wanted: Wanted = new Map<string, Ask<unknown>>();
    const ordered = this.#ordered;
    if (!ordered) return wanted;
    const pages = this.#pages();
    for (const page of pages) {
      const start = startOf(page * PAGE, this.count, this.#marks);
      if (start) wanted.set(this.#name(page), askRows(ordered, this.#order().fields, PAGE, start));
    }
    this.#begun ||= pages.some((page) => this.#page(page).settled) || this.seen[0] >= PAGE;
    if (this.#begun && this.count > NEAR) wanted.set(this.#name("marks"), askMarks(ordered));
    if (this.sought !== null) wanted.set(this.#name("place"), askPlace(ordered, this.sought));
    return wanted;
  }

  /** A row by its number, from 0; nothing while it is on its way. */
  at(row: number): Row | undefined {
    return this.#page(Math.floor(row / PAGE)).data?.features[row % PAGE];
  }

  /** Rows that are seen are those of a question before. */
  readonly stale: boolean = $derived.by(() => {
    const { data, settled, error } = this.#page(Math.floor(this.seen[0] / PAGE));
    return data !== undefined && (!settled || error !== null);
  });

  readonly failed: boolean = $derived.by(() => this.#pages().some((page) => this.#page(page).error !== null));

  /** What is looked at cannot be reached in this order. */
  readonly unreachable: boolean = $derived.by(() => {
    const { error, settled } = this.#marks;
    return (settled || error !== null) && startOf(Math.floor(this.seen[0] / PAGE) * PAGE, this.count, this.#marks) === null;
  });

  /** The number of the feature's row, if it is one that is at hand. */
  find(fid: number): number | null {
    for (const page of this.#pages()) {
      const { data, settled } = this.#page(page);
      const at = settled && data ? data.features.findIndex(({ id }) => id === fid) : -1;
      if (at >= 0) return page * PAGE + at;
    }
    return null;
  }

  /** Where the sought feature stands: null while it is not known, -1 where it is not among these rows. */
  readonly place: number | null = $derived.by(() => {
    const { data, settled, error } = this.#viewer.known.read<RowPlace>(this.#name("place"));
    if (this.sought === null || !settled || error || data?.fid !== this.sought) return null;
    return data.row ?? -1;
  });

  retry(): void {
    this.#viewer.known.retry(this.#id);
  }
}
