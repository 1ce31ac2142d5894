/** Hands a map's state down to the components that show it: each map on a page has a state of its own. */
import { createContext } from "svelte";
import type { MapState } from "./map-state.svelte.ts";

export const [getMapState, setMapState] = createContext<MapState>();
