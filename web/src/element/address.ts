/** Addresses of what `<city-map>` shows: from those that people copy to those of the widget and of its picture. */

/** What the element's attributes say; null for what is not said. */
export interface Said {
  /** The address of a map, a widget, a dataset or a frozen map. */
  src: string | null;
  /** Where the server is, and the state of a map on it: "?layers=crime". */
  server: string | null;
  query: string | null;
  title: string | null;
  theme: string | null;
  lang: string | null;
}

/** Parameters by which a picture is asked for as the map itself is. */
const PICTURED = /^(?:layers|filter\..+|time|area|pin|lang)$/;
const CAMERA = /^#?(-?[\d.]+)\/(-?[\d.]+)\/(-?[\d.]+)$/;

/** The widget's address; `base` is the page's own, `home` the server that is meant where none is named. Null where there is none. */
export function widgetOf(said: Said, base: string, home: string | null, id: string): URL | null {
  const found = said.src === null ? byServer(said.server ?? home, said.query, base) : bySource(said.src, base);
  if (!found) return null;
  const { searchParams: asked } = found;
  if (said.theme === "light" || said.theme === "dark") asked.set("base", said.theme);
  if (said.lang) asked.set("lang", said.lang);
  if (said.title && !asked.has("title")) asked.set("title", said.title);
  asked.set("id", id);
  return found;
}

function byServer(server: string | null, query: string | null, base: string): URL | null {
  const found = server === null ? null : parse(server, base);
  if (!found) return null;
  const root = found.pathname.endsWith("/") ? found.pathname : `${found.pathname}/`;
  return placed(found, `${root}embed`, query ?? "");
}

function bySource(src: string, base: string): URL | null {
  const found = parse(src, base);
  if (!found) return null;
  const [, root, name, id] = /^(.*?\/)(?:(layers|frozen)\/([^/]+)\/?|embed\/?|[^/]*)$/.exec(found.pathname) ?? [];
  const path = `${root ?? "/"}embed`;
  if (name === "layers") return placed(found, path, `?layers=${id}`);
  if (name === "frozen") return placed(found, path, `?frozen=${id}`);
  return placed(found, path, found.search + found.hash);
}

/** The place of the map stands in the query of a widget, where servers see it. */
function placed(found: URL, path: string, query: string): URL {
  const [search, hash = ""] = query.replace(/^[^?#]*\?/, "").split("#");
  const widget = new URL(path, found);
  widget.search = search!;
  if (CAMERA.test(hash)) widget.searchParams.set("map", hash);
  return widget;
}

function parse(text: string, base: string): URL | null {
  const found = URL.canParse(text, base) ? new URL(text, base) : null;
  return found && /^https?:$/.test(found.protocol) ? found : null;
}

/** The picture of what a widget shows, of this size in pixels; null of what is frozen, whose picture stands in the widget. */
export function pictureOf(widget: URL, size: { width: number; height: number }): string | null {
  const asked = widget.searchParams;
  if (asked.has("frozen")) return null;
  const [, zoom, lat, lon] = CAMERA.exec(asked.get("map") ?? "") ?? [];
  const style = asked.get("base") === "dark" ? "dark" : "light";
  const place = zoom === undefined ? "auto" : `${lon},${lat},${zoom}`;
  const query = new URLSearchParams([...asked].filter(([name]) => PICTURED.test(name)));
  return new URL(`static/${style}/${place}/${size.width}x${size.height}.png?${query.toString()}`, widget).href;
}
