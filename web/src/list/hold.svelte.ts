/** Keeps what is shown as it is while somebody uses it, whatever comes meanwhile. */
import { untrack } from "svelte";

/** Milliseconds after the last touch or turn of the wheel in which a reader still looks. */
const LINGER = 1500;

export class Hold<T> {
  #latest: () => T;
  #kept = $state.raw<{ value: T } | null>(null);
  #reasons = new Set<string>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(latest: () => T) {
    this.#latest = latest;
  }

  get shown(): T {
    return this.#kept ? this.#kept.value : this.#latest();
  }

  /** There is something newer than what is shown. */
  get stale(): boolean {
    return this.#kept !== null && this.#kept.value !== this.#latest();
  }

  hold(reason: string): void {
    clearTimeout(this.#timers.get(reason));
    if (!this.#reasons.size) untrack(() => this.renew());
    this.#reasons.add(reason);
  }

  release(reason: string): void {
    clearTimeout(this.#timers.get(reason));
    if (this.#reasons.delete(reason) && !this.#reasons.size) this.#kept = null;
  }

  /** Hold for a little while. */
  linger(reason: string): void {
    this.hold(reason);
    this.#timers.set(
      reason,
      setTimeout(() => this.release(reason), LINGER),
    );
  }

  /** Show the latest, and hold that. */
  renew(): void {
    this.#kept = { value: this.#latest() };
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}
