/** Two maps that move as one. */
import type { Map as MapLibreMap, MapEventType } from "maplibre-gl";

/** Of MapLibre's map, what tying it takes. */
export type Tied = Pick<MapLibreMap, "on" | "off" | "jumpTo" | "redraw" | "getCenter" | "getZoom" | "getPadding">;

/**
 * Whichever of both is moved, the other one has the same camera when it is drawn: it is drawn at once, for in the next frame
 * it would lag behind. The second takes the place of the first; what to call in the end is given back.
 */
export function tie(first: Tied, second: Tied): () => void {
  let following = false;

  function follow(leader: Tied, follower: Tied, quiet: boolean): void {
    following = true;
    const camera = { center: leader.getCenter(), zoom: leader.getZoom(), padding: leader.getPadding() };
    follower.jumpTo(camera, quiet ? { quiet: true } : {});
    follower.redraw();
    following = false;
  }

  const untied = [
    [first, second],
    [second, first],
  ].map(([leader, follower]) => {
    const move = (): void => {
      if (!following) follow(leader!, follower!, true);
    };
    // Where it comes to rest is told by both, each in its address; what is moved quietly stays quiet.
    const rest = (event: MapEventType["moveend"]): void => {
      if (!following) follow(leader!, follower!, "quiet" in event);
    };
    leader!.on("move", move);
    leader!.on("moveend", rest);
    return () => {
      leader!.off("move", move);
      leader!.off("moveend", rest);
    };
  });
  follow(first, second, true);
  return () => untied.forEach((untie) => untie());
}
