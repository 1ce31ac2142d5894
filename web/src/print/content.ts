/** What a sheet says of a map: the words of the page, from the same answers of the server. */
import { partsOf, sharedParts } from "../filter/parts.ts";
import { binClasses } from "../legend/bins.ts";
import { headingOf } from "../legend/legend.ts";
import { listParts, type LegendPart } from "../legend/parts.ts";
import { scaleOf } from "../legend/sign.ts";
import type { Bin } from "../map/bins.ts";
import type { LayerSummary } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { tellCount } from "../ui/counts.ts";
import type { Content, SheetLayer, Side } from "./layout.ts";
import type { Say } from "./words.ts";

/** What the map is at: the zoom of the sheet's own map, and the bins that were drawn there. */
export interface Seen {
  zoom: number;
  bins: readonly Bin[];
}

/** A map that is on the sheet, and the style that it is drawn in there. */
export interface Shown {
  state: MapState;
  seen: Seen;
  style: Record<string, unknown> | undefined;
}

/** Layers that a title names before it is the city's. */
const NAMED = 3;

/** Values of a field that a filter spells out: on paper nobody can look behind "+3". */
const SPELLED = 12;

const listOn = (state: MapState): LayerSummary[] => state.layers.filter(({ id }) => state.on.includes(id));

export function proposeTitle(viewer: MapState, states: readonly MapState[]): string {
  const titles = [...new Set(states.flatMap(listOn).map(({ title }) => title))];
  if (!titles.length || titles.length > NAMED) return viewer.city?.title ?? document.title;
  return new Intl.ListFormat(viewer.words.locale).format(titles);
}

/** Of one map, or of two that are compared, of which `viewer` is the first. */
export function describeSheet(viewer: MapState, say: Say, shown: readonly Shown[]): Omit<Content, "title" | "code"> {
  const sources = shown.flatMap(({ state }) => listOn(state).flatMap((layer) => describeSource(state, say, layer)));
  return {
    sides: shown.map((each) => describeSide(say, each)),
    notes: [...new Set(sources), ...describeView(viewer, say)],
    ground: [...new Set(shown.flatMap(({ state, style }) => listGround(style, state.on)))].join(" · "),
    more: (count) => say("more", { count }),
  };
}

function describeSide(say: Say, { state, seen, style }: Shown): Side {
  const parts = listParts(state, seen.zoom, seen.bins);
  return {
    lead: sharedParts(state)
      .map(({ text }) => text)
      .join(" · "),
    layers: listOn(state).map((layer) =>
      describeLayer(
        state,
        say,
        layer,
        parts.find((part) => part.layer.id === layer.id),
        seen,
        style,
      ),
    ),
  };
}

/** The address of the view: everywhere the same, whoever opens it. */
export const addressOf = (viewer: MapState): string => new URL(viewer.link, location.href).href;

function describeLayer(
  viewer: MapState,
  say: Say,
  layer: LayerSummary,
  part: LegendPart | undefined,
  seen: Seen,
  style: Record<string, unknown> | undefined,
): SheetLayer {
  const detail = viewer.known.detail(layer.id);
  const filters = detail ? partsOf(viewer, detail, SPELLED).map(({ text }) => text) : [];
  const lines = [tellCount(viewer, layer), filters.length ? say("filtered", { filters: filters.join(" · ") }) : ""].filter(Boolean);
  if (!part) return { title: layer.title, lines, bins: null, entries: [] };
  const scale = scaleOf(part.entries);
  const entries = part.entries.map((sign, index) => ({
    heading: headingOf(part.entries, index),
    label: sign.label,
    sign,
    scale,
    outlined: part.outlined,
  }));
  return { title: layer.title, lines, bins: part.bins.length ? describeBins(viewer, part, seen, style) : null, entries };
}

function describeBins(
  viewer: MapState,
  { layer, bins }: LegendPart,
  { zoom }: Seen,
  style: Record<string, unknown> | undefined,
): SheetLayer["bins"] {
  const { formatNumber, t } = viewer.words;
  const found = binClasses(style, layer.id, zoom);
  const classes = (found?.entries ?? bins).map((entry) => ({ ...entry, label: formatNumber(entry.from) + (entry.to === null ? "+" : "") }));
  return { title: layer.bins?.title || t("perBin", { title: layer.title }), classes, marks: found?.marks ?? null };
}

function describeSource(viewer: MapState, say: Say, layer: LayerSummary): string[] {
  const { formatDate, t } = viewer.words;
  const detail = viewer.known.detail(layer.id);
  if (!detail) return [];
  const told = [
    ...(detail.attribution ? [`${t("source")}: ${detail.attribution}`] : []),
    `${t("licence")}: ${detail.license}`,
    ...(detail.updated ? [say("as_of", { date: formatDate(detail.updated) })] : []),
  ];
  return [`${layer.title} – ${told.join(" · ")}`];
}

function describeView(viewer: MapState, say: Say): string[] {
  const date = viewer.words.formatDay(new Date().toISOString().slice(0, 10));
  return [`${viewer.city?.title ?? document.title} · ${say("made", { date })}`, addressOf(viewer)];
}

/** Whom the map beneath the layers is owed to, as their sources say it. */
function listGround(style: Record<string, unknown> | undefined, layers: readonly string[]): string[] {
  const sources = Object.entries((style?.["sources"] ?? {}) as Record<string, { attribution?: string }>);
  const owed = sources.flatMap(([id, { attribution }]) => (attribution && !layers.includes(id) ? [plainText(attribution)] : []));
  return owed;
}

/** What is HTML to MapLibre, without its marks. */
const plainText = (html: string): string => new DOMParser().parseFromString(html, "text/html").body.textContent ?? "";
