/** The languages that the page is written in: one file each in `messages/`, found by being there. */
import type en from "../messages/en.ts";
import type { LanguageFiles } from "./i18n.svelte.ts";

export const LANGUAGE_FILES: LanguageFiles = Object.fromEntries(
  Object.entries(import.meta.glob<{ default: typeof en }>(["../messages/*.ts", "!../messages/en.ts"])).map(([path, read]) => [
    path.replace(/^.*\/|\.ts$/g, ""),
    read,
  ]),
);

/** The name that its speakers give a language. */
export function nameOf(code: string): string {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}
