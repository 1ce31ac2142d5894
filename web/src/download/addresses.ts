/** Addresses of files, written so that they can stand between quotation marks in any shell or language. */

export interface Wish {
  layer: string;
  of: "features" | "readings";
  /** As in the address: "csv", "shp.zip". */
  format: string;
  /** CQL2 text; "" asks for all rows. */
  filter: string;
  /** Of readings: "2024-01-01/2024-03-31". */
  datetime?: string;
  /** "EPSG:25832"; "" is longitude and latitude. */
  crs?: string;
  /** Names of fields; null is all of them. */
  fields?: string[] | null;
  /** Language of titles and labels, and of how a table writes numbers; "" is the plain way of programs. */
  lang?: string;
  key?: string;
}

/** What encodeURIComponent leaves as it is and a shell, or a string between apostrophes, does not. */
const UNSAFE = /[!'()*]/g;

/** Letters, digits and `%-._~,:/` alone: no quotation mark, blank, dollar, backtick or line break is left. */
export function encodeSafely(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(UNSAFE, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%(2C|3A|2F)/g, decodeURIComponent);
}

export const nameOfFile = ({ layer, of, format }: Pick<Wish, "layer" | "of" | "format">): string =>
  `${layer}.${of === "readings" ? "readings." : ""}${format}`;

/** Where a file is, relative to where the page lives. */
export function writeAddress(wish: Wish): string {
  const { filter, datetime = "", crs = "", fields = null, lang = "", key = "" } = wish;
  const values = { filter, datetime, crs, lang, key };
  const parts = Object.entries(values).filter(([, value]) => value !== "");
  if (fields) parts.splice(1, 0, ["fields", fields.join(",")]);
  const query = parts.map(([name, value]) => `${name}=${encodeSafely(value)}`).join("&");
  return `download/${nameOfFile(wish)}${query && "?"}${query}`;
}
