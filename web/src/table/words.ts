/** What the page says about rows in a table, fetched with the first look at one. */
import type { rows as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type RowWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<RowWords>("../messages/*.ts", { query: "?rows", import: "rows" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
