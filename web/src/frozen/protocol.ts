/** Makes MapLibre know the tiles of a frozen map. */
import { addProtocol } from "maplibre-gl";
import { PROTOCOL } from "./manifest.ts";
import type { FrozenMap } from "./open.ts";

export function serveTiles(frozen: FrozenMap): void {
  addProtocol(PROTOCOL, async ({ url }) => {
    const tile = await frozen.tile(url);
    // What MapLibre is given goes to its worker, and is gone here.
    return { data: tile.slice().buffer };
  });
}
