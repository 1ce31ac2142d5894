/** The limit of what a page may reach: MapLibre as the viewer has it, one style, one place, and nothing else. For benchmarks/slow.py. */
import { Map as MapLibreMap, setWorkerUrl, type LngLatBoundsLike } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "virtual:map-worker";

setWorkerUrl(workerUrl);
const asked = new URLSearchParams(location.search);
new MapLibreMap({
  container: "map",
  style: asked.get("style")!,
  bounds: JSON.parse(asked.get("bounds")!) as LngLatBoundsLike,
  fitBoundsOptions: { padding: 24 },
});
