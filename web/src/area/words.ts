/** What the page says about areas and places, fetched with the first of them. */
import type { areas as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type AreaWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<AreaWords>("../messages/*.ts", { query: "?areas", import: "areas" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
