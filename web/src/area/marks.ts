/** How an area and the place that is asked about look on the map. */
import { MARKS, type Marks } from "../map/style.ts";
import type { Position } from "../filter/question.ts";
import { circleRing } from "./shapes.ts";

/** As the page's tokens have them, which the map cannot read. */
export const INK = { light: "#17616a", dark: "#6ec2c9" } as const;
export const HALO = { light: "#ffffff", dark: "#0d1416" } as const;

/** `around`: metres around the pin that are asked about. */
export function buildMarks(
  theme: "light" | "dark",
  area: GeoJSON.Geometry | null,
  pin: Position | null,
  around: number | null,
): Marks | null {
  if (!area && !pin) return null;
  const feature = (part: string, geometry: GeoJSON.Geometry): GeoJSON.Feature => ({ type: "Feature", properties: { part }, geometry });
  const data: GeoJSON.FeatureCollection = {
    type: "FeatureCollection",
    features: [
      ...(area ? [feature("area", area)] : []),
      ...(pin && around ? [feature("around", { type: "LineString", coordinates: circleRing(pin, around) })] : []),
      ...(pin ? [feature("pin", { type: "Point", coordinates: pin })] : []),
    ],
  };
  return { data, layers: listLayers(INK[theme], HALO[theme]) };
}

function listLayers(ink: string, halo: string): Marks["layers"] {
  const only = (part: string): ["==", ["get", string], string] => ["==", ["get", "part"], part];
  const round = { "line-cap": "round", "line-join": "round" } as const;
  const source = MARKS;
  return [
    { id: "area-fill", type: "fill", source, filter: only("area"), paint: { "fill-color": ink, "fill-opacity": 0.07 } },
    {
      id: "area-halo",
      type: "line",
      source,
      filter: only("area"),
      layout: round,
      paint: { "line-color": halo, "line-width": 6, "line-opacity": 0.85 },
    },
    { id: "area-line", type: "line", source, filter: only("area"), layout: round, paint: { "line-color": ink, "line-width": 2.5 } },
    {
      id: "pin-around",
      type: "line",
      source,
      filter: only("around"),
      paint: { "line-color": ink, "line-width": 2, "line-dasharray": [2, 2] },
    },
    {
      id: "pin-disc",
      type: "circle",
      source,
      filter: only("pin"),
      paint: { "circle-radius": 9, "circle-color": ink, "circle-stroke-color": halo, "circle-stroke-width": 3 },
    },
    { id: "pin-dot", type: "circle", source, filter: only("pin"), paint: { "circle-radius": 3.5, "circle-color": halo } },
  ];
}
