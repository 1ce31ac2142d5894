/**
 * Changes of layers as the server tells them, at once: one stream for all layers that a page shows, while somebody looks.
 * The catalogue, which is asked now and then anyway, stays what the page goes by; here it is asked as soon as it is old.
 */
import type { Presence } from "./presence.svelte.ts";
import { isNewer } from "./version.ts";

/** Milliseconds until a stream is opened: layers are switched on and off in a row. */
const PATIENCE = 500;
/** The same until a lost or refused one is opened again, at first and at most; after a long life it is as at first. */
const FIRST = 2_000;
const LAST = 120_000;
const LONG = 60_000;
/** Within so many milliseconds all who hear of a change come to ask. */
const SPREAD = 800;
/** How often it is asked for an answer that is as new as what was told: there may be several workers, and one behind. */
const TRIES = 5;
/** As many as the server tells of in one stream. */
const MOST = 50;

export interface Followed {
  root: string;
  layers: string[];
  presence: Presence;
  /** The version of a layer that the page goes by. */
  known: (layer: string) => string | undefined;
  /** Ask the catalogue. */
  look: () => void;
}

interface Told {
  layer: string;
  version: string;
}

/** Follow until what is given back is called. */
export function follow({ root, layers, presence, known, look }: Followed): () => void {
  const address = new URL(`api/changes?layers=${layers.slice(0, MOST).map(encodeURIComponent).join(",")}`, root).href;
  const wanted = new Map<string, { version: string; tries: number }>();
  let source: EventSource | null = null;
  let opening: ReturnType<typeof setTimeout> | undefined;
  let looking: ReturnType<typeof setTimeout> | undefined;
  let wait = FIRST;
  let opened = 0;

  function hear({ layer, version }: Told): void {
    if (!isNewer(version, known(layer))) return;
    wanted.set(layer, { version, tries: TRIES });
    looking ??= setTimeout(ask, Math.random() * SPREAD);
  }

  function ask(): void {
    for (const [layer, one] of wanted) {
      if (isNewer(one.version, known(layer)) && one.tries > 0) one.tries -= 1;
      else wanted.delete(layer);
    }
    looking = wanted.size ? setTimeout(ask, FIRST) : undefined;
    if (wanted.size) look();
  }

  function open(): void {
    clearTimeout(opening);
    opening = undefined;
    if (source || document.hidden) return;
    opened = Date.now();
    source = new EventSource(address);
    source.addEventListener("state", ({ data }) => (JSON.parse(data as string) as { layers: Told[] }).layers.forEach(hear));
    source.addEventListener("change", ({ data }) => hear(JSON.parse(data as string) as Told));
    source.addEventListener("error", () => {
      close();
      if (Date.now() - opened > LONG) wait = FIRST;
      // Pages that lost one server do not all come back in the same moment.
      opening = setTimeout(open, wait * (0.5 + Math.random()));
      wait = Math.min(2 * wait, LAST);
    });
  }

  function close(): void {
    source?.close();
    source = null;
    clearTimeout(opening);
    opening = undefined;
  }

  const see = (): void => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", see);
  const forget = presence.onAnswer(() => opening !== undefined && open());
  opening = setTimeout(open, PATIENCE);
  return () => {
    close();
    clearTimeout(looking);
    document.removeEventListener("visibilitychange", see);
    forget();
  };
}
