/** The language that the page brings along. */
import en from "../messages/en.ts";
import type { First } from "./i18n.svelte.ts";

export const ENGLISH: First = ["en", en];
