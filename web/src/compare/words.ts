/** What the page says about two maps, fetched with the second. */
import type { comparing as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type CompareWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<CompareWords>("../messages/*.ts", { query: "?comparing", import: "comparing" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
