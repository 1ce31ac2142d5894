/** Well-known binary, as GeoParquet has it: flat geometries of degrees; heights and measures are left aside. */
import type { Position } from "../filter/question.ts";

const NAMES = ["", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"] as const;

class Reader {
  #view: DataView;
  #at = 0;
  #little = true;
  /** Numbers of a position. */
  #size = 2;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #count(): number {
    const value = this.#view.getUint32(this.#at, this.#little);
    this.#at += 4;
    return value;
  }

  #position(): Position {
    const at = this.#at;
    this.#at += 8 * this.#size;
    return [this.#view.getFloat64(at, this.#little), this.#view.getFloat64(at + 8, this.#little)];
  }

  #list<T>(read: () => T): T[] {
    return Array.from({ length: this.#count() }, read);
  }

  read(): GeoJSON.Geometry {
    this.#little = this.#view.getUint8(this.#at++) === 1;
    const code = this.#count();
    // ISO tells heights by thousands, PostGIS by the highest bits.
    this.#size = 2 + Number(code % 10_000 >= 1000 && code < 4000) + Number(code % 10_000 >= 3000 && code < 4000);
    if (code > 0xffff) {
      this.#size = 2 + (code >>> 31) + ((code >>> 30) & 1);
      if (code & 0x20000000) this.#at += 4;
    }
    const type = NAMES[(code & 0xffff) % 1000];
    const line = (): Position[] => this.#list(() => this.#position());
    const coordinates = <T>(): T => (this.read() as unknown as { coordinates: T }).coordinates;
    if (type === "Point") return { type, coordinates: this.#position() };
    if (type === "LineString") return { type, coordinates: line() };
    if (type === "Polygon") return { type, coordinates: this.#list(line) };
    if (type === "MultiPoint") return { type, coordinates: this.#list(() => coordinates<Position>()) };
    if (type === "MultiLineString") return { type, coordinates: this.#list(() => coordinates<Position[]>()) };
    if (type === "MultiPolygon") return { type, coordinates: this.#list(() => coordinates<Position[][]>()) };
    if (type === "GeometryCollection") return { type, geometries: this.#list(() => this.read()) };
    throw new Error(`a geometry of kind ${code}`);
  }
}

export const readWkb = (bytes: Uint8Array): GeoJSON.Geometry => new Reader(bytes).read();
