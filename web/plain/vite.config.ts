/** `vite build web/plain --outDir FOLDER`: the plain map, built as the viewer is. */
import { defineConfig } from "vite";
import { maplibre } from "../bundle/maplibre.ts";
import { precompress, preload, sheet } from "../bundle/page.ts";
import viewer from "../vite.config.ts";

export default defineConfig({ ...viewer, publicDir: false, plugins: [maplibre(), sheet(), preload("page"), precompress()] });
