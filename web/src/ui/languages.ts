/** The languages that the page is written in: one file each in `messages/`, found by being there. */
import type en from "../messages/en.ts";
import type { LanguageFiles } from "./i18n.svelte.ts";

const byCode = (files: Record<string, LanguageFiles[string]>): LanguageFiles =>
  Object.fromEntries(Object.entries(files).map(([path, read]) => [path.replace(/^.*\/|\.ts$/g, ""), read]));

export const LANGUAGE_FILES = /* @__PURE__ */ byCode(import.meta.glob<{ default: typeof en }>(["../messages/*.ts", "!../messages/en.ts"]));

/** What parts that come later say: the second half of each file, which the build makes a file of its own (`web/bundle/page.ts`). */
export const LATER_FILES = byCode(import.meta.glob<{ default: typeof en }>("../messages/*.ts", { query: "?later" }));

/** The name that its speakers give a language. */
export function nameOf(code: string): string {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}
