/**
 * MapLibre built from the sources in its package, where its own bundles hold much of it twice: what the page and its worker
 * share is one file, fetched once, and what no map of ours uses is left out.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const PACKAGE = new URL("../node_modules/maplibre-gl/", import.meta.url);
const file = (path: string): string => fileURLToPath(new URL(path, PACKAGE));

/** What the page imports to know where the worker is. */
const WORKER = "virtual:map-worker";

/** Parts that no map of ours uses, by the end of their address, and what stands for them. */
const LEFT_OUT: [address: RegExp, code: string][] = [
  // A second format of tiles; ours are Mapbox Vector Tiles.
  [/^@maplibre\/mlt$/, `export const GEOMETRY_TYPE = {};\n${refuse(["decodeTile"], "tiles are read as Mapbox Vector Tiles only")}`],
  // The globe; our maps are in Web Mercator.
  [
    /\/(?:globe|vertical_perspective)_(?:projection|transform|camera_helper)\.ts$/,
    refuse(
      [
        ...["GlobeProjection", "GlobeCameraHelper", "createGlobeTransform"],
        ...["VerticalPerspectiveProjection", "VerticalPerspectiveCameraHelper", "createVerticalPerspectiveTransform"],
      ],
      "maps are drawn in Web Mercator only",
    ),
  ],
  // Pictures of heights, and films.
  [/\/draw_(?:hillshade|color_relief)\.ts$/, refuse(["drawHillshade", "drawColorRelief"], "nothing is drawn of heights")],
  [/\/glsl\/(?:hillshade|color_relief)\w*(?:\.\w+)*\.g\.ts$/, `export default "";`],
  [/\/raster_dem_tile_source\.ts$/, refuse(["RasterDEMTileSource"], "heights are not read")],
  [/\/(?:video|canvas)_source\.ts$/, refuse(["VideoSource", "CanvasSource"], "films are not shown")],
  // A second look at styles that the server has made and checked.
  [
    /\/validate_style\.ts$/,
    `const PARTS = ["source", "sprite", "glyphs", "layer", "light", "sky", "terrain", "filter", "paintProperty", "layoutProperty"];
     export const validateStyle = Object.assign(() => [], Object.fromEntries(PARTS.map((part) => [part, () => []])));
     export const SPEC_SOURCE_TYPES = new Set(["vector", "raster", "raster-dem", "geojson", "video", "image"]);
     export const [validateStyleAndEmit, emitValidationErrors, validateAndEmit] = [() => false, () => false, () => false];`,
  ],
  // Of its package.json it takes the version, and would bring all of it.
  [
    /\/package\.json$/,
    `export default ${JSON.stringify({ version: (JSON.parse(readFileSync(file("package.json"), "utf8")) as { version: string }).version })};`,
  ],
];

function refuse(names: string[], why: string): string {
  return names.map((name) => `export function ${name}() { throw new Error(${JSON.stringify(`${name}: ${why}`)}); }`).join("\n");
}

/** What the page needs of MapLibre, and what its worker needs. */
const page = new Set<string>();
const shared = new Set<string>();

/** Two files of MapLibre, apart from ours, which change more often: what the page and the worker both need, and the rest. */
export const chunks = [
  { name: "maplibre-shared", test: (id: string): boolean => shared.has(id) },
  { name: "maplibre-gl", test: (id: string): boolean => page.has(id) && !shared.has(id) },
];

export function maplibre(): Plugin[] {
  let worker = "";
  return [
    {
      // While developing, MapLibre is taken as it comes.
      name: "maplibre-worker",
      apply: "serve",
      resolveId: (id) => (id === WORKER ? `\0${WORKER}` : null),
      load: (id) => (id === `\0${WORKER}` ? `export { default } from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";` : null),
    },
    {
      name: "maplibre-from-sources",
      apply: "build",
      enforce: "pre",
      buildStart() {
        worker = this.emitFile({ type: "chunk", id: file("src/source/worker.ts"), name: "map-worker" });
      },
      buildEnd() {
        const reach = (from: string, found: Set<string>): Set<string> => {
          if (found.has(from)) return found;
          found.add(from);
          for (const id of this.getModuleInfo(from)?.importedIds ?? []) reach(id, found);
          return found;
        };
        const needed = reach(file("src/source/worker.ts"), new Set());
        for (const id of reach(file("src/index.ts"), page)) if (needed.has(id)) shared.add(id);
      },
      resolveId(id, importer) {
        if (id === "maplibre-gl") return file("src/index.ts");
        if (id === WORKER) return `\0${WORKER}`;
        const part = importer?.startsWith(file("src/")) ? LEFT_OUT.findIndex(([address]) => address.test(id)) : -1;
        return part < 0 ? null : `\0left-out:${part}`;
      },
      // Its package says that each of its files may do something by itself; these do not, and are not all used.
      transform: (code, id) => (id.startsWith(file("src/ui/")) ? { code, moduleSideEffects: false } : null),
      load(id) {
        if (id === `\0${WORKER}`) return `export default import.meta.ROLLUP_FILE_URL_${worker};`;
        return id.startsWith("\0left-out:") ? LEFT_OUT[Number(id.slice("\0left-out:".length))]![1] : null;
      },
    },
  ];
}
