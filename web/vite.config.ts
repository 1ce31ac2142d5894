import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

/** While developing, `npm run dev` shows the page from here and asks a running server for everything else. */
const SERVER = process.env.GEOSERVER_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [svelte()],
  // The page works wherever it is put: at "/", or under a path behind a proxy.
  base: "./",
  worker: { format: "es" },
  build: {
    target: "es2022",
    // MapLibre alone is larger than Vite's advice; `npm run size` watches what is ours.
    chunkSizeWarningLimit: 1500,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "maplibre-gl", test: /node_modules[\\/]maplibre-gl/ }] } },
    },
    assetsInlineLimit: 0,
  },
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(["/api", "/tiles", "/styles", "/fonts", "/sprites"].map((path) => [path, SERVER])),
  },
});
