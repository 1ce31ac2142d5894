import { mount } from "svelte";
import "maplibre-gl/dist/maplibre-gl.css";
import "../map/map.css";
import "../dress/tokens.css";
import "../ui/style.css";
import App from "./App.svelte";

const target = document.getElementById("app")!;
// Until now the page's outline stood there.
target.replaceChildren();
mount(App, { target });
