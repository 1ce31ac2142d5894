/**
 * A frozen map, opened: `fetch` answers the server's addresses from its folder, and its tiles come by a protocol of
 * MapLibre's, so that page and widget ask as they ask a server.
 */
import { ApiError } from "../query/server.ts";
import { answer, type Context, type SayTruth } from "./answers.ts";
import { Archive } from "./archive.ts";
import { Bytes } from "./bytes.ts";
import { FrozenLayer } from "./layer.ts";
import { PROTOCOL, readManifest, type Manifest } from "./manifest.ts";

const ARCHIVE = "data/tiles.pmtiles";
const TILE = /^frozen:\/\/[^/]+\/([^/]+)\/(\d+)\/(\d+)\/(\d+)(?:\?filter=(.*?)&features-from=\d+)?$/;

export interface FrozenMap {
  manifest: Manifest;
  /** Codes of those that its words are in. */
  languages: string[];
  /** For `Queries`. */
  root: string;
  fetch: typeof fetch;
  /** A tile by its address; empty where there is nothing. */
  tile(url: string): Promise<Uint8Array>;
}

/** `root` is the folder's address, with a slash in the end; throws where there is no frozen map. */
export async function openFrozen(
  root: string,
  ask: typeof fetch = fetch,
  sayTruth: SayTruth = () => Promise.resolve(["No", "Yes"]),
): Promise<FrozenMap> {
  const manifest = await readManifest(root, ask);
  const told = manifest.languages[manifest.language ?? ""] ?? Object.values(manifest.languages)[0]!;
  const file = (path: string): Bytes => new Bytes(new URL(path, root).href, ask);
  const archive = new Archive(file(ARCHIVE), (id) => told.details[id]?.bounds ?? null);
  const layers = new Map<string, FrozenLayer>();
  const find = async (id: string, fid: number): Promise<GeoJSON.Geometry | null> => {
    const layer = layers.get(id);
    const row = await layer?.find(fid);
    return row === undefined ? null : layer!.shape(row);
  };
  for (const [id, { file: path, count }] of Object.entries(manifest.rows)) {
    const detail = told.details[id];
    const tilejson = manifest.tilejson[id];
    if (detail && tilejson) layers.set(id, new FrozenLayer(detail, file(path), count, tilejson, archive, find));
  }
  const context: Context = { manifest, root, tiles: `${PROTOCOL}://${manifest.id}/`, layer: (id) => layers.get(id), sayTruth };
  const isData = (name: string): string => name.replace(/:bins$/, "");
  return {
    manifest,
    languages: Object.keys(manifest.languages),
    root,
    fetch: (input) => reply(context, String(input)),
    tile: async (url) => {
      const [, source, z, x, y, filter] = TILE.exec(url) ?? [];
      if (!source) throw new Error(`no tile of a frozen map: ${url}`);
      const [id, at] = [decodeURIComponent(source), [Number(z), Number(x), Number(y)] as const];
      if (filter) return layers.get(id)!.tile(decodeURIComponent(filter), ...at);
      return archive.tile(...at, (name) => (id === "*" ? !(isData(name) in manifest.tilejson) : isData(name) === id));
    },
  };
}

async function reply(context: Context, url: string): Promise<Response> {
  try {
    const found = await answer(context, url.slice(new URL(".", context.root).href.length));
    return new Response(write(found), { headers: { "Content-Type": "application/json" } });
  } catch (error) {
    if (!(error instanceof ApiError)) {
      console.error(error);
      return new Response(null, { status: 502 });
    }
    const { status, message: detail, parameter } = error;
    return new Response(JSON.stringify({ status, detail, parameter }), { status, headers: { "Content-Type": "application/problem+json" } });
  }
}

const WHOLE = "\u0001whole:";

/** JSON with whole numbers of any size. */
function write(document: unknown): string {
  let large = false;
  const text = JSON.stringify(document, (_, value: unknown) => {
    if (typeof value !== "bigint") return value;
    large = true;
    return WHOLE + value;
  });
  return large ? text.replace(/"\\u0001whole:(-?\d+)"/g, "$1") : text;
}
