/** What the page's map shows, in words and addresses for pages of others. */
import { partsOf, sharedParts } from "../filter/parts.ts";
import { pictureOf } from "../element/address.ts";
import type { Kept } from "../query/freezing.ts";
import type { LayerSummary } from "../query/types.ts";
import type { MapState } from "../state/map-state.svelte.ts";
import { tellCount } from "../ui/counts.ts";
import type { Speaker } from "./abroad.svelte.ts";
import { sizeOf, writeQuery, type Options } from "./options.ts";
import type { Fact, Told } from "./snippets.ts";
import type { Say } from "./words.ts";

/** Layers that a title names before it is the city's. */
const NAMED = 3;

const listOn = (viewer: MapState): LayerSummary[] => viewer.layers.filter(({ id }) => viewer.on.includes(id));
const filtersOf = (viewer: MapState, id: string): string[] => {
  const detail = viewer.known.detail(id);
  return detail ? partsOf(viewer, detail).map(({ text }) => text) : [];
};

export function proposeTitle(viewer: MapState): string {
  const layers = listOn(viewer);
  if (!layers.length || layers.length > NAMED) return viewer.city?.title ?? document.title;
  const title = new Intl.ListFormat(viewer.words.locale).format(layers.map((layer) => layer.title));
  const own = layers.length === 1 ? filtersOf(viewer, layers[0]!.id) : [];
  const parts = [...own, ...sharedParts(viewer).map(({ text }) => text)];
  return parts.length ? `${title}: ${parts.join(", ")}` : title;
}

/** What is shown, layer by layer: what narrows it, and how many rows that leaves. */
export function describeView(viewer: MapState): string[] {
  const shared = sharedParts(viewer).map(({ text }) => text);
  return listOn(viewer).map((layer) => {
    const parts = [...filtersOf(viewer, layer.id), ...shared, tellCount(viewer, layer)].filter(Boolean);
    return parts.length ? `${layer.title}: ${parts.join(" · ")}` : layer.title;
  });
}

function listFacts(viewer: MapState, say: Say): Fact[] {
  const details = listOn(viewer).flatMap((layer) => viewer.known.detail(layer.id) ?? []);
  const licences = details.map(({ license, links }) => {
    const explained = links.find(({ rel }) => rel === "license");
    return { name: explained?.title ?? license, url: explained?.href };
  });
  const facts = [
    { word: say("source"), names: details.map(({ attribution }) => ({ name: attribution })) },
    { word: say("licence"), names: licences },
  ];
  const once = (names: Fact["names"]): Fact["names"] => [...new Map(names.map((each) => [each.name, each])).values()];
  return facts.map(({ word, names }) => ({ word, names: once(names.filter(({ name }) => name)) })).filter(({ names }) => names.length);
}

/** Where the page lives, with a slash at its end. */
export const siteOf = (): string => new URL(".", location.href).href;

/**
 * `drawn` says whether there is a picture of this very view; else there is one of where the first layer lies. What is `kept`
 * frozen has a picture of its own.
 */
export function tell({ viewer, say }: Speaker, options: Options, drawn: boolean, kept: Kept | null = null): Told {
  const site = siteOf();
  const widget = new URL(`embed${writeQuery(kept ? `?frozen=${kept.id}` : viewer.shared, options)}`, site);
  const size = sizeOf(options);
  const lies = new URL(kept ? "picture.png" : `layers/${encodeURIComponent(viewer.on[0] ?? "")}/map.png`, kept?.address ?? site).href;
  return {
    site,
    widget: widget.href,
    page: kept?.address ?? new URL(viewer.shared, site).href,
    picture: drawn ? (pictureOf(widget, size) ?? lies) : lies,
    name: options.title.trim() || proposeTitle(viewer),
    facts: listFacts(viewer, say),
    open: say("open"),
    all: say("all"),
    size,
    options,
  };
}
