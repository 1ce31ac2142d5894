/**
 * The one cache through which everything is asked: equal questions share one request, a request that nobody waits for any
 * more is broken off, answers are kept for a while and in number, and what failed for want of an answer is tried again.
 */
import { Presence } from "./presence.svelte.ts";
import { ApiError, OURS, type Ask } from "./server.ts";

/** Answers kept; beyond it those go first that nobody looks at. */
const MOST = 300;
const KEEP = 5 * 60_000;
/** Milliseconds until a failed question is asked again: the first time, and at most. */
const FIRST_RETRY = 1_000;
const LAST_RETRY = 30_000;
/** Milliseconds that a server has to say that it is there. */
const PATIENCE = 10_000;
/** Milliseconds for an answer, longer than a server takes for one: a line may be dead without a word. */
const LONGEST = 60_000;
/** Milliseconds since the page was asked for in which what it told is as good as an answer; only then the catalogue is asked for again. */
const FRESH = 30_000;

export interface Answer<T> {
  /** Of the question itself, never of one before. */
  data: T | undefined;
  error: ApiError | null;
  /** A request is on its way. */
  busy: boolean;
}

export interface Watch<T> {
  change(ask: Ask<T>): void;
  retry(): void;
  stop(): void;
}

export interface Options {
  /** Where the page lives; addresses are relative to it. */
  root: string;
  fetch: typeof fetch;
  /** Answers that came with the page, by address; each is taken once. */
  told?: Map<string, string>;
  /** Nothing is asked again by the clock: its caller knows when something has changed. */
  still?: boolean;
}

type Tell = (answer: Answer<unknown>) => void;

