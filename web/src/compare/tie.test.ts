import assert from "node:assert/strict";
import { test } from "node:test";
import { tie, type Tied } from "./tie.ts";

interface Camera {
  center: unknown;
  zoom: number;
  padding: unknown;
}

/** Of a map what a tie touches: it tells of each move at once, as MapLibre does, and notes when it is drawn. */
class MapLike {
  camera: Camera;
  drawn: Camera[] = [];
  told: string[] = [];
  #listeners = new Map<string, Set<(event: object) => void>>();

  constructor(zoom: number) {
    this.camera = { center: [0, 0], zoom, padding: { bottom: 0 } };
  }
  on(name: string, listener: (event: object) => void): void {
    this.#listeners.set(name, (this.#listeners.get(name) ?? new Set()).add(listener));
  }
  off(name: string, listener: (event: object) => void): void {
    this.#listeners.get(name)?.delete(listener);
  }
  tell(name: string, event: object): void {
    if (name === "moveend") this.told.push("quiet" in event ? "quiet" : "loud");
    for (const listener of this.#listeners.get(name) ?? []) listener(event);
  }
  move(camera: Partial<Camera>, event: object = {}): void {
    this.camera = { ...this.camera, ...camera };
    this.tell("move", event);
  }
  jumpTo(camera: Partial<Camera>, event: object = {}): void {
    this.move(camera, event);
    this.tell("moveend", event);
  }
  redraw(): void {
    this.drawn.push(this.camera);
  }
  getCenter = (): unknown => this.camera.center;
  getZoom = (): number => this.camera.zoom;
  getPadding = (): unknown => this.camera.padding;
}

const pair = (): [MapLike, MapLike, () => void] => {
  const [one, two] = [new MapLike(3), new MapLike(9)];
  return [one, two, tie(one as unknown as Tied, two as unknown as Tied)];
};

test("the second map takes the place of the first, and says nothing about it", () => {
  const [one, two] = pair();
  assert.deepEqual(two.camera, one.camera);
  assert.deepEqual([one.told, two.told], [[], ["quiet"]]);
});

test("whichever is moved, the other is drawn in the same place before the next frame", () => {
  const [one, two] = pair();
  for (const [leader, follower] of [
    [one, two],
    [two, one],
  ] as const) {
    for (const zoom of [4, 4.5, 5]) {
      leader.move({ zoom, center: [zoom, 1], padding: { bottom: zoom } });
      assert.deepEqual(follower.drawn.at(-1), leader.camera);
    }
  }
});

test("at rest both say where they are, once; what is quiet stays so", () => {
  const [one, two] = pair();
  one.told = [];
  two.move({ zoom: 6 });
  two.tell("moveend", {});
  assert.equal(one.told.filter((each) => each === "loud").length, 1);
  one.told = [];
  two.jumpTo({ zoom: 7 }, { quiet: true });
  assert.ok(one.told.every((each) => each === "quiet"));
  assert.equal(one.camera.zoom, 7);
});

test("untied, each goes its own way", () => {
  const [one, two, untie] = pair();
  untie();
  one.move({ zoom: 12 });
  assert.equal(two.camera.zoom, 3);
});
