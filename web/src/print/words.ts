/** What the page says about printing, fetched with the dialog. */
import type { printing as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type PrintWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<PrintWords>("../messages/*.ts", { query: "?printing", import: "printing" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
