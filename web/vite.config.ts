import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { chunks, maplibre } from "./bundle/maplibre.ts";
import { fresh, gather, messages, precompress, preload, sheet, together } from "./bundle/page.ts";

/** While developing, `npm run dev` shows the page from here and asks a running server for everything else. */
const SERVER = process.env.GEOSERVER_URL ?? "http://127.0.0.1:8000";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * The map's own page, and the widget that stands in pages of others (`vite build --mode embed`). They are built apart: browsers keep
 * what is fetched within another site's page apart too, so that what both shared would be fetched twice all the same, and be larger.
 */
const PAGES = {
  page: { html: file("index.html"), main: file("src/app/main.ts") },
  embed: { html: file("embed.html"), main: file("src/embed/main.ts") },
};

export default defineConfig(({ mode }) => {
  const name = mode === "embed" ? "embed" : "page";
  return {
    plugins: [maplibre(), sheet(), messages(), fresh(), gather(PAGES[name].main), preload(name), precompress(), svelte()],
    // The page works wherever it is put: at "/", or under a path behind a proxy.
    base: "./",
    worker: { format: "es" },
    // MapLibre's sources are written for it: a field that is only declared is not set by the class that declares it.
    oxc: { typescript: { removeClassFieldsWithoutInitializer: true }, assumptions: { setPublicClassFields: true } },
    build: {
      target: "es2022",
      // MapLibre alone is larger than Vite's advice; `npm run size` watches what is ours.
      chunkSizeWarningLimit: 1500,
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      emptyOutDir: name === "page",
      rolldownOptions: {
        input: PAGES[name].html,
        output: { codeSplitting: { includeDependenciesRecursively: false, groups: [...chunks, together(name)] } },
      },
    },
    server: {
      host: "127.0.0.1",
      proxy: Object.fromEntries(["/api", "/tiles", "/styles", "/fonts", "/sprites"].map((path) => [path, SERVER])),
    },
  };
});
