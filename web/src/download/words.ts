/** What the page says about files, fetched with the first look at a download. */
import type { downloads as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type DownloadWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<DownloadWords>("../messages/*.ts", { query: "?downloads", import: "downloads" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
