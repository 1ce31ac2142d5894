/** Choices of layers and of what narrows them, so that they can be taken back one by one. */
import { parseAddress, writeAddress, type Address } from "./address.ts";

/** Choices that can be taken back, at most. */
const MOST = 100;

export class Choices {
  /** The latest last. */
  #before = $state.raw<string[]>([]);
  #now = "";

  get canUndo(): boolean {
    return this.#before.length > 0;
  }

  get now(): Address {
    return parseAddress(this.#now, "");
  }

  /** It is what is chosen already. */
  has(address: Address): boolean {
    return choiceOf(address) === this.#now;
  }

  /** What is chosen where there is nothing to take back. */
  begin(address: Address): void {
    this.#now = choiceOf(address);
  }

  /** Another choice; `same`: it is still the one before, moved. */
  add(address: Address, same: boolean): void {
    const next = choiceOf(address);
    if (!same && next !== this.#now) this.#keep();
    else if (same) this.#drop(next);
    this.#now = next;
  }

  /** Back or forward led to another choice. */
  follow(address: Address): void {
    const next = choiceOf(address);
    if (!this.#drop(next) && this.#now && this.#now !== next) this.#keep();
    this.#now = next;
  }

  /** The choice before this one; null if there is none. */
  undo(): Address | null {
    const before = this.#before.at(-1);
    if (before === undefined) return null;
    this.#drop(before);
    this.#now = before;
    return parseAddress(before, "");
  }

  #keep(): void {
    this.#before = [...this.#before, this.#now].slice(-MOST);
  }

  /** Forget the latest choice if it is the one that is made again. */
  #drop(next: string): boolean {
    const again = this.#before.at(-1) === next;
    if (again) this.#before = this.#before.slice(0, -1);
    return again;
  }
}

/** Of an address what can be taken back. */
export function choiceOf(address: Address): string {
  return writeAddress({
    ...address,
    tab: null,
    subject: null,
    chart: null,
    sort: null,
    columns: null,
    bar: null,
    base: null,
    language: null,
    compare: "",
    selection: null,
    pin: null,
    camera: null,
    fragment: "",
  });
}
