/** What a frozen map says of itself (geoserver/freezing): the server's own documents, of the rows that were kept. */
import type { City, LayerDetail, LayerSummary, TileJson } from "../query/types.ts";

/** Before the addresses of tiles: `frozen://ID/LAYER/z/x/y?filter=`. */
export const PROTOCOL = "frozen";

export interface Manifest {
  version: 1;
  id: string;
  title: string;
  /** When, as ISO 8601. */
  frozen: string;
  license: string;
  attribution: string;
  cite: string;
  /** The state that was frozen, as the page's address has it. */
  query: string;
  language?: string;
  city: City;
  cities?: Record<string, City>;
  languages: Record<string, { layers: LayerSummary[]; details: Record<string, LayerDetail> }>;
  styles: Record<"light" | "dark", Record<string, unknown> | null>;
  rows: Record<string, { file: string; count: number; sha256: string }>;
  tilejson: Record<string, TileJson>;
  /** The living map. */
  original: string;
}

/** Throws where there is none, or one of a later kind. */
export async function readManifest(root: string, ask: typeof fetch): Promise<Manifest> {
  const answer = await ask.call(undefined, new URL("manifest.json", root).href);
  if (!answer.ok) throw new Error(`manifest.json: ${answer.status}`);
  const manifest = (await answer.json()) as Manifest;
  if (manifest.version !== 1) throw new Error(`a frozen map of version ${String(manifest.version)}`);
  return manifest;
}

/** The state that was frozen without what narrowed it: no other rows are there. */
export function withoutFilters(query: string): string {
  const kept = query
    .replace(/^[^?]*\?/, "")
    .split("&")
    .filter((part) => !/^(?:filter\.|time=|area=|pin=)/.test(decodeURIComponent(part)));
  return `?${kept.join("&")}`;
}

/** A query that names no layers is about what was frozen: what it does not say is as it was then. */
export function complete(search: string, { query }: Manifest): string {
  const said = new URLSearchParams(search);
  if (said.has("layers")) return search;
  const was = withoutFilters(query)
    .slice(1)
    .split("&")
    .filter((part) => part && !said.has(part.split("=")[0]!));
  return `?${[...was, search.replace(/^\?/, "")].filter(Boolean).join("&")}`;
}
