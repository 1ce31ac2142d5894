import { mount } from "svelte";
import "maplibre-gl/dist/maplibre-gl.css";
import "../map/map.css";
import "../dress/tokens.css";
import "../ui/style.css";
import App from "./App.svelte";

/** Vite asks once for the style of a part that comes later; one that did not come is asked for again, each time after twice as long. */
let wait = 500;
document.addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLLinkElement && target.rel === "stylesheet")
      setTimeout(() => target.replaceWith(target.cloneNode()), (wait *= 2));
  },
  true,
);

const target = document.getElementById("app")!;
// Until now the page's outline stood there.
target.replaceChildren();
mount(App, { target });
