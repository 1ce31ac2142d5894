/** For tests: a page that speaks English. */
import type { Tongues } from "../state/map-state.svelte.ts";
import { ENGLISH } from "../ui/english.ts";

export const TONGUES: Tongues = { files: {}, preferred: [], offered: ["en"], first: ENGLISH };
