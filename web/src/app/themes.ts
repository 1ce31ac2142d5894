/** Layers by theme, in the catalogue's order, which is the order of display. */
import type { LayerSummary } from "../query/types.ts";

export interface Theme {
  /** The same in every language. */
  key: string;
  /** The layer whose words name it: one that has them in the language of the page, if any has. */
  named: LayerSummary;
  layers: LayerSummary[];
}

export function groupThemes(layers: LayerSummary[]): Theme[] {
  const groups = Map.groupBy(layers, ({ theme, theme_key }) => theme_key ?? theme);
  return [...groups].map(([key, found]) => ({ key, named: found.find(({ theme_key }) => theme_key) ?? found[0]!, layers: found }));
}
