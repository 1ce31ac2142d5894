/** `<city-map>` as one small classic script under a name that stays, beside the page that `web/vite.config.ts` builds. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  publicDir: false,
  build: {
    target: "es2022",
    outDir: file("../dist"),
    emptyOutDir: false,
    lib: { entry: file("../src/element/main.ts"), name: "cityMap", formats: ["iife"], fileName: () => "element.js" },
  },
});
