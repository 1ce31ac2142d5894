/** How many rows of a layer are left, in the words of its card, wherever nothing else tells why it has no count. */
import type { LayerSummary } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";

/** "" for a layer without rows. */
export function tellCount({ known, words }: MapState, layer: LayerSummary): string {
  if (layer.count === null) return "";
  if (known.refusal(layer.id) !== null) return words.t("filterFailed");
  if (known.failed(layer.id)) return words.t("failed");
  const result = known.result(layer.id);
  return result ? words.countText(layer, result.count, result.total) : words.t("counting");
}