/** A question, who waits for its answer, and what is known of it. */
interface Entry {
  ask: Ask<unknown>;
  tellers: Set<Tell>;
  answer: Answer<unknown>;
  /** What the data were read from: the same text leaves them the same. */
  text: string | null;
  /** When it was last answered. */
  answered: number;
  /** When an answer is no more behind than what it is asked about. */
  even: number;
  /** How often in a row it failed. */
  failures: number;
  flight: AbortController | null;
  /** Until it is asked again, or forgotten. */
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Questions of the same name have the same answer. */
export const nameOf = ({ address, version }: Ask<unknown>): string => `${address} ${version}`;
const isHidden = (): boolean => globalThis.document?.hidden ?? false;

export class Queries {
  #entries = new Map<string, Entry>();
  #options: Options;
  /** Whether the server is there; what got no answer is asked again when it is. */
  readonly presence = new Presence(() => this.#isThere());
  #look = (): void => {
    if (!isHidden()) for (const entry of this.#entries.values()) if (this.#isOld(entry)) this.#fly(entry);
  };

  constructor(options: Options) {
    this.#options = options;
    this.presence.onAnswer(() => {
      for (const entry of this.#entries.values()) if (entry.tellers.size && entry.answer.error?.unanswered) this.#fly(entry);
    });
    globalThis.document?.addEventListener("visibilitychange", this.#look);
  }

  /** An answer is there already. */
  knows(ask: Ask<unknown>): boolean {
    return this.#entries.get(nameOf(ask))?.answer.data !== undefined;
  }

  /** Answers kept, asked or not. */
  get size(): number {
    return this.#entries.size;
  }

  /** Ask, and tell each answer until `stop`; the first one at once when it is known. */
  watch<T>(ask: Ask<T>, tell: (answer: Answer<T>) => void): Watch<T> {
    // An entry holds the answers to its own question alone.
    const teller = tell as Tell;
    let entry = this.#join(ask, teller);
    return {
      change: (next) => {
        // Whoever comes back to a question before another one was asked has to hear of it again.
        if (nameOf(next) === nameOf(entry.ask)) return tell(entry.answer as Answer<T>);
        this.#leave(entry, teller);
        entry = this.#join(next, teller);
      },
      retry: () => this.#fly(entry),
      stop: () => this.#leave(entry, teller),
    };
  }

  /** Forget everything; requests on their way are broken off. */
  close(): void {
    this.presence.close();
    globalThis.document?.removeEventListener("visibilitychange", this.#look);
    for (const entry of this.#entries.values()) this.#forget(entry);
  }

  #join(ask: Ask<unknown>, tell: Tell): Entry {
    const entry = this.#entries.get(nameOf(ask)) ?? this.#open(ask);
    entry.tellers.add(tell);
    if (entry.answer.data === undefined || this.#isOld(entry)) this.#fly(entry);
    else this.#wait(entry);
    tell(entry.answer);
    return entry;
  }

  #leave(entry: Entry, tell: Tell): void {
    if (!entry.tellers.delete(tell) || entry.tellers.size) return;
    entry.flight?.abort();
    clearTimeout(entry.timer);
    if (entry.answer.data === undefined) this.#forget(entry);
    else entry.timer = setTimeout(() => this.#forget(entry), KEEP);
  }

  #open(ask: Ask<unknown>): Entry {
    const answer = { data: undefined, error: null, busy: false };
    const entry: Entry = {
      ask,
      tellers: new Set(),
      answer,
      text: null,
      answered: 0,
      even: Infinity,
      failures: 0,
      flight: null,
      timer: undefined,
    };
    this.#entries.set(nameOf(ask), entry);
    if (this.#entries.size > MOST) {
      const idle = [...this.#entries.values()].filter((other) => !other.tellers.size && other !== entry);
      idle.sort((a, b) => a.answered - b.answered);
      for (const old of idle.slice(0, this.#entries.size - MOST)) this.#forget(old);
    }
    return entry;
  }

  #forget(entry: Entry): void {
    clearTimeout(entry.timer);
    entry.flight?.abort();
    if (this.#entries.get(nameOf(entry.ask)) === entry) this.#entries.delete(nameOf(entry.ask));
  }

  /** Ask, unless that is under way. */
  #fly(entry: Entry): void {
    if (entry.flight) return;
    clearTimeout(entry.timer);
    const flight = (entry.flight = new AbortController());
    const late = setTimeout(() => {
      this.presence.doubt();
      flight.abort();
    }, LONGEST);
    const before = entry.answer;
    const started = Date.now();
    // Without data, an error is forgotten while it is tried once more.
    this.#tell(entry, { ...before, error: before.data === undefined ? null : before.error, busy: true });
    void this.#read(entry, flight.signal)
      .then(
        (data) => {
          entry.failures = 0;
          entry.answered = Date.now();
          if (started >= entry.even) entry.even = -Infinity;
          else if (entry.even === Infinity) entry.even = entry.answered + (entry.ask.behind ?? 0);
          return { data, error: null, busy: false };
        },
        (error: unknown) => {
          if (flight.signal.aborted) return { ...before, busy: false };
          entry.failures += 1;
          return { data: before.data, error: this.#judge(error), busy: false };
        },
      )
      .then((answer) => {
        clearTimeout(late);
        entry.flight = null;
        this.#tell(entry, answer);
        this.#wait(entry);
        // It was late, or somebody came back while it was broken off.
        if (flight.signal.aborted && entry.tellers.size) this.#fly(entry);
      });
  }

  #tell(entry: Entry, answer: Answer<unknown>): void {
    entry.answer = answer;
    for (const tell of [...entry.tellers]) tell(answer);
  }

  /** Ask again in a while: what changes, and what failed and may not fail the next time. */
  #wait(entry: Entry): void {
    // Nobody listens any more, and it will be forgotten in time.
    if (!entry.tellers.size) return;
    clearTimeout(entry.timer);
    const { error } = entry.answer;
    // What got no answer waits until the server is there.
    if (entry.flight || error?.unanswered) return;
    const failed = error && !error.refused;
    const wait = failed ? Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(entry.failures - 1, 10)) : this.#again(entry);
    if (wait === undefined) return;
    // Of a page that nobody sees it is old by the time that somebody does.
    entry.timer = setTimeout(() => (isHidden() ? this.#wait(entry) : this.#fly(entry)), wait);
  }

  #again({ ask, even }: Entry): number | undefined {
    if (this.#options.still) return undefined;
    return ask.behind && Number.isFinite(even) ? Math.max(0, even - Date.now()) : ask.again;
  }

  /** Whether somebody looks at it and it may be another by now. */
  #isOld(entry: Entry): boolean {
    const again = this.#again(entry);
    return entry.tellers.size > 0 && again !== undefined && entry.answered > 0 && Date.now() - entry.answered > again / 2;
  }

  #judge(error: unknown): ApiError {
    if (error instanceof ApiError) {
      if (error.unanswered) this.presence.doubt();
      return error;
    }
    // A fault of this page: to be seen where faults are looked for, and not to be tried again.
    console.error(error);
    return new ApiError(OURS, String(error));
  }

  async #isThere(): Promise<boolean> {
    try {
      const address = new URL("healthz", this.#options.root).href;
      const options: RequestInit = { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" };
      return (await this.#options.fetch.call(undefined, address, options)).ok;
    } catch {
      return false;
    }
  }

  /** Read an answer of our own server; `ApiError` on anything but 2xx, and an abort passes through. */
  async #read(entry: Entry, signal: AbortSignal): Promise<unknown> {
    const { ask } = entry;
    const text = this.#takeTold(ask.address) ?? (await this.#fetch(ask.address, signal));
    if (text === entry.text) return entry.answer.data;
    // What came with the page was told of the data before.
    if (entry.text) this.#options.told?.clear();
    try {
      const data = ask.read(text);
      if (!data) throw new SyntaxError();
      entry.text = text;
      return data;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      // Half an answer, or that of something between us and the server.
      throw new ApiError(0, "no answer that can be read");
    }
  }

  #takeTold(address: string): string | undefined {
    const told = this.#options.told?.get(address);
    this.#options.told?.delete(address);
    // Later the data may be others, and what was told of them no answer any more.
    return performance.now() < FRESH ? told : undefined;
  }

  async #fetch(asked: string, signal: AbortSignal): Promise<string> {
    const address = new URL(asked, this.#options.root).href;
    let response: Response;
    let text: string;
    try {
      response = await this.#options.fetch.call(undefined, address, { signal, headers: { Accept: "application/json" } });
      text = await response.text();
    } catch (error) {
      if (signal.aborted) throw error;
      throw new ApiError(0, "no answer");
    }
    if (!response.ok) throw readProblem(response, text);
    return text;
  }
}

function readProblem(response: Response, text: string): ApiError {
  let problem: { detail?: string; title?: string; parameter?: string } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Not every proxy answers in JSON.
  }
  return new ApiError(response.status, problem.detail ?? problem.title ?? response.statusText, problem.parameter ?? null);
}
