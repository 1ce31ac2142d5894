/** Where a state's address is kept: in the address bar for the page's own map, nowhere for a second one beside it. */

export interface AddressBar {
  read(): { search: string; hash: string };
  /** Another step that "back" undoes. */
  push(address: string): void;
  replace(address: string): void;
}

/** Steps of the page's own from the one that it was opened on. */
const stepOf = (): number => (history.state as { step?: number } | null)?.step ?? 0;

class PageBar implements AddressBar {
  #step = stepOf();

  read(): { search: string; hash: string } {
    return location;
  }

  push(address: string): void {
    this.#step += 1;
    history.pushState({ step: this.#step }, "", address);
  }

  replace(address: string): void {
    history.replaceState({ step: this.#step }, "", address);
  }

  /** The browser is at another step: whether it lies before the one where it was. */
  wentBack(): boolean {
    const before = this.#step;
    this.#step = stepOf();
    return this.#step < before;
  }

  /** The browser is at an address that was typed or pasted, which is a step of its own ahead of the one where it was. */
  wasTyped(): boolean {
    if (history.state !== null) return false;
    this.#step += 1;
    this.replace(location.href);
    return true;
  }

  /** Go on to the step before this one. */
  back(): void {
    history.back();
  }
}

export const addressBar = new PageBar();
