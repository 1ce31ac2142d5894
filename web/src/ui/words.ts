import { page, type Words } from "./i18n.svelte.ts";

export const nounOf: Words["nounOf"] = (layer, count) => page.words.nounOf(layer, count);
