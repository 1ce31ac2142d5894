/** What the page says about what it finds, fetched with the box. */
import type { finding as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type FindingWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<FindingWords>("../messages/*.ts", { query: "?finding", import: "finding" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
