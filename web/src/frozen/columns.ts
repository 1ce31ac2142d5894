/**
 * The rows of a layer, column by column: read from its file when somebody first asks for them, and kept as typed arrays.
 * Texts are small numbers into a list of the different ones, times microseconds since 1970.
 */
import { parquetMetadataAsync, parquetRead, type AsyncBuffer, type FileMetaData } from "hyparquet";
import type { Field } from "../query/types.ts";
import type { Bytes } from "./bytes.ts";
import { readWkb } from "./wkb.ts";

/** Codes of texts; -1 is no value. */
export interface Texts {
  kind: "text";
  codes: Int32Array;
  /** The different ones, in the order in which they first come. */
  values: string[];
}

/** Numbers, truths as 0 and 1, and times; `exact` are whole numbers where some of them are too large for a number. */
export interface Numbers {
  kind: "number";
  values: Float64Array;
  /** 1 where there is no value; null where each row has one. */
  none: Uint8Array | null;
  exact: BigInt64Array | null;
}

export type Column = Texts | Numbers;

export const DAY = 86_400_000_000;
export const FID = "fid";
const SHAPE = "geometry";

/** Places of points in degrees; not a number where a row has none. */
export interface Points {
  lon: Float64Array;
  lat: Float64Array;
}
export type Shapes = (GeoJSON.Geometry | null)[];

const PARSERS = {
  timestampFromMilliseconds: (millis: bigint) => Number(millis) * 1000,
  timestampFromMicroseconds: (micros: bigint) => Number(micros),
  timestampFromNanoseconds: (nanos: bigint) => Number(nanos) / 1000,
  dateFromDays: (days: number) => days * DAY,
  geometryFromBytes: (bytes: Uint8Array) => bytes,
};

export class Rows {
  readonly fields: Field[];
  readonly count: number;
  #file: Bytes;
  #opened: Promise<{ file: AsyncBuffer; metadata: FileMetaData }> | null = null;
  #read = new Map<string, Promise<unknown>>();

  constructor(file: Bytes, fields: Field[], count: number) {
    this.#file = file;
    this.fields = fields;
    this.count = count;
  }

  field(name: string): Field | undefined {
    return this.fields.find((field) => field.name === name);
  }

  column(name: string): Promise<Column> {
    return this.#once(name, async () => {
      const texts = this.field(name)?.type === "text";
      const into = texts ? new TextColumn(this.count) : new NumberColumn(this.count);
      await this.#each(name, (values, start) => into.add(values, start));
      return into.done();
    });
  }

  /** The numbers by which features are known. */
  async fids(): Promise<Float64Array> {
    return ((await this.column(FID)) as Numbers).values;
  }

  /** Points where all rows are single ones, else shapes. */
  geometry(): Promise<Points | Shapes> {
    return this.#once(SHAPE, async () => (await this.#points()) ?? this.#shapes());
  }

  async #points(): Promise<Points | null> {
    const lon = new Float64Array(this.count).fill(NaN);
    const lat = new Float64Array(this.count).fill(NaN);
    let single = true;
    await this.#each(SHAPE, (values, start) => {
      for (let at = 0; at < values.length; at++) {
        const bytes = values[at] as Uint8Array | null | undefined;
        if (!bytes) continue;
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const little = bytes[0] === 1;
        if (view.getUint32(1, little) % 1000 !== 1) return void (single = false);
        lon[start + at] = view.getFloat64(5, little);
        lat[start + at] = view.getFloat64(13, little);
      }
    });
    return single ? { lon, lat } : null;
  }

  async #shapes(): Promise<Shapes> {
    const shapes: Shapes = new Array<null>(this.count).fill(null);
    await this.#each(SHAPE, (values, start) => {
      for (let at = 0; at < values.length; at++) shapes[start + at] = values[at] ? readWkb(values[at] as Uint8Array) : null;
    });
    return shapes;
  }

  #once<T>(name: string, read: () => Promise<T>): Promise<T> {
    const known = this.#read.get(name) as Promise<T> | undefined;
    if (known) return known;
    const reading = read().catch((error: unknown) => {
      this.#read.delete(name);
      throw error;
    });
    this.#read.set(name, reading);
    return reading;
  }

  async #each(name: string, take: (values: ArrayLike<unknown>, start: number) => void): Promise<void> {
    const { file, metadata } = await (this.#opened ??= this.#open());
    await parquetRead({
      file,
      metadata,
      columns: [name],
      parsers: PARSERS,
      utf8: false,
      onChunk: ({ columnData, rowStart }) => take(columnData, rowStart),
    });
  }

  async #open(): Promise<{ file: AsyncBuffer; metadata: FileMetaData }> {
    const file = { byteLength: await this.#file.size(), slice: (start: number, end?: number) => this.#file.read(start, end) };
    return { file, metadata: await parquetMetadataAsync(file, { geoparquet: true }) };
  }
}

class TextColumn {
  #codes: Int32Array;
  #values: string[] = [];
  #known = new Map<string, number>();

  constructor(count: number) {
    this.#codes = new Int32Array(count).fill(-1);
  }

  add(values: ArrayLike<unknown>, start: number): void {
    for (let at = 0; at < values.length; at++) {
      const value = values[at] as string | null | undefined;
      if (value === null || value === undefined) continue;
      let code = this.#known.get(value);
      if (code === undefined) {
        code = this.#values.push(value) - 1;
        this.#known.set(value, code);
      }
      this.#codes[start + at] = code;
    }
  }

  done(): Texts {
    return { kind: "text", codes: this.#codes, values: this.#values };
  }
}

class NumberColumn {
  #values: Float64Array;
  #none: Uint8Array;
  #lacks = false;
  #exact: BigInt64Array | null = null;

  constructor(count: number) {
    this.#values = new Float64Array(count);
    this.#none = new Uint8Array(count);
  }

  add(values: ArrayLike<unknown>, start: number): void {
    for (let at = 0; at < values.length; at++) {
      const value = values[at] as number | bigint | boolean | null | undefined;
      const row = start + at;
      if (value === null || value === undefined) {
        this.#none[row] = 1;
        this.#lacks = true;
        continue;
      }
      this.#values[row] = Number(value);
      if (typeof value === "bigint" && (this.#exact || !Number.isSafeInteger(this.#values[row]!))) this.#keep(value, row);
    }
  }

  #keep(value: bigint, row: number): void {
    // Those before were not too large.
    this.#exact ??= BigInt64Array.from(this.#values, (known, at) => (at < row ? BigInt(known) : 0n));
    this.#exact[row] = value;
  }

  done(): Numbers {
    return { kind: "number", values: this.#values, none: this.#lacks ? this.#none : null, exact: this.#exact };
  }
}
