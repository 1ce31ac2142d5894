/** Terra Draw behind a small door: a shape is drawn or changed on the map, and told as an area. */
import type { StyleSpecification } from "maplibre-gl";
import {
  TerraDraw,
  TerraDrawCircleMode,
  TerraDrawPolygonMode,
  TerraDrawRectangleMode,
  TerraDrawSelectMode,
  ValidateNotSelfIntersecting,
  type GeoJSONStoreFeatures,
} from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";
import type { Area, Position } from "../filter/question.ts";
import type { CityMap } from "../map/city-map.ts";
import { ringOf, round, toArea, type Drawn } from "./shapes.ts";

/** Colours of lines, and of what lies around them. */
export interface Look {
  ink: `#${string}`;
  halo: `#${string}`;
}

export interface Tell {
  drawn(area: Area): void;
  /** Lines would cross, so that what was wanted is not done; or they no longer would. */
  crossing(crosses: boolean): void;
  /** Corners that are there of a polygon. */
  corners(count: number): void;
}

/** Before the names of sources and layers that Terra Draw adds to the map. */
const DRAWING = "drawing";

/** Pixels of handles, for a mouse and for a finger, and around them that count as on them. */
const HANDLE = { fine: 6, coarse: 10 };
const REACH = { fine: 20, coarse: 34 };
/** Of a circle's many corners every so many is a handle to be seen. */
const SEEN = 16;
const CIRCLE_STEPS = 64;

type Properties = GeoJSONStoreFeatures["properties"];

export class Drawing {
  #draw: TerraDraw;
  #map: CityMap;
  #tell: Tell;
  /** What is changed is a circle. */
  #round = false;

  constructor(map: CityMap, look: Look, tell: Tell) {
    this.#map = map;
    this.#tell = tell;
    const pointer = matchMedia("(pointer: coarse)").matches ? "coarse" : "fine";
    // A finger that moves moves the map.
    const drawInteraction = pointer === "coarse" ? "click-move" : "click-move-or-drag";
    const styles = stylesOf(look, HANDLE[pointer], ({ properties }) => !this.#round || Number(properties["index"]) % SEEN === 0);
    const validation: typeof ValidateNotSelfIntersecting = (feature) => this.#validate(feature);
    const common = { keyEvents: null, styles: styles.drawn };
    this.#draw = new TerraDraw({
      adapter: new TerraDrawMapLibreGLAdapter({ map: map.inner, prefixId: DRAWING, coordinatePrecision: 9 }),
      modes: [
        new TerraDrawPolygonMode({
          keyEvents: null,
          styles: { ...styles.drawn, ...styles.closing },
          pointerDistance: REACH[pointer],
          validation: (feature, { updateType }) => (updateType === "provisional" ? { valid: true } : this.#validate(feature)),
        }),
        new TerraDrawRectangleMode({ ...common, drawInteraction }),
        new TerraDrawCircleMode({ ...common, drawInteraction, segments: CIRCLE_STEPS }),
        new TerraDrawSelectMode({
          keyEvents: null,
          styles: styles.selected,
          pointerDistance: REACH[pointer],
          allowManualDeselection: false,
          flags: {
            polygon: { feature: { draggable: true, validation, coordinates: { draggable: true, midpoints: true, deletable: true } } },
            rectangle: { feature: { draggable: true, coordinates: { resizable: "opposite" } } },
            circle: { feature: { draggable: true, coordinates: { resizable: "center" } } },
          },
        }),
      ],
    });
    map.keep = keepDrawing;
    map.inner.getCanvas().addEventListener("pointerdown", followFinger);
    this.#draw.start();
    this.#draw.on("finish", (id) => this.#finish(this.#draw.getSnapshotFeature(id)));
    this.#draw.on("change", () => this.#tell.corners(this.#corners().length));
  }

  /** Draw a new shape from here on. */
  begin(kind: Drawn): void {
    this.#draw.clear();
    this.#draw.setMode(kind);
  }

  /** Let a drawn area be changed by its handles; false for one that has none. */
  change(area: Area): boolean {
    const ring = ringOf(area);
    if (!ring || area.kind === "feature") return false;
    this.#draw.clear();
    this.#round = area.kind === "circle";
    const mode = area.kind === "box" ? "rectangle" : area.kind;
    const properties: Properties = { mode };
    if (area.kind === "circle") properties["radiusKilometers"] = area.radius / 1000;
    const coordinates = [ring.map(([lon, lat]): Position => [round(lon), round(lat)])];
    const [added] = this.#draw.addFeatures([{ type: "Feature", properties, geometry: { type: "Polygon", coordinates } }]);
    if (!added?.valid || added.id === undefined) return false;
    this.#draw.setMode("select");
    this.#draw.selectFeature(added.id);
    return true;
  }

