/** A popup at a place of the map; it closes through the page's state alone. */
import { Popup, type Map as MapLibreMap } from "maplibre-gl";

/** Pixels between a popup and the edge of the map, and about as many between it and its place. */
const ROOM = 16;
const OPTIONS = { closeButton: false, closeOnClick: false, focusAfterOpen: false, maxWidth: "320px", offset: 16 };

export class PlacePopup {
  #map: MapLibreMap;
  #popup: Popup;
  #grown: ResizeObserver;

  constructor(map: MapLibreMap, at: [number, number], content: HTMLElement) {
    this.#map = map;
    this.#popup = new Popup({ ...OPTIONS, anchor: "bottom" }).setLngLat(at).setDOMContent(content).addTo(map);
    // What is in it comes later, and makes it larger.
    this.#grown = new ResizeObserver(() => this.#place(at));
    this.#grown.observe(content);
  }

  /** Put it on the side of its place that has more room, and bring what hangs over the edge into the map. */
  #place(at: [number, number]): void {
    const element = this.#popup.getElement();
    if (!element) return;
    const { clientWidth: width, clientHeight } = this.#map.getContainer();
    const height = clientHeight - (this.#map.getPadding().bottom ?? 0);
    const place = this.#map.project(at);
    const above = place.y > height / 2 || place.y > element.offsetHeight + 2 * ROOM;
    this.#popup.options.anchor = above ? "bottom" : "top";
    this.#popup.setLngLat(at);
    const [half, tall] = [element.offsetWidth / 2 + ROOM, element.offsetHeight + 2 * ROOM];
    const over = (value: number, low: number, high: number): number => Math.min(0, value - low) + Math.max(0, value - high);
    const dx = over(place.x, half, Math.max(half, width - half));
    const dy = above ? over(place.y, tall, Math.max(tall, height - ROOM)) : over(place.y, ROOM, Math.max(ROOM, height - tall));
    if (dx || dy) this.#map.panBy([dx, dy]);
  }

  remove(): void {
    this.#grown.disconnect();
    this.#popup.remove();
  }
}
