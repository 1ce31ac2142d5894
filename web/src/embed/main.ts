import { mount } from "svelte";
import "maplibre-gl/dist/maplibre-gl.css";
import "../map/map.css";
import "../dress/tokens.css";
import "../ui/style.css";
import "./embed.css";
import { parseOptions } from "./options.ts";
import { whenSeen } from "./seen.ts";
import Widget from "./Widget.svelte";
import { readWords } from "./words.ts";

const target = document.getElementById("app")!;
const { options, state } = parseOptions(location.search);
const say = readWords(document);
// Until somebody sees it, the picture that the server has put there is enough.
void whenSeen(target).then(async () => {
  const frozen = options.frozen ? await (await import("./frozen.ts")).openMap(options.frozen, state) : undefined;
  const picture = target.querySelector("picture");
  // Where there is a picture there will be a map: what draws it is asked for before all else, but after the picture.
  if (picture) void import("../map/city-map.ts").catch(() => undefined);
  target.replaceChildren();
  mount(Widget, {
    target,
    props: { options, frozen, search: frozen?.search ?? state, hash: location.hash, say, picture },
  });
});
