/** A file of the folder, read part by part where its server knows byte ranges; else it is fetched whole, once. */

/** Bytes that are asked for first; a file that is no larger has come with them. */
const FIRST = 64 * 1024;
/** A file up to this size is cheaper to have than to ask for again and again. */
const WHOLE = 2 * 1024 * 1024;

export class Bytes {
  readonly url: string;
  #fetch: typeof fetch;
  #opened: Promise<{ size: number; whole: ArrayBuffer | null }> | null = null;

  constructor(url: string, ask: typeof fetch) {
    this.url = url;
    this.#fetch = ask;
  }

  async size(): Promise<number> {
    return (await this.#open()).size;
  }

  async read(start: number, end?: number): Promise<ArrayBuffer> {
    const { size, whole } = await this.#open();
    const until = Math.min(end ?? size, size);
    if (whole) return whole.slice(start, until);
    const answer = await this.#ask(start, until);
    const data = await answer.arrayBuffer();
    return answer.status === 206 ? data : data.slice(start, until);
  }

  #open(): Promise<{ size: number; whole: ArrayBuffer | null }> {
    return (this.#opened ??= this.#look().catch((error: unknown) => {
      // What failed once may come the next time.
      this.#opened = null;
      throw error;
    }));
  }

  async #look(): Promise<{ size: number; whole: ArrayBuffer | null }> {
    const answer = await this.#ask(0, FIRST);
    const data = await answer.arrayBuffer();
    const size = Number(/\/(\d+)$/.exec(answer.headers.get("Content-Range") ?? "")?.[1] ?? data.byteLength);
    if (answer.status !== 206 || size <= data.byteLength) return { size: data.byteLength, whole: data };
    if (size > WHOLE) return { size, whole: null };
    const rest = await this.#ask(0, size);
    return { size, whole: await rest.arrayBuffer() };
  }

  async #ask(start: number, end: number): Promise<Response> {
    const answer = await this.#fetch.call(undefined, this.url, { headers: { Range: `bytes=${start}-${end - 1}` } });
    if (!answer.ok) throw new Error(`${this.url}: ${answer.status}`);
    return answer;
  }
}
