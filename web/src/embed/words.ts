/** What a widget says beside the page's own words: the server tells it within the page, for it is said at once. */
import type { embed as english } from "../messages/en.ts";
import type { Say as SayOf, Table } from "../ui/tables.ts";

export type EmbedWords = Table<typeof english>;
export type Say = SayOf<typeof english>;

export function readWords(document: ParentNode): Say {
  const block = document.querySelector("script[data-words]");
  const table = JSON.parse(block?.textContent ?? "{}") as Partial<EmbedWords>;
  return (key, values = {}) => (table[key] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
