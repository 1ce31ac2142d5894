import { mount } from "svelte";
import "maplibre-gl/dist/maplibre-gl.css";
import "../map/map.css";
import "../dress/tokens.css";
import "../ui/style.css";
import "./embed.css";
import { NARROW, parseOptions, stepBack } from "./options.ts";
import Widget from "./Widget.svelte";
import { readWords } from "./words.ts";

const target = document.getElementById("app")!;
const { options, state } = parseOptions(location.search);
const say = readWords(document);

async function show(): Promise<void> {
  const frozen = options.frozen ? await (await import("./frozen.ts")).openMap(options.frozen, state) : undefined;
  const picture = target.querySelector("picture");
  const look = matchMedia(`(max-width: ${NARROW}px)`).matches ? stepBack : String;
  target.replaceChildren();
  mount(Widget, {
    target,
    props: { options, frozen, search: look(frozen?.search ?? state), hash: look(location.hash), say, picture },
  });
}

// Until somebody sees it (`start.ts`), the picture that the server has put there is enough.
if ("seen" in target.dataset) void show();
else target.addEventListener("seen", () => void show(), { once: true });
