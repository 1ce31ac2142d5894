import type { Words } from "../ui/i18n.svelte.ts";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** "6.3 MB", as the language writes it. */
export function formatBytes(words: Pick<Words, "locale">, bytes: number): string {
  const step = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const format = { style: "unit", unit: UNITS[step]!, unitDisplay: step ? "short" : "long", maximumSignificantDigits: 2 } as const;
  return new Intl.NumberFormat(words.locale, format).format(bytes / 1000 ** step);
}
