/** The whole state of the page as an address: `/?layers=crime,trees&filter.crime=<CQL2>&base=dark#zoom/lat/lon`. */

export interface Camera {
  zoom: number;
  lat: number;
  lon: number;
}

export type Base = "light" | "dark";

export interface State {
  /** Layers that are on; null leaves it to the catalogue. */
  layers: string[] | null;
  filters: Record<string, string>;
  /** null follows the reader's system. */
  base: Base | null;
  /** null shows the whole city. */
  camera: Camera | null;
  language: string | null;
}

const PREFIX = "filter.";

export function parseState(search: string, hash: string): State {
  const query = new URLSearchParams(search);
  const layers = query.get("layers");
  const base = query.get("base");
  const filters: Record<string, string> = {};
  for (const [name, value] of query) {
    if (name.startsWith(PREFIX) && value.trim() !== "") filters[name.slice(PREFIX.length)] = value;
  }
  return {
    layers: layers === null ? null : [...new Set(layers.split(",").filter(Boolean))],
    filters,
    base: base === "light" || base === "dark" ? base : null,
    camera: parseCamera(hash),
    language: query.get("lang"),
  };
}

function parseCamera(hash: string): Camera | null {
  const parts = hash.replace(/^#/, "").split("/").map(Number);
  const [zoom, lat, lon] = parts;
  if (parts.length !== 3 || zoom === undefined || lat === undefined || lon === undefined) return null;
  if (!parts.every(Number.isFinite) || Math.abs(lat) > 90 || Math.abs(lon) > 180) return null;
  return { zoom: Math.min(Math.max(zoom, 0), 24), lat, lon };
}

/** Percent-encode only what must be, so that a link can still be read. */
const encode = (text: string): string => encodeURIComponent(text).replace(/%(2C|3A|2F|3D)/g, decodeURIComponent);

export function writeState(state: State): string {
  const query: string[] = [];
  if (state.layers !== null) query.push(`layers=${state.layers.map(encode).join(",")}`);
  for (const id of Object.keys(state.filters).sort()) query.push(`${PREFIX}${encode(id)}=${encode(state.filters[id]!)}`);
  if (state.base) query.push(`base=${state.base}`);
  if (state.language) query.push(`lang=${encode(state.language)}`);
  return `/${query.length ? `?${query.join("&")}` : ""}${state.camera ? writeCamera(state.camera) : ""}`;
}

/** As many decimals as it takes to come back to the same pixel: a tenth of one here, a thousandth of a zoom step. */
function writeCamera({ zoom, lat, lon }: Camera): string {
  const decimals = Math.max(2, Math.min(7, Math.ceil(zoom / 3) + 1));
  return `#${+zoom.toFixed(3)}/${lat.toFixed(decimals)}/${lon.toFixed(decimals)}`;
}
