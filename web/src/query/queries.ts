/**
 * The one cache through which everything is asked: equal questions share one request, a request that nobody waits for any
 * more is broken off, answers are kept for a while and in number, and what failed for want of an answer is tried again.
 */
import { QueryClient, QueryObserver, type QueryObserverOptions } from "@tanstack/query-core";
import { Presence } from "./presence.svelte.ts";
import { ApiError, type Ask } from "./server.ts";

/** Answers kept; beyond it those go first that nobody looks at. */
const MOST = 300;
const KEEP = 5 * 60_000;
/** Milliseconds until a failed question is asked again: the first time, and at most. */
const FIRST_RETRY = 1_000;
const LAST_RETRY = 30_000;
/** Milliseconds that a server has to say that it is there. */
const PATIENCE = 10_000;

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
}

export class Queries {
  #client = new QueryClient({ defaultOptions: { queries: { networkMode: "always", retry: false, staleTime: Infinity, gcTime: KEEP } } });
  #options: Options;
  /** Whether the server is there; what got no answer is asked again when it is. */
  readonly presence = new Presence(() => this.#isThere());

  constructor(options: Options) {
    this.#options = options;
    this.#client.mount();
    this.presence.onAnswer(() => {
      void this.#client.refetchQueries({ type: "active", predicate: ({ state }) => (state.error as ApiError | null)?.unanswered ?? false });
    });
    const cache = this.#client.getQueryCache();
    cache.subscribe((event) => {
      if (event.type !== "added" || cache.getAll().length <= MOST) return;
      const idle = cache.getAll().filter((query) => !query.isActive() && query !== event.query);
      idle.sort((a, b) => a.state.dataUpdatedAt - b.state.dataUpdatedAt);
      for (const query of idle.slice(0, cache.getAll().length - MOST)) cache.remove(query);
    });
  }

  /** Answers kept, asked or not. */
  get size(): number {
    return this.#client.getQueryCache().getAll().length;
  }

  /** Ask, and tell each answer until `stop`; the first one at once when it is known. */
  watch<T>(ask: Ask<T>, tell: (answer: Answer<T>) => void): Watch<T> {
    const observer = new QueryObserver<T, ApiError>(this.#client, this.#describe(ask));
    const show = ({ data, error, fetchStatus }: Shown<T>): void => tell({ data, error, busy: fetchStatus === "fetching" });
    const unsubscribe = observer.subscribe(show);
    show(observer.getCurrentResult());
    return {
      change: (next) => {
        observer.setOptions(this.#describe(next));
        show(observer.getCurrentResult());
      },
      retry: () => void observer.refetch(),
      stop: unsubscribe,
    };
  }

  /** Forget everything; requests on their way are broken off. */
  close(): void {
    this.presence.close();
    void this.#client.cancelQueries();
    this.#client.clear();
    this.#client.unmount();
  }

  #describe<T>(ask: Ask<T>): QueryObserverOptions<T, ApiError> {
    return {
      queryKey: [ask.address, ask.version],
      queryFn: ({ signal }) => this.#read(ask, signal),
      ...(ask.again && { staleTime: ask.again / 2, refetchOnWindowFocus: true }),
      refetchInterval: ({ state }) => {
        if (state.status !== "error") return ask.again ?? false;
        // What got no answer waits until the server is there.
        return state.error?.refused || state.error?.unanswered
          ? false
          : Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(state.errorUpdateCount - 1, 10));
      },
    };
  }

  /** Read an answer of our own server; `ApiError` on anything but 2xx, and an abort passes through. */
  async #read<T>(ask: Ask<T>, signal: AbortSignal): Promise<T> {
    try {
      return await this.#fetch(ask, signal);
    } catch (error) {
      if (error instanceof ApiError && error.unanswered) this.presence.doubt();
      throw error;
    }
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

  async #fetch<T>(ask: Ask<T>, signal: AbortSignal): Promise<T> {
    const told = this.#options.told?.get(ask.address);
    if (told !== undefined) {
      this.#options.told!.delete(ask.address);
      return ask.read(told);
    }
    let response: Response;
    let text: string;
    try {
      const address = new URL(ask.address, this.#options.root).href;
      response = await this.#options.fetch.call(undefined, address, { signal, headers: { Accept: "application/json" } });
      text = await response.text();
    } catch (error) {
      if (signal.aborted) throw error;
      throw new ApiError(0, "no answer");
    }
    if (!response.ok) throw readProblem(response, text);
    try {
      return ask.read(text);
    } catch {
      // Half an answer, or that of something between us and the server.
      throw new ApiError(0, "no answer that can be read");
    }
  }
}

type Shown<T> = { data: T | undefined; error: ApiError | null; fetchStatus: string };

function readProblem(response: Response, text: string): ApiError {
  let problem: { detail?: string; title?: string; parameter?: string } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Not every proxy answers in JSON.
  }
  return new ApiError(response.status, problem.detail ?? problem.title ?? response.statusText, problem.parameter ?? null);
}
