/** A finger that rests on the map: what the right button is to a mouse. Not every browser says so by itself. */
import type { Map as MapLibreMap, MapTouchEvent } from "maplibre-gl";

/** Milliseconds that it rests, and pixels that it may tremble. */
const RESTS = 550;
const TREMBLES = 8;

/** Tell where, in degrees, as long as there is the map. */
export function onHold(map: MapLibreMap, held: (at: [number, number]) => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let start: MapTouchEvent | null = null;
  const release = (): void => clearTimeout(timer);
  map.on("touchstart", (event) => {
    release();
    start = event;
    if (event.points.length === 1) timer = setTimeout(() => held(event.lngLat.toArray()), RESTS);
  });
  map.on("touchmove", ({ point }) => {
    if (start && point.dist(start.point) > TREMBLES) release();
  });
  for (const name of ["touchend", "touchcancel", "contextmenu", "remove"] as const) map.on(name, release);
}
