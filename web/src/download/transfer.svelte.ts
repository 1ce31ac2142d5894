/** A file on its way to the reader: fetched by the page, which tells how far it is, or handed to the browser where it is large. */
import type { MapState } from "../state/map-state.svelte.ts";

/** Bytes up to which the page fetches a file itself: it lies in memory until it is whole. A larger one goes to the disk at once. */
const LARGEST = 40_000_000;
/** Milliseconds until the browser has taken over what it was given. */
const KEPT = 60_000;

export type Stage = "waiting" | "running" | "done" | "handed" | "stopped" | "busy" | "unavailable" | "refused" | "broken" | "unanswered";

export interface File {
  /** Of which offer it is. */
  offer: string;
  address: string;
  name: string;
  /** About how many bytes, where that is known. */
  about: number | null;
}

export class Transfer {
  readonly file: File;
  stage = $state<Stage>("waiting");
  /** Bytes that are there. */
  got = $state(0);
  /** Bytes that there will be, where the server says so. */
  total = $state<number | null>(null);
  /** Seconds after which to ask again. */
  wait = $state(0);
  /** Why the server refused, in its own words. */
  reason = $state("");
  #flight = new AbortController();

  constructor(file: File) {
    this.file = file;
  }

  get moving(): boolean {
    return this.stage === "waiting" || this.stage === "running";
  }

  async start(): Promise<void> {
    const whole = (this.file.about ?? Infinity) <= LARGEST;
    try {
      // The browser does not say what the server refuses, so that is asked before it is sent there.
      const response = await fetch(this.file.address, { method: whole ? "GET" : "HEAD", signal: this.#flight.signal });
      if (!response.ok) await this.#refuse(response);
      else if (whole) await this.#receive(response);
      else {
        save(this.file.address, this.file.name);
        this.stage = "handed";
      }
    } catch {
      if (this.#flight.signal.aborted) this.stage = "stopped";
      // What breaks off is no whole file, and nobody is to take it for one.
      else this.stage = this.stage === "running" ? "broken" : "unanswered";
    }
  }

  stop(): void {
    this.#flight.abort();
  }

  async #receive(response: Response): Promise<void> {
    const { headers, body } = response;
    const length = Number(headers.get("Content-Length"));
    // What is packed on its way has another length than what comes out.
    if (length && !headers.get("Content-Encoding")) this.total = length;
    this.stage = "running";
    const blocks: Uint8Array<ArrayBuffer>[] = [];
    for (const reader = body!.getReader(); ;) {
      const { value, done } = await reader.read();
      if (done) break;
      blocks.push(value);
      this.got += value.length;
    }
    const url = URL.createObjectURL(new Blob(blocks, { type: headers.get("Content-Type") ?? "" }));
    save(url, this.file.name);
    setTimeout(() => URL.revokeObjectURL(url), KEPT);
    this.stage = "done";
  }

  async #refuse(response: Response): Promise<void> {
    const problem = (await response.json().catch(() => ({}))) as { detail?: string };
    this.reason = problem.detail ?? response.statusText;
    this.wait = Number(response.headers.get("Retry-After")) || 10;
    this.stage = response.status === 429 ? "busy" : response.status >= 500 ? "unavailable" : "refused";
  }
}

function save(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

/** The latest transfer of each layer, also while its part of the page is closed. */
export class Transfers {
  #latest = $state.raw<Record<string, Transfer>>({});
  static #known = new WeakMap<MapState, Transfers>();

  /** Those of a map. */
  static of(viewer: MapState): Transfers {
    const known = Transfers.#known.get(viewer) ?? new Transfers();
    Transfers.#known.set(viewer, known);
    return known;
  }

  latest(layer: string): Transfer | undefined {
    return this.#latest[layer];
  }

  start(layer: string, file: File): void {
    const transfer = new Transfer(file);
    this.#latest = { ...this.#latest, [layer]: transfer };
    void transfer.start();
  }
}
