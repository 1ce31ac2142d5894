/** Where nothing matches, rows are counted without each part of the filter: what to take out so that something does. */
import { askSummary } from "../query/server.ts";
import type { Summary } from "../query/types.ts";
import type { Wanted } from "../state/knowledge.svelte.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { questionOf, writeWithoutEach } from "./reading.ts";

/** What is asked of a layer for it. */
export function listLoosening(viewer: MapState, id: string): Wanted {
  const { known } = viewer;
  const layer = known.asked(id);
  const detail = known.detail(id);
  const { data, settled, error } = known.read<Summary>(`${id} summary`);
  if (!layer || !detail || !settled || error || data?.count !== 0 || known.filter(id) === "") return new Map();
  const texts = writeWithoutEach(questionOf(viewer, detail), detail);
  return new Map([...texts].map(([part, text]) => [`${id} without ${part}`, askSummary(layer, text, [])]));
}

/** The parts of the filter, and how many rows there would be without each, most first; null while that is not known. */
export function loosen(viewer: MapState, id: string): { part: string; count: number }[] | null {
  const found = [...listLoosening(viewer, id).keys()].map((place) => [place, viewer.known.read<Summary>(place)] as const);
  if (found.some(([, { settled }]) => !settled)) return null;
  return found
    .map(([place, { data }]) => ({ part: place.slice(`${id} without `.length), count: data?.count ?? 0 }))
    .sort((a, b) => b.count - a.count);
}
