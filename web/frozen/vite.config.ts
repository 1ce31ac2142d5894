import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { chunks, maplibre } from "../bundle/maplibre.ts";
import { folder } from "../bundle/frozen.ts";
import { fresh, gather, messages, sheet, together } from "../bundle/page.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The page of a frozen map: by itself in `dist/frozen/`, whose files are all that its folder needs beside data and letters. */
export default defineConfig({
  root: file(".."),
  plugins: [maplibre(), sheet(), messages(), fresh(), gather(file("../src/frozen/main.ts")), folder(), svelte()],
  base: "./",
  publicDir: false,
  worker: { format: "es", plugins: () => [messages()] },
  // As in the page's own configuration (../vite.config.ts).
  oxc: { typescript: { removeClassFieldsWithoutInitializer: true }, assumptions: { setPublicClassFields: true } },
  build: {
    outDir: "dist/frozen",
    target: "es2022",
    chunkSizeWarningLimit: 1500,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: file("../frozen.html"),
      output: { codeSplitting: { includeDependenciesRecursively: false, groups: [...chunks, together("frozen")] } },
    },
  },
});
