/** What the page says about a map that was frozen. */
import type { frozen as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";
import { readTable, type Say as SayOf, type Table } from "../ui/tables.ts";

export type FrozenWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const FILES = import.meta.glob<FrozenWords>("../messages/*.ts", { query: "?frozen", import: "frozen" });

export const readWords = (words: Words, code: string): Promise<Say> => readTable(words, code, FILES);
