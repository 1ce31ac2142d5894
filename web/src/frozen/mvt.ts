/** Vector tiles as their parts: a tile is its layers, one after the other, and may be cut and joined between them. */

/** A tag and a length as they stand before what they announce. */
function readVarint(data: Uint8Array, at: number): [value: number, after: number] {
  let [value, factor] = [0, 1];
  for (;;) {
    const byte = data[at++]!;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return [value, at];
    factor *= 128;
  }
}

const LAYER = (3 << 3) | 2;
const NAME = (1 << 3) | 2;
const EXTENT = 5 << 3;

export interface TileLayer {
  name: string;
  extent: number;
  /** With its tag and length, as it stands in the tile. */
  data: Uint8Array;
}

export function readLayers(tile: Uint8Array): TileLayer[] {
  const layers: TileLayer[] = [];
  for (let at = 0; at < tile.length;) {
    const start = at;
    const [tag, from] = readVarint(tile, at);
    const [length, body] = readVarint(tile, from);
    at = body + length;
    if (tag === LAYER) layers.push({ ...readHead(tile, body, at), data: tile.subarray(start, at) });
  }
  return layers;
}

function readHead(tile: Uint8Array, from: number, to: number): { name: string; extent: number } {
  let [name, extent] = ["", 4096];
  for (let at = from; at < to;) {
    const [tag, after] = readVarint(tile, at);
    const [value, next] = readVarint(tile, after);
    if (tag === NAME) name = new TextDecoder().decode(tile.subarray(next, next + value));
    if (tag === EXTENT) extent = value;
    // Behind a tag that announces bytes they follow; of all others a layer has numbers alone.
    at = (tag & 7) === 2 ? next + value : next;
  }
  return { name, extent };
}

export function join(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
