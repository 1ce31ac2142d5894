/** How many rows of a layer are left, in the words of its card, wherever nothing else tells why it has no count. */
import { faultOf } from "../filter/parts.ts";
import type { LayerSummary } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";

/** "" for a layer without rows. */
export function tellCount(state: MapState, layer: LayerSummary): string {
  const { known, words } = state;
  if (layer.count === null) return "";
  if (known.refusal(layer.id) !== null) return words.t(faultOf(state));
  if (known.failed(layer.id)) return words.t("failed");
  const result = known.result(layer.id);
  return result ? words.countText(layer, result.count, result.total) : words.t("counting");
}
