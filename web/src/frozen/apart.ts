/** A frozen map that is read in a thread of its own; in the page's, where a browser gives it no other one. */
import type { FrozenMap } from "./open.ts";
import type { Reply, Wish } from "./worker.ts";

type Told = Exclude<Reply, { error: string }>;
type Asked<T> = T extends { number: number } ? Omit<T, "number"> : never;

class Thread {
  #worker: Worker;
  #number = 0;
  #waiting = new Map<number, [take: (reply: Told) => void, fail: (error: unknown) => void]>();

  constructor() {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const [take, fail] = this.#waiting.get(data.number)!;
      this.#waiting.delete(data.number);
      if ("error" in data) fail(new Error(data.error));
      else take(data);
    };
    this.#worker.onerror = () => {
      for (const [, fail] of this.#waiting.values()) fail(new NoThreadError());
      this.#waiting.clear();
    };
  }

  ask(wish: Asked<Wish>): Promise<Told> {
    const number = (this.#number += 1);
    return new Promise((take, fail) => {
      this.#waiting.set(number, [take, fail]);
      this.#worker.postMessage({ number, ...wish });
    });
  }
}

class NoThreadError extends Error {}

/** Throws where there is no frozen map. */
export async function openApart(root: string): Promise<FrozenMap> {
  try {
    const thread = new Thread();
    const told = (await thread.ask({ root })) as Extract<Told, { opened: unknown }>;
    return {
      ...told.opened,
      root,
      fetch: async (input) => {
        const { status, type, body } = (await thread.ask({ ask: String(input) })) as Extract<Told, { body: string }>;
        return new Response(body || null, { status, headers: { "Content-Type": type } });
      },
      tile: async (url) => ((await thread.ask({ tile: url })) as Extract<Told, { tile: unknown }>).tile,
    };
  } catch (error) {
    if (!(error instanceof NoThreadError || error instanceof DOMException)) throw error;
    const [{ openFrozen }, { sayTruth }] = await Promise.all([import("./open.ts"), import("./truth.ts")]);
    return openFrozen(root, fetch, sayTruth);
  }
}
