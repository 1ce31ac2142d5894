/** What makes the page quick on a slow line: it names what it will need, and every file is packed as small as can be. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import type { HtmlTagDescriptor, Plugin } from "vite";

const pack = promisify(brotliCompress);

const MAPLIBRE = ["maplibre-shared", "maplibre-gl", "map-worker"];

/** Parts of the map that the page does not import at once and yet always needs, unless the browser cannot draw. */
const AHEAD = { page: ["city-map", ...MAPLIBRE], embed: ["city-map"] };

/** Parts that a widget which nobody sees does without: its first script asks for them (web/src/embed/start.ts). */
const SEEN: Record<keyof typeof AHEAD, string[]> = { page: [], embed: MAPLIBRE };
const START = fileURLToPath(new URL("../src/embed/start.ts", import.meta.url));

/** Name them in the page's head, so that they are on their way before the script that asks for them is there. */
export function preload(name: keyof typeof AHEAD): Plugin {
  return {
    name: "preload",
    apply: "build",
    buildStart() {
      if (name === "embed") this.emitFile({ type: "chunk", id: START, name: "start" });
    },
    transformIndexHtml: {
      order: "post",
      handler: (_, { bundle }) =>
        Object.values(bundle ?? {}).flatMap((output): HtmlTagDescriptor[] => {
          if (output.type !== "chunk") return [];
          const file = `./${output.fileName}`;
          const named = (rest: Record<string, string | boolean>): HtmlTagDescriptor[] => [
            { tag: "link", attrs: { ...rest, crossorigin: true, href: file }, injectTo: "head" },
          ];
          if (output.name === "start")
            return [{ tag: "script", attrs: { type: "module", crossorigin: true, src: file }, injectTo: "head-prepend" }];
          if (AHEAD[name].includes(output.name)) return named({ rel: "modulepreload" });
          return SEEN[name].includes(output.name) ? named({ "data-seen": true }) : [];
        }),
    },
  };
}

/** What the page's script imports at once. */
const atOnce = new Set<string>();

/** Keys of messages that only parts which come later may say. */
const saidLater: string[] = [];
const findSaid = (code: string, keys: string[]): string | undefined => keys.find((key) => new RegExp(`["'\`]${key}["'\`]`).test(code));

/** Parts of Svelte that only parts which come later use, though what all use names them too: what choices and texts are bound by. */
const LATER = /\/svelte\/src\/internal\/client\/dom\/elements\/bindings\/(?:input|select)\.js$/;

/** Parts of Svelte that do something by themselves, which nobody here wants: elements of one's own, and how it was before version 5. */
const IDLE = /\/svelte\/src\/(?:internal\/client\/dom\/elements\/custom-element|legacy\/legacy-client)\.js$/;

/** One file of all of it, though parts that come later need some of it too: packed together it is smaller than apart. */
export const together = (name: string): { name: string; test: (id: string) => boolean } => ({ name, test: (id) => atOnce.has(id) });

export function gather(main: string): Plugin {
  return {
    name: "gather",
    apply: "build",
    transform: (code, id) => (LATER.test(id) || IDLE.test(id) ? { code, moduleSideEffects: false } : null),
    buildEnd() {
      const reach = (id: string): void => {
        if (atOnce.has(id) || LATER.test(id)) return;
        atOnce.add(id);
        for (const next of this.getModuleInfo(id)?.importedIds ?? []) reach(next);
      };
      reach(main);
      for (const id of atOnce) {
        const said = /\/src\/(?!messages)/.test(id) && findSaid(this.getModuleInfo(id)?.code ?? "", saidLater);
        if (said) this.error(`${id} says "${said}" at once; in web/src/messages it stands among what is said later`);
      }
    },
  };
}

/** Svelte without what continues a page that a server has drawn: ours is drawn by the browser alone, and a constant is left out. */
export function fresh(): Plugin {
  return {
    name: "svelte-without-hydration",
    apply: "build",
    enforce: "pre",
    transform: (code, id) =>
      id.endsWith("/svelte/src/internal/client/dom/hydration.js")
        ? code.replace("export let hydrating = false;", "export const hydrating = false;").replace("hydrating = value;", "")
        : null,
  };
}

/** Parts of MapLibre's sheet that dress what this page does not have. */
const UNUSED = /ctrl-group|ctrl-icon|ctrl-logo|user-location|marker|cooperative|geolocate|compact/;
const RULE = /([^{}@]+)\{[^{}]*\}/g;
const EMPTY = /@(?:media|-[a-z]+-keyframes|keyframes)[^{}]*\{\s*\}/g;

/** MapLibre's sheet without the rules that could not match anything here; nine tenths of it are pictures for buttons. */
export function sheet(): Plugin {
  const useless = (selectors: string): boolean => selectors.split(",").every((selector) => UNUSED.test(selector));
  return {
    name: "maplibre-sheet",
    apply: "build",
    enforce: "pre",
    transform: (code, id) =>
      id.endsWith("maplibre-gl.css")
        ? code.replace(RULE, (rule: string, selectors: string) => (useless(selectors) ? "" : rule)).replace(EMPTY, "")
        : null,
  };
}

const MESSAGES = /\/messages\/\w+\.ts$/;
const TABLE = /^export const (\w+) = \{[^]*?^\}[^\n]*;/gm;

/** In a file of messages: what no part says that is there at once. */
const SAID_LATER = /^ +\/\/ Said by parts that come later.*([^]*?)^\}/m;

/**
 * Tables of messages beside the page's own: what the server says itself it reads there (geoserver/catalog/languages.py), and
 * `fr.ts?downloads` is the table of that name alone, for the part of the page that says it. `fr.ts?later` is what of the
 * page's own is said later: none of it by a part that is there at once.
 */
export function messages(): Plugin {
  return {
    name: "messages",
    apply: "build",
    enforce: "pre",
    transform: (code, id) => {
      const [path, table] = id.split("?");
      if (!MESSAGES.test(path!)) return null;
      const later = SAID_LATER.exec(code)?.[1] ?? "";
      if (path!.endsWith("/en.ts") && !saidLater.length) saidLater.push(...[...later.matchAll(/^ {2}(\w+):/gm)].map(([, key]) => key!));
      if (!table) return code.replace(TABLE, "").replace(SAID_LATER, "}");
      if (table === "later") return `export default {${later}};`;
      return [...code.matchAll(TABLE)].find(([, name]) => name === table)?.[0] ?? null;
    },
  };
}

/** Lay `name.br` beside each text file; the server sends it to whom takes it. */
export function precompress(): Plugin {
  let folder = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved: ({ root, build }) => {
      folder = resolve(root, build.outDir, "assets");
    },
    writeBundle: async () => {
      const names = (await readdir(folder)).filter((name) => /\.(?:js|css)$/.test(name));
      await Promise.all(names.map((name) => packFile(join(folder, name))));
    },
  };
}

async function packFile(path: string): Promise<void> {
  const body = await readFile(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length };
  await writeFile(`${path}.br`, await pack(body, { params }));
}
