/** The page over a frozen map: the whole viewer, with a folder in place of the server. */
import { mount } from "svelte";
import "maplibre-gl/dist/maplibre-gl.css";
import "../map/map.css";
import "../dress/tokens.css";
import "../ui/style.css";
import App from "../app/App.svelte";
import FrozenDress from "./FrozenDress.svelte";
import { showFault } from "./fault.ts";
import { withoutFilters } from "./manifest.ts";

/** The words that the server has for what is true or not. */
const FILES = import.meta.glob<{ yes: string; no: string }>("../messages/*.ts", { query: "?server", import: "server" });

async function sayTruth(lang: string): Promise<[no: string, yes: string]> {
  const { no, yes } = await (FILES[`../messages/${lang}.ts`] ?? FILES["../messages/en.ts"]!)();
  return [no, yes];
}

const target = document.getElementById("app")!;

async function start(): Promise<void> {
  const root = new URL(".", document.baseURI).href;
  const [{ openFrozen }, { serveTiles }] = await Promise.all([import("./open.ts"), import("./protocol.ts")]);
  const frozen = await openFrozen(root, fetch, sayTruth);
  serveTiles(frozen);
  if (!location.search) history.replaceState(history.state, "", withoutFilters(frozen.manifest.query) + location.hash);
  target.replaceChildren();
  mount(App, { target, props: { frozen, Dress: FrozenDress } });
}

start().catch((error: unknown) => {
  console.error(error);
  void showFault(target);
});
