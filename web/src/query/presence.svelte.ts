/**
 * Whether the server is there. When something got no answer, one small question is asked now and then until it is answered;
 * then whoever wants to know is told, and asks again what failed.
 */

/** Milliseconds until the question is asked again: the first time, and at most. */
const FIRST = 1_000;
const LAST = 15_000;
/** So long after an answer a new doubt is a new trouble. */
const CALM = 60_000;

/** Whether the status of an answer says: the server, or what it needs, is not there for the moment. 0 is no answer at all. */
export const isAway = (status: number): boolean => [0, 502, 503, 504].includes(status);

export class Presence {
  gone = $state(false);
  #ask: () => Promise<boolean>;
  #told = new Set<() => void>();
  /** Asked, or to be asked. */
  #doubting = false;
  #asking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #answered = 0;

  /** Something got no answer, and it is not known yet, or known, that nobody is there. */
  get doubted(): boolean {
    return this.#doubting;
  }

  /** `ask` puts the question; true for an answer. */
  constructor(ask: () => Promise<boolean>) {
    this.#ask = ask;
  }

  /** Something got no answer: is anybody there? */
  doubt(): void {
    if (this.#doubting) return;
    this.#doubting = true;
    if (Date.now() - this.#answered > CALM) this.#tries = 0;
    this.#wait();
  }

  /** Wait no longer: the network is back, or somebody looks at the page again. */
  hurry(): void {
    if (this.#doubting && !this.#asking) void this.#look();
  }

  /** Tell when the server has answered after a doubt; gives what ends that. */
  onAnswer(tell: () => void): () => void {
    this.#told.add(tell);
    return () => this.#told.delete(tell);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#told.clear();
    this.#doubting = false;
  }

  #wait(): void {
    const wait = this.#tries ? Math.min(LAST, FIRST * 2 ** (this.#tries - 1)) : 0;
    this.#tries += 1;
    // Pages that lost one server do not all come back in the same moment.
    this.#timer = setTimeout(() => void this.#look(), wait * (0.5 + Math.random() / 2));
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    // A page that nobody sees waits until somebody does.
    if (globalThis.document?.hidden) return;
    this.#asking = true;
    const answered = await this.#ask();
    this.#asking = false;
    if (!this.#doubting) return;
    this.gone = !answered;
    if (!answered) {
      this.#wait();
      return;
    }
    this.#doubting = false;
    this.#answered = Date.now();
    for (const tell of this.#told) tell();
  }
}
