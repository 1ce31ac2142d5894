/** How a widget is set up by its address, beside the state of its map (web/src/state/address.ts). */

export type View = "map" | "chart" | "table";
const VIEWS: readonly View[] = ["map", "chart", "table"];

export interface Options {
  /** Views that are offered, the first one open unless the state says another. */
  show: View[];
  /** "" for none; null leaves it to the layers. */
  title: string | null;
  hidden: ReadonlySet<string>;
  /** The reader may change what narrows the layers. */
  free: boolean;
  /** The wheel and one finger move the map, and not the page around it. */
  greedy: boolean;
  /** What the widget is called in messages. */
  id: string;
  /** The id of a frozen map that it shows; "" for the living one. */
  frozen: string;
}

/** Parameters of the widget's own; the rest is the state of its map. */
const OWN = ["show", "title", "hide", "filters", "gestures", "id", "frozen", "dir"];

/** What makes no sense is passed over, as in the page's own address. */
export function parseOptions(search: string): { options: Options; state: string } {
  const said = new URLSearchParams(search);
  const list = (name: string): string[] => (said.get(name) ?? "").split(",").filter(Boolean);
  const show = [...new Set(list("show"))].filter((view): view is View => VIEWS.includes(view as View));
  const options = {
    show: show.length ? show : (["map"] satisfies View[]),
    title: said.get("title"),
    hidden: new Set(list("hide")),
    free: said.get("filters") === "free",
    greedy: said.get("gestures") === "greedy",
    id: said.get("id") ?? "",
    frozen: said.get("frozen") ?? "",
  };
  return { options, state: strip(search) };
}

/** Widgets up to so many pixels wide are narrow (web/src/embed/embed.css, geoserver/site/posters.py). */
export const NARROW = 520;

/**
 * An address whose place (`map=13/45.2/-28.6`, or behind `#`) is seen from one zoom further away. It is chosen on a wide screen,
 * and half as many pixels shall show as much of the city.
 */
export const stepBack = (address: string): string =>
  address.replace(/([?&]map=|#)(\d+(?:\.\d+)?)(?=\/|%2F)/gi, (_, before: string, zoom: string) => {
    return before + String(Number(Math.max(Number(zoom) - 1, 0).toFixed(3)));
  });

/** The state of a map in an address, as it stands there. */
export function strip(search: string): string {
  const pairs = search.replace(/^\?/, "").split("&");
  const kept = pairs.filter((pair) => pair && !OWN.includes(decode(pair.split("=")[0]!)));
  return kept.length ? `?${kept.join("&")}` : "";
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
