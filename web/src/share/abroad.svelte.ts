/** What is pasted speaks the language that is chosen for it, whichever the page is read in. */
import { untrack } from "svelte";
import type { MapState } from "../state/map-state.svelte.ts";
import { readWords, type Say } from "./words.ts";

export interface Speaker {
  viewer: MapState;
  say: Say;
}

export class Abroad {
  #home: Speaker;
  /** The page's map once more, in another language, as soon as its words are there. */
  #other = $state.raw<Speaker | null>(null);

  constructor(home: Speaker) {
    this.#home = home;
  }

  /** Who speaks: until all is known in another language, it is the page itself. */
  get speaker(): Speaker {
    const other = this.#other?.viewer;
    return other?.on.length && other.on.every((id) => other.known.detail(id)) ? this.#other! : this.#home;
  }

  /** Speak this language from now on; what is given back ends it. */
  speak(code: string): () => void {
    return untrack(() => {
      this.#other = null;
      const { viewer } = this.#home;
      if (code === viewer.words.code) return () => undefined;
      const { search } = new URL(viewer.shared, location.href);
      const twin = viewer.twin({ read: () => ({ search, hash: "" }), push: () => undefined, replace: () => undefined });
      // Nobody looks at it.
      [twin.blind, twin.listed, twin.language] = [true, false, code];
      let ended = false;
      void Promise.all([readWords(twin.words, code), twin.words.useAll()]).then(
        ([say]) => {
          if (!ended) this.#other = { viewer: twin, say };
        },
        () => undefined, // the page's own words stay
      );
      return () => {
        ended = true;
        this.#other = null;
        twin.close();
      };
    });
  }
}
