/** What a layer's rows are called: "report", "reports"; "row", "rows" where nobody said it in the reader's language. */
import type { LayerSummary } from "../query/types.ts";
import { currentLanguage, t } from "./i18n.svelte.ts";

export function nounOf(layer: Pick<LayerSummary, "nouns">, count: number): string {
  const one = new Intl.PluralRules(currentLanguage()).select(count) === "one";
  return one ? (layer.nouns?.one ?? t("row")) : (layer.nouns?.many ?? t("rows"));
}
