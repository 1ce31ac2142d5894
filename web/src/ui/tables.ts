/**
 * Tables of messages that one tool alone says: they stand beside the page's own in the files of messages, and are fetched
 * with the tool. Each tool names its files itself, for the bundler reads the names:
 * `import.meta.glob("../messages/*.ts", { query: "?charts", import: "charts" })`.
 */
import type { Words } from "./i18n.svelte.ts";

/** A table in another language has the keys of the English one. */
export type Table<English> = Record<keyof English, string>;
export type Say<English> = (key: keyof English, values?: Record<string, string | number>) => string;

/** In this language, or in English where it cannot be had. */
export async function readTable<English>(
  words: Words,
  code: string,
  files: Record<string, () => Promise<Table<English>>>,
): Promise<Say<English>> {
  const read = files[`../messages/${code}.ts`] ?? files["../messages/en.ts"]!;
  const table = await read();
  return (key, values = {}) =>
    table[key].replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? "";
      return typeof value === "number" ? words.formatNumber(value) : value;
    });
}
