// Asks a frozen folder, as its page does, the addresses that stand on standard input, one a line, and prints each answer as
// `{"status": 200, "body": ...}`; tests compare them with those of the server that it was made by.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openFrozen } from "../src/frozen/open.ts";

const root = pathToFileURL(`${process.argv[2]}/`).href;
const fromDisk = async (url) => new Response(await readFile(fileURLToPath(url)));
const frozen = await openFrozen(root, fromDisk);

for await (const address of createInterface({ input: process.stdin })) {
  if (address.startsWith("frozen:")) {
    const tile = await frozen.tile(address);
    console.log(JSON.stringify({ status: 200, tile: Buffer.from(tile).toString("base64") }));
    continue;
  }
  const answer = await frozen.fetch(new URL(address, root).href);
  console.log(`{"status": ${answer.status}, "body": ${(await answer.text()) || "null"}}`);
}
