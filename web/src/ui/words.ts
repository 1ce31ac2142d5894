/** What a layer calls its rows. */
import { t } from "./i18n.svelte.ts";

/** A layer, as far as it has words of its own. */
interface Named {
  id: string;
  nouns?: { one: string; many: string } | null;
}

/** "report" or "reports"; "row" or "rows" where the layer has no word of its own. */
export function nounOf(layer: Named, count: number | bigint): string {
  return Number(count) === 1 ? (layer.nouns?.one ?? t("row")) : (layer.nouns?.many ?? t("rows"));
}

/** "308 reports", or "308 of 60,000 reports" where a total is told that is not the count itself. */
export function countText(layer: Named, count: number, total = count): string {
  const noun = nounOf(layer, total);
  if (count === total) return t("countAll", { total, noun });
  return t("countSome", { count, total, noun, few: nounOf(layer, count) });
}
