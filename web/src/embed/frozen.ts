/** The widget over a frozen map, fetched when one is asked for: its folder in the server's place. */
import { complete } from "../frozen/manifest.ts";
import { openFrozen, type FrozenMap } from "../frozen/open.ts";
import { serveTiles } from "../frozen/protocol.ts";
import { sayTruth } from "../frozen/truth.ts";
import Dated from "./Dated.svelte";

/** In the name of nobody, as the widget itself asks. */
export const ask: typeof fetch = (address, init) => fetch(address, { ...init, credentials: "omit" });

export interface Opened {
  map: FrozenMap;
  /** The state to begin with. */
  search: string;
  /** What says of when its data are. */
  Dated: typeof Dated;
}

/** Throws where its folder cannot be had: what the server has put into the page stands. */
export async function openMap(id: string, search: string): Promise<Opened> {
  const map = await openFrozen(new URL(`frozen/${encodeURIComponent(id)}/`, document.baseURI).href, ask, sayTruth);
  serveTiles(map);
  return { map, search: complete(search, map.manifest), Dated };
}
