/** The language of the page: which one, its messages, and numbers and dates written its way. */
import en from "../messages/en.ts";

export type MessageKey = keyof typeof en;
export type Messages = Record<MessageKey, string>;

/** A language is one file in `messages/`; this is the name that its speakers give it. */
export const LANGUAGES: Record<string, string> = {
  de: "Deutsch",
  en: "English",
  es: "Español",
  fr: "Français",
  pt: "Português",
};

const FILES = import.meta.glob<{ default: Messages }>(["../messages/*.ts", "!../messages/en.ts"]);

class Language {
  code = $state("en");
  messages = $state.raw<Messages>(en);
}

const language = new Language();

export const currentLanguage = (): string => language.code;

/** The reader's own variant of the page's language where there is one: "en-GB" for English, with its dates. */
export function locale(): string {
  return navigator.languages.find((tag) => tag.toLowerCase().split("-")[0] === language.code) ?? language.code;
}

/** The first of the wanted languages that there are messages for, else English. */
export function pickLanguage(wanted: readonly string[]): string {
  for (const tag of wanted) {
    const code = tag.toLowerCase().split("-")[0]!;
    if (Object.hasOwn(LANGUAGES, code)) return code;
  }
  return "en";
}

/** Switch the page over; a language file that cannot be had leaves English. */
export async function useLanguage(code: string): Promise<void> {
  const file = FILES[`../messages/${code}.ts`];
  try {
    language.messages = file ? (await file()).default : en;
    language.code = file ? code : "en";
  } catch {
    language.messages = en;
    language.code = "en";
  }
  document.documentElement.lang = language.code;
  document.title = language.messages.title;
}

export function t(key: MessageKey, values: Record<string, string | number> = {}): string {
  return language.messages[key].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    return typeof value === "number" ? formatNumber(value) : (value ?? "");
  });
}

export function formatNumber(value: number | bigint): string {
  const options: Intl.NumberFormatOptions = typeof value === "bigint" || Number.isInteger(value) ? {} : { maximumSignificantDigits: 4 };
  return new Intl.NumberFormat(locale(), options).format(value);
}

/** "31 Jan 2024"; with `time` also the hour, in UTC as the filters are. */
export function formatDate(text: string, time = false): string {
  const date = new Date(/T/.test(text) ? text : `${text}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) return text;
  const options: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeZone: "UTC" };
  return new Intl.DateTimeFormat(locale(), time ? { ...options, timeStyle: "short" } : options).format(date);
}
