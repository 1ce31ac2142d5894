// Lets Node run modules with Svelte's runes as they stand in the sources, for the unit tests.
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { compileModule } from "svelte/compiler";

registerHooks({
  load(url, context, next) {
    if (!url.endsWith(".svelte.ts")) return next(url, context);
    const filename = fileURLToPath(url);
    // Files found by Vite, such as languages, are not there: tests speak English.
    const source = stripTypeScriptTypes(readFileSync(filename, "utf8")).replaceAll("import.meta.glob", "((..._) => ({}))");
    const { js } = compileModule(source, { filename, generate: "client" });
    return { format: "module", source: js.code, shortCircuit: true };
  },
});
