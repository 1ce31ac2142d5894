/**
 * The other map of a comparison as a part of the page's address: `compare=side|swipe`, and its own parameters as
 * `compare.layers=`, `compare.filter.LAYER=`, `compare.time=`, `compare.area=`. What is told of the page, such as its tab and
 * its language, both maps share. `compare=` alone asks for a copy of the first map.
 */
import { parseAddress, writePairs } from "../state/address.ts";
import type { AddressBar } from "../state/history.ts";
import type { MapState } from "../state/map-state.svelte.ts";

export type Mode = "side" | "swipe";
type Pair = [name: string, value: string];

const OWN = "compare.";
const SHARED = ["v", "tab", "bar", "of", "chart", "sort", "columns", "base", "lang"];

const pairsOf = (query: string): Pair[] => [...new URLSearchParams(query)];
const split = (link: string): { search: string; hash: string } => new URL(link, "http://page");

/** Null where the reader has not chosen. */
export function modeOf(compared: string): Mode | null {
  const said = new URLSearchParams(compared).get("compare");
  return said === "side" || said === "swipe" ? said : null;
}

/** The address of the other map, from that of the page. */
export function readOther(link: string): { search: string; hash: string } {
  const { search, hash } = split(link);
  const { compare } = parseAddress(search, "");
  const page = pairsOf(search).filter(([name]) => !/^compare(\.|$)/.test(name));
  const pairs = pairsOf(compare);
  const own = pairs.flatMap(([name, value]): Pair[] => (name.startsWith(OWN) ? [[name.slice(OWN.length), value]] : []));
  const copies = !own.length && modeOf(compare) === null;
  const layers = own.some(([name]) => name === "layers");
  // Without a word of its own it has the layers of the first.
  const taken = page.filter(([name]) => SHARED.includes(name) || (copies && name !== "select") || (name === "layers" && !layers));
  return { search: `?${writePairs([...taken, ...own]).slice(1)}`, hash };
}

/** What the page's address says of the other map, from the addresses of both. */
export function writeOther(mode: Mode, other: string, page: string): string {
  const said = new URLSearchParams(split(page).search);
  const own = pairsOf(split(other).search).filter(
    ([name, value]) => !SHARED.includes(name) && !(name === "layers" && said.get(name) === value),
  );
  return writePairs([["compare", mode], ...own.map(([name, value]): Pair => [OWN + name, value])]);
}

/** Keeps the other map's address within that of the page. */
export class OtherBar implements AddressBar {
  #page: MapState;
  #mode: () => Mode;

  constructor(page: MapState, mode: () => Mode) {
    this.#page = page;
    this.#mode = mode;
  }

  read(): { search: string; hash: string } {
    return readOther(this.#page.link);
  }

  push(address: string): void {
    this.#write(address, true);
  }

  replace(address: string): void {
    this.#write(address, false);
  }

  #write(address: string, step: boolean): void {
    const { tab, subject: of, bar, chart, sort, columns, base, language } = parseAddress(split(address).search, "");
    Object.assign(this.#page, { tab, of, bar, chart, sort, columns, base, language });
    this.#page.compare(writeOther(this.#mode(), address, this.#page.link), step);
  }
}