  /** Press the map in its middle, for those who have no pointer to press with. */
  pressMiddle(): void {
    const map = this.#map.inner;
    const canvas = map.getCanvas();
    const box = canvas.getBoundingClientRect();
    const { x, y } = map.project(map.getCenter());
    const where = { clientX: box.left + x, clientY: box.top + y, button: 0, isPrimary: true, pointerId: 1, bubbles: false };
    for (const name of ["pointermove", "pointerdown", "pointerup", "pointermove"]) canvas.dispatchEvent(new PointerEvent(name, where));
  }

  /** The polygon is done with the corners that are there. */
  close(): void {
    const corners = this.#corners();
    if (corners.length < 3) return;
    const ring = [...corners, corners[0]!];
    const { valid } = this.#validate({ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } });
    const area = valid && toArea("polygon", ring);
    if (area) this.#tell.drawn(area);
  }

  stop(): void {
    this.#draw.stop();
    delete this.#map.keep;
    this.#map.inner.getCanvas().removeEventListener("pointerdown", followFinger);
    this.#map.inner.getCanvas().style.removeProperty("cursor");
  }

  /** Those of a polygon that have been set, without the one that follows the pointer. */
  #corners(): Position[] {
    const feature = this.#draw.getSnapshot().find(({ properties }) => properties["currentlyDrawing"] && properties["mode"] === "polygon");
    const set = Number(feature?.properties["committedCoordinateCount"] ?? 0);
    return feature?.geometry.type === "Polygon" ? (feature.geometry.coordinates[0]!.slice(0, set) as Position[]) : [];
  }

  #finish(feature: GeoJSONStoreFeatures | undefined): void {
    if (feature?.geometry.type !== "Polygon") return;
    const area = toArea(feature.properties["mode"] as Drawn, feature.geometry.coordinates[0]!);
    if (area) this.#tell.drawn(area);
  }

  #validate(feature: GeoJSONStoreFeatures): ReturnType<typeof ValidateNotSelfIntersecting> {
    const found = ValidateNotSelfIntersecting(feature);
    this.#tell.crossing(!found.valid);
    return found;
  }
}

function stylesOf({ ink, halo }: Look, handle: number, shown: (feature: GeoJSONStoreFeatures) => boolean) {
  return {
    drawn: { fillColor: ink, fillOpacity: 0.12, outlineColor: ink, outlineWidth: 3 },
    closing: {
      closingPointColor: halo,
      closingPointWidth: handle,
      closingPointOutlineColor: ink,
      closingPointOutlineWidth: 3,
      coordinatePointColor: ink,
    },
    selected: {
      selectedPolygonColor: ink,
      selectedPolygonFillOpacity: 0.12,
      selectedPolygonOutlineColor: ink,
      selectedPolygonOutlineWidth: 3,
      selectionPointColor: halo,
      selectionPointOutlineColor: ink,
      selectionPointWidth: (feature: GeoJSONStoreFeatures) => (shown(feature) ? handle : 0),
      selectionPointOutlineWidth: (feature: GeoJSONStoreFeatures) => (shown(feature) ? 3 : 0),
      midPointColor: ink,
      midPointOutlineColor: halo,
      midPointWidth: handle / 2,
      midPointOutlineWidth: 2,
    },
  } as const;
}

/** A finger comes down without having moved there, and Terra Draw gives a shape the size to which a pointer has moved. */
function followFinger({ pointerType, target, isPrimary, clientX, clientY }: PointerEvent): void {
  if (pointerType !== "mouse") target?.dispatchEvent(new PointerEvent("pointermove", { isPrimary, clientX, clientY }));
}

/** A style with what is drawn, of which it does not know. */
function keepDrawing(before: StyleSpecification | undefined, next: StyleSpecification): StyleSpecification {
  const sources = Object.entries(before?.sources ?? {}).filter(([id]) => id.startsWith(DRAWING));
  const layers = before?.layers.filter(({ id }) => id.startsWith(DRAWING)) ?? [];
  return { ...next, sources: { ...next.sources, ...Object.fromEntries(sources) }, layers: [...next.layers, ...layers] };
}
