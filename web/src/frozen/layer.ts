/** One layer of a frozen map: its rows, what filters leave of them, and its tiles. */
import type { LayerDetail, TileJson } from "../query/types.ts";
import type { Archive } from "./archive.ts";
import type { Bytes } from "./bytes.ts";
import { Rows } from "./columns.ts";
import { parseCondition } from "./condition.ts";
import { matchRows, type FindShape, type Matched } from "./evaluate.ts";
import { keep } from "./keep.ts";
import { putInOrder } from "./order.ts";
import { TileMaker } from "./tile-maker.ts";

/** Filters whose rows are kept in mind. */
const MOST_FILTERS = 12;
const MOST_ORDERS = 4;

export class FrozenLayer {
  readonly id: string;
  readonly detail: LayerDetail;
  readonly rows: Rows;
  readonly tilejson: TileJson;
  #find: FindShape;
  #matched = new Map<string, Promise<Matched>>();
  #orders = new Map<string, Promise<Uint32Array>>();
  #maker: TileMaker;
  #numbers: Promise<Map<number, number>> | null = null;

  constructor(detail: LayerDetail, file: Bytes, count: number, tilejson: TileJson, archive: Archive, find: FindShape) {
    this.id = detail.id;
    this.detail = detail;
    this.rows = new Rows(file, detail.fields, count);
    this.tilejson = tilejson;
    this.#find = find;
    this.#maker = new TileMaker(this.rows, detail, tilejson, (zoom) => archive.cellsOf(detail.id, zoom));
  }

  /** Throws an ApiError for a filter that is at fault, or beyond us. */
  async match(filter: string): Promise<Matched> {
    return keep(this.#matched, filter, MOST_FILTERS, () => {
      const condition = parseCondition(filter, this.rows.fields);
      return matchRows(this.rows, condition, this.#find);
    });
  }

  async order(filter: string, sortby: string): Promise<Uint32Array> {
    return keep(this.#orders, `${filter}\n${sortby}`, MOST_ORDERS, async () => putInOrder(this.rows, await this.match(filter), sortby));
  }

  /** The place of a feature in the file; nothing where there is no such one. */
  async find(fid: number): Promise<number | undefined> {
    this.#numbers ??= this.rows.fids().then((fids) => new Map([...fids].map((each, row) => [each, row])));
    return (await this.#numbers).get(fid);
  }

  async shape(row: number): Promise<GeoJSON.Geometry | null> {
    const found = await this.rows.geometry();
    if (Array.isArray(found)) return found[row] ?? null;
    const at = [found.lon[row]!, found.lat[row]!];
    return Number.isFinite(at[0]) ? { type: "Point", coordinates: at } : null;
  }

  async plan(filter: string): Promise<number> {
    return filter ? this.#maker.plan(await this.match(filter)) : this.tilejson.features_from;
  }

  async tile(filter: string, z: number, x: number, y: number): Promise<Uint8Array> {
    return this.#maker.make(await this.match(filter), await this.plan(filter), z, x, y);
  }
}
