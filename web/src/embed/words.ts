/** What a widget says beside the page's own words: the server tells it within the page, for it is said at once. */
import type { embed as english } from "../messages/en.ts";
import type { First, Messages } from "../ui/i18n.svelte.ts";
import type { Say as SayOf, Table } from "../ui/tables.ts";

export type EmbedWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

const read = (document: ParentNode, name: string): unknown => JSON.parse(document.querySelector(`script[${name}]`)?.textContent ?? "{}");

/** What the page itself says at once, in the language of the widget. */
export const readFirst = (document: Document): First => [document.documentElement.lang, read(document, "data-first") as Messages];

export function readWords(document: ParentNode): Say {
  const table = read(document, "data-words") as Partial<EmbedWords>;
  return (key, values = {}) => (table[key] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
