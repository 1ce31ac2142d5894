/** Points in the order of a Z-curve, so that those of a tile are one stretch of it, at any zoom. */
import type { Points } from "./columns.ts";

/** Of the cells along the curve: 2 x 15 bits are one number. */
const LEVEL = 15;

export class PointIndex {
  /** By row: 0 to 1 from the north-west of Web Mercator's square; no number where there is no place. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Rows along the curve, and the cell of each. */
  readonly order: Uint32Array;
  readonly cells: Uint32Array;

  constructor({ lon, lat }: Points) {
    const count = lon.length;
    this.x = new Float64Array(count);
    this.y = new Float64Array(count);
    const keys = new Float64Array(count);
    let held = 0;
    for (let row = 0; row < count; row++) {
      this.x[row] = (lon[row]! + 180) / 360;
      this.y[row] = (1 - Math.asinh(Math.tan((lat[row]! * Math.PI) / 180)) / Math.PI) / 2;
      // A cell and a row are one number to be sorted by: 30 bits and 23.
      if (Number.isFinite(this.x[row]! + this.y[row]!)) keys[held++] = cellOf(this.x[row]!, this.y[row]!) * 2 ** 23 + row;
    }
    const sorted = keys.subarray(0, held).sort();
    this.order = new Uint32Array(held);
    this.cells = new Uint32Array(held);
    for (let at = 0; at < held; at++) {
      const cell = Math.floor(sorted[at]! / 2 ** 23);
      this.cells[at] = cell;
      this.order[at] = sorted[at]! - cell * 2 ** 23;
    }
  }

  /** Where the rows of a tile stand along the curve; beyond the finest cells, those of the cell around it. */
  stretch(z: number, x: number, y: number): [from: number, to: number] {
    const level = Math.min(z, LEVEL);
    const cell = interleave(x >> (z - level), y >> (z - level)) * 4 ** (LEVEL - level);
    return [this.#find(cell), this.#find(cell + 4 ** (LEVEL - level))];
  }

  #find(cell: number): number {
    let [low, high] = [0, this.cells.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.cells[middle]! < cell) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The most of the chosen rows that lie in one tile of a zoom. */
  densest(zoom: number, chosen: Uint8Array): number {
    const size = 4 ** (LEVEL - Math.min(zoom, LEVEL));
    let [most, count, tile] = [0, 0, -1];
    for (let at = 0; at < this.order.length; at++) {
      if (!chosen[this.order[at]!]) continue;
      const own = Math.floor(this.cells[at]! / size);
      count = own === tile ? count + 1 : 1;
      tile = own;
      if (count > most) most = count;
    }
    return most;
  }
}

const clamp = (value: number): number => Math.min(Math.max(Math.floor(value * 2 ** LEVEL), 0), 2 ** LEVEL - 1);
const cellOf = (x: number, y: number): number => interleave(clamp(x), clamp(y));

function interleave(x: number, y: number): number {
  return (spread(x) | (spread(y) << 1)) >>> 0;
}

/** The bits of a number with a nought between each. */
function spread(value: number): number {
  let bits = value & 0x7fff;
  bits = (bits | (bits << 8)) & 0x00ff00ff;
  bits = (bits | (bits << 4)) & 0x0f0f0f0f;
  bits = (bits | (bits << 2)) & 0x33333333;
  return (bits | (bits << 1)) & 0x55555555;
}
