/** The archive that holds the tiles of all rows, of the basemap and of the world. */
import { PMTiles } from "pmtiles";
import { BINS } from "../map/bins.ts";
import type { Bounds } from "../query/types.ts";
import type { Bytes } from "./bytes.ts";
import { keep } from "./keep.ts";
import { join, readLayers, type TileLayer } from "./mvt.ts";

/** Tiles kept: each is asked for by several sources of the style. */
const MOST = 64;
/** Cells across a tile where the archive tells of none (geoserver/grid.py). */
const [AFAR, NEARBY, NEAR] = [64, 32, 12];

export class Archive {
  #tiles: PMTiles;
  #known = new Map<string, Promise<TileLayer[]>>();
  #cells = new Map<string, Promise<number>>();
  #bounds: (layer: string) => Bounds | null;

  constructor(file: Bytes, bounds: (layer: string) => Bounds | null) {
    this.#bounds = bounds;
    this.#tiles = new PMTiles({
      getKey: () => file.url,
      getBytes: async (offset, length) => ({ data: await file.read(offset, offset + length) }),
    });
  }

  #read(z: number, x: number, y: number): Promise<TileLayer[]> {
    return keep(this.#known, `${z}/${x}/${y}`, MOST, async () => {
      const found = await this.#tiles.getZxy(z, x, y);
      return found ? readLayers(new Uint8Array(found.data)) : [];
    });
  }

  /** Of a tile those of its layers that are wanted. */
  async tile(z: number, x: number, y: number, wanted: (layer: string) => boolean): Promise<Uint8Array> {
    const layers = await this.#read(z, x, y);
    return join(layers.filter(({ name }) => wanted(name)).map(({ data }) => data));
  }

  /** How many bins lie across a tile of a layer at a zoom: as those of all rows that the archive has there. */
  cellsOf(layer: string, zoom: number): Promise<number> {
    return keep(this.#cells, `${layer} ${zoom}`, 1000, async () => {
      const [west, south, east, north] = this.#bounds(layer) ?? [0, 0, 0, 0];
      const scale = 2 ** zoom;
      const column = (lon: number): number => Math.floor(((lon + 180) / 360) * scale);
      const line = (lat: number): number => Math.floor(((1 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / Math.PI) / 2) * scale);
      for (const x of span(column(west!), column(east!)))
        for (const y of span(line(north!), line(south!))) {
          const bins = (await this.#read(zoom, x, y)).find(({ name }) => name === layer + BINS);
          if (bins) return bins.extent;
        }
      return zoom < NEAR ? AFAR : NEARBY;
    });
  }
}

/** From the middle to both ends, a few: where a city is dense there are bins. */
function span(from: number, to: number): number[] {
  const middle = Math.floor((from + to) / 2);
  return [middle, middle + 1, middle - 1, middle + 2, middle - 2].filter((each) => each >= from && each <= to);
}
