/** The address of a widget's state: in memory, for "back" belongs to the page around. */
import type { AddressBar } from "../state/history.ts";
import { strip } from "./options.ts";

export class Kept implements AddressBar {
  #address: string;
  /** Called when the state says another address. */
  changed: () => void = () => undefined;

  constructor(search: string, hash: string) {
    this.#address = search + hash;
  }

  read(): { search: string; hash: string } {
    const [search, ...rest] = this.#address.split("#");
    return { search: search!, hash: rest.length ? `#${rest.join("#")}` : "" };
  }

  push(address: string): void {
    this.#address = address;
    this.changed();
  }

  replace(address: string): void {
    this.push(address);
  }

  /** Another state from outside, which the state is to read next; the language stays the page's. */
  set(query: string): void {
    const [search, ...rest] = query.split("#");
    const said = strip(search!.replace(/^[^?]*\?/, ""));
    this.#address = said + (rest.length ? `#${rest.join("#")}` : "");
  }
}
