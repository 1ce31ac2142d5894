/** What the page says about files: tables of their own in the files of messages, fetched with the first look at a download. */
import type { downloads as english } from "../messages/en.ts";
import type { Words } from "../ui/i18n.svelte.ts";

export type DownloadWords = Record<keyof typeof english, string>;
export type Say = (key: keyof DownloadWords, values?: Record<string, string | number>) => string;

const FILES = import.meta.glob<DownloadWords>("../messages/*.ts", { query: "?downloads", import: "downloads" });

/** In this language, or in English where it cannot be had. */
export async function readWords(words: Words, code: string): Promise<Say> {
  const read = FILES[`../messages/${code}.ts`] ?? FILES["../messages/en.ts"]!;
  const table = await read();
  return (key, values = {}) =>
    table[key].replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? "";
      return typeof value === "number" ? words.formatNumber(value) : value;
    });
}
