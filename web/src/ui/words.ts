/** What a layer calls its rows, in the words of the page. */
import { page, t, type Words } from "./i18n.svelte.ts";

/** "report" or "reports"; "row" or "rows" where the layer has no word of its own. */
export const nounOf: Words["nounOf"] = (layer, count) => page.words.nounOf(layer, count);

/** "308 reports", or "308 of 60,000 reports" where a total is told that is not the count itself. */
export function countText(layer: Parameters<typeof nounOf>[0], count: number, total = count): string {
  const noun = nounOf(layer, total);
  if (count === total) return t("countAll", { total, noun });
  return t("countSome", { count, total, noun, few: nounOf(layer, count) });
}
