/** The languages that the page is written in: one file each in `messages/`, found by being there. */
import en from "../messages/en.ts";
import type { LanguageFiles } from "./i18n.svelte.ts";

export const LANGUAGE_FILES: LanguageFiles = Object.fromEntries(
  Object.entries(import.meta.glob<{ default: typeof en }>(["../messages/*.ts", "!../messages/en.ts"])).map(([path, read]) => [
    path.replace(/^.*\/|\.ts$/g, ""),
    read,
  ]),
);

/** By code the name that its speakers give it. */
export const LANGUAGES: Record<string, string> = Object.fromEntries(
  ["en", ...Object.keys(LANGUAGE_FILES)].sort().map((code) => [code, nameOf(code)]),
);

function nameOf(code: string): string {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}
