// Writes the types of the server's documents from its description on standard input; with --check it only compares.
//
//     .venv/bin/python web/scripts/openapi.py | node web/scripts/types.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { json } from "node:stream/consumers";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const FILE = new URL("../src/query/openapi.d.ts", import.meta.url);
const HEAD = "/** Made by scripts/types.mjs from the server's /openapi.json: do not edit. */\n";

/** Any value of a field: whole numbers of JSON may be too large for a number (see json.ts). */
const transform = (schema, { path }) => (path?.endsWith("/schemas/Scalar") ? ts.factory.createTypeReferenceNode("ExactScalar") : undefined);

const { openapi, info, components } = await json(process.stdin);
const document = { openapi, info, paths: {}, components: { schemas: components.schemas } };
const inject = 'import type { ExactScalar } from "./json.ts";\n';
const text = HEAD + astToString(await openapiTS(document, { transform, inject, alphabetize: true, defaultNonNullable: false }));

if (!process.argv.includes("--check")) writeFileSync(FILE, text);
else if (readFileSync(FILE, "utf8") !== text) {
  console.error("web/src/query/openapi.d.ts is not what the server says: run `make types`");
  process.exit(1);
}
