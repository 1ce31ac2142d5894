/**
 * What a widget and the page around it say to each other. Everything that is told is public, for the widget asks for nothing
 * by its reader's name; and what it is told changes nothing but what it shows.
 */
import type { Scalar } from "../query/types.ts";

export interface Told {
  ready: Record<string, never>;
  height: { height: number };
  change: { query: string; filters: Record<string, string>; counts: Record<string, number> };
  select: { layer: string; fid: number; properties: Record<string, Scalar> } | null;
}

/** Who is around the widget: its own window where there is nobody. */
export interface Around {
  parent: { postMessage: (message: unknown, target: string) => void };
}

const OURS = "city-map";

export class Messages {
  #id: string;
  #around: Around;
  #last = new Map<string, string>();

  constructor(id: string, around: Around) {
    this.#id = id;
    this.#around = around;
  }

  /** Tell what has changed since it was told the last time. */
  tell<Event extends keyof Told>(event: Event, detail: Told[Event]): void {
    const text = JSON.stringify(detail);
    if (this.#last.get(event) === text) return;
    this.#last.set(event, text);
    this.#post({ source: OURS, id: this.#id, event, detail });
  }

  /** Pixels that the widget would like to be high: in our own words, in Datawrapper's, and in those of AMP. */
  tellHeight(height: number): void {
    this.tell("height", { height });
    if (this.#id) this.#post({ "datawrapper-height": { [this.#id]: height } });
    this.#post({ sentinel: "amp", type: "embed-size", height });
  }

  #post(message: unknown): void {
    if ((this.#around.parent as unknown) !== this.#around) this.#around.parent.postMessage(message, "*");
  }
}
