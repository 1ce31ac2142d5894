/** What the page says about sharing a map, fetched with the dialog. */
import type { sharing as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type ShareWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<ShareWords>("../messages/*.ts", { query: "?sharing", import: "sharing" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
