/** What the page says about the time bar, fetched with it. */
import type { times as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type TimeWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<TimeWords>("../messages/*.ts", { query: "?times", import: "times" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
