/** The page over a frozen map: the whole viewer, with a folder in place of the server. */
import { mount } from "svelte";
import "maplibre-gl/dist/maplibre-gl.css";
import "../map/map.css";
import "../dress/tokens.css";
import "../ui/style.css";
import App from "../app/App.svelte";
import FrozenDress from "./FrozenDress.svelte";
import { showFault } from "./fault.ts";
import { complete } from "./manifest.ts";

const target = document.getElementById("app")!;

async function start(): Promise<void> {
  const root = new URL(".", document.baseURI).href;
  const [{ openApart }, { serveTiles }] = await Promise.all([import("./apart.ts"), import("./protocol.ts")]);
  const frozen = await openApart(root);
  serveTiles(frozen);
  const search = complete(location.search, frozen.manifest);
  if (search !== location.search) history.replaceState(history.state, "", search + location.hash);
  target.replaceChildren();
  mount(App, { target, props: { frozen, Dress: FrozenDress } });
}

start().catch((error: unknown) => {
  console.error(error);
  void showFault(target);
});
