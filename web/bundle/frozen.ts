/** What a frozen map is packed with: its page becomes the folder's own, and a list tells which files belong beside it. */
import { readdir, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Plugin } from "vite";

/**
 * `frozen-files.json` in `dist/`: by the name in the folder, each file's place in `dist/`. `page` is needed always, `letters`
 * where labels have letters of such a range or script.
 */
export function folder(): Plugin {
  let out = "";
  return {
    name: "frozen-folder",
    apply: "build",
    configResolved: ({ root, build }) => {
      out = resolve(root, build.outDir);
    },
    writeBundle: async () => {
      await rename(join(out, "frozen.html"), join(out, "index.html"));
      const dist = resolve(out, "..");
      const list = async (path: string): Promise<string[]> => {
        const found = await readdir(join(dist, path), { withFileTypes: true, recursive: true });
        const files = found.filter((entry) => entry.isFile() && !entry.name.endsWith(".br"));
        return files.map(({ parentPath, name }) => join(parentPath, name).slice(dist.length + 1)).sort();
      };
      const page = Object.fromEntries((await list("frozen")).map((path) => [path.replace(/^frozen\//, ""), path]));
      const letters = Object.fromEntries((await list("fonts")).map((path) => [path, path]));
      await writeFile(join(dist, "frozen-files.json"), JSON.stringify({ page, letters }, null, 1));
    },
  };
}
