/** What the page says about charts, fetched with the first of them. */
import type { charts as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type ChartWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<ChartWords>("../messages/*.ts", { query: "?charts", import: "charts" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
