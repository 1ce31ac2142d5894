/** What a widget shows of the page's map and around it, and its address. */
export const VIEWS = ["map", "chart", "table"] as const;
export type View = (typeof VIEWS)[number];
/** What can be left out around it; source and licence always stay. */
export const PARTS = ["legend", "count", "zoom", "open"] as const;
export type Part = (typeof PARTS)[number];
export type Theme = "auto" | "light" | "dark";

/** Width to height. */
export const SHAPES = { "16:10": [16, 10], "16:9": [16, 9], "4:3": [4, 3], "1:1": [1, 1], "3:4": [3, 4] } as const;
export type Shape = keyof typeof SHAPES;

export interface Options {
  views: readonly View[];
  /** "" is none. */
  title: string;
  parts: readonly Part[];
  free: boolean;
  theme: Theme;
  language: string;
  /** As wide as its place, in a shape; or else of a size in pixels. */
  wide: boolean;
  shape: Shape;
  width: number;
  height: number;
}

/** Pixels that one as wide as its place is high at least: on a phone its shape alone would leave title and source, and no map. */
export const HIGH = 400;

/** Pixels that a widget may be wide and high. */
export const [LEAST, MOST] = [120, 4000];

export function startWith(view: View, title: string, language: string): Options {
  const options = {
    title,
    parts: PARTS,
    free: false,
    theme: "auto",
    language,
    wide: true,
    shape: "16:10",
    width: 800,
    height: 500,
  } as const;
  return { ...options, views: [view] };
}

/** In pixels: of what is as wide as its place, the size where nobody says how wide that is. */
export function sizeOf({ wide, shape, width, height }: Options): { width: number; height: number } {
  if (!wide) return { width: limit(width), height: limit(height) };
  const [across, down] = SHAPES[shape];
  return { width: 800, height: Math.round((800 * down) / across) };
}

const limit = (pixels: number): number => Math.round(Math.min(Math.max(Number.isFinite(pixels) ? pixels : 0, LEAST), MOST));

/** The query of the widget; `shared` is that of the page for others, with the place of the map in it. */
export function writeQuery(shared: string, options: Options): string {
  const asked = new URLSearchParams(shared.replace(/#.*$/, ""));
  for (const name of ["v", "bar", "base", "tab", ...[...asked.keys()].filter((key) => /^compare(\.|$)/.test(key))]) asked.delete(name);
  const views = VIEWS.filter((view) => options.views.includes(view));
  if (views.join() !== "map") asked.set("show", views.join());
  asked.set("title", options.title.trim());
  const hidden = PARTS.filter((part) => !options.parts.includes(part));
  if (hidden.length) asked.set("hide", hidden.join());
  if (options.free) asked.set("filters", "free");
  if (options.theme !== "auto") asked.set("base", options.theme);
  asked.set("lang", options.language);
  return `?${readable(asked)}`;
}

/** Signs that stand for themselves in a query, and that no snippet takes for its own. */
const readable = (asked: URLSearchParams): string =>
  asked.toString().replaceAll("+", "%20").replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%3A", ":");
