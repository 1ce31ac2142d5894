/** Which rows fulfil a condition, with SQL's three answers: yes, no, and not known where there is no value. */
import type { Condition, Sign } from "./condition.ts";
import { foldText, holds, refuse } from "./condition.ts";
import type { Column, Numbers, Rows, Texts } from "./columns.ts";
import { holdsPoint, regionsOf, shapeRegions, touches, type Region } from "./places.ts";

/** Of each row. */
export type Truths = Uint8Array;
const [NO, YES, UNKNOWN] = [0, 1, 2];

/** The shape of another layer's feature; null where the folder does not have it. */
export type FindShape = (layer: string, fid: number) => Promise<GeoJSON.Geometry | null>;

/** 1 for each row that the condition leaves, and how many they are. */
export interface Matched {
  rows: Uint8Array;
  count: number;
}

export async function matchRows(rows: Rows, condition: Condition | null, find: FindShape): Promise<Matched> {
  if (!condition) return { rows: new Uint8Array(rows.count).fill(1), count: rows.count };
  const truths = await new Evaluation(rows, find).truths(condition);
  let count = 0;
  for (let row = 0; row < truths.length; row++) {
    if (truths[row] === YES) count += 1;
    else truths[row] = NO;
  }
  return { rows: truths, count };
}

class Evaluation {
  #rows: Rows;
  #find: FindShape;

  constructor(rows: Rows, find: FindShape) {
    this.#rows = rows;
    this.#find = find;
  }

  async truths(condition: Condition): Promise<Truths> {
    switch (condition.op) {
      case "and":
      case "or":
        return this.#join(condition.parts, condition.op === "and");
      case "not": {
        const inner = await this.truths(condition.part);
        for (let row = 0; row < inner.length; row++) if (inner[row] !== UNKNOWN) inner[row] = 1 - inner[row]!;
        return inner;
      }
      case "null":
        return this.#nulls(await this.#rows.column(condition.field));
      case "texts":
        return this.#texts((await this.#rows.column(condition.text.field)) as Texts, (value) =>
          condition.test(foldText(value, condition.text.folds)),
        );
      case "number":
        return this.#numbers(condition.field, condition.sign, condition.value);
      case "numbers":
        return this.#join(
          condition.values.map((value) => ({ op: "number", field: condition.field, sign: "=", value })),
          false,
        );
      case "time":
        return this.#times(condition.field, condition.sign, condition.moment);
      case "area":
        return this.#within(
          condition.area.kind === "feature" ? await this.#shapeOf(condition.area.layer, condition.area.fid) : regionsOf(condition.area),
        );
    }
  }

  async #shapeOf(layer: string, fid: number): Promise<Region[]> {
    const shape = await this.#find(layer, fid);
    return shape ? shapeRegions(shape) : refuseFeature(layer, fid);
  }

  async #join(parts: Condition[], all: boolean): Promise<Truths> {
    const [decides, other] = all ? [NO, YES] : [YES, NO];
    let found: Truths | null = null;
    for (const part of parts) {
      const next = await this.truths(part);
      if (!found) found = next;
      else
        for (let row = 0; row < next.length; row++) {
          const value = next[row]!;
          if (value === decides || (value === UNKNOWN && found[row] === other)) found[row] = value;
        }
    }
    return found!;
  }

  #nulls(column: Column): Truths {
    if (column.kind === "text") return Uint8Array.from(column.codes, (code) => (code < 0 ? YES : NO));
    return column.none?.slice() ?? new Uint8Array(column.values.length);
  }

  /** Each different text is looked at once. */
  #texts({ codes, values }: Texts, test: (value: string) => boolean): Truths {
    const known = Uint8Array.from(values, (value) => Number(test(value)));
    const truths = new Uint8Array(codes.length);
    for (let row = 0; row < codes.length; row++) truths[row] = codes[row]! < 0 ? UNKNOWN : known[codes[row]!]!;
    return truths;
  }

  async #numbers(name: string, sign: Sign, value: number | bigint): Promise<Truths> {
    const column = (await this.#rows.column(name)) as Numbers;
    // JavaScript compares whole numbers of both kinds by their worth.
    return this.#compare(column, sign, column.exact ?? column.values, value);
  }

  async #times(name: string, sign: Sign, { first, after }: { first: number; after: number | null }): Promise<Truths> {
    const column = (await this.#rows.column(name)) as Numbers;
    if (after === null || sign === "<" || sign === ">=") return this.#compare(column, sign, column.values, first);
    if (sign === "<=") return this.#compare(column, "<", column.values, after);
    if (sign === ">") return this.#compare(column, ">=", column.values, after);
    const from = this.#compare(column, ">=", column.values, first);
    const until = this.#compare(column, "<", column.values, after);
    for (let row = 0; row < from.length; row++) if (from[row] !== UNKNOWN) from[row] = (from[row]! & until[row]!) ^ Number(sign === "<>");
    return from;
  }

  #compare({ none }: Numbers, sign: Sign, values: Float64Array | BigInt64Array, value: number | bigint): Truths {
    const truths = new Uint8Array(values.length);
    for (let row = 0; row < values.length; row++) {
      const own = values[row]!;
      // PostgreSQL has what is no number above all others.
      truths[row] = none?.[row] ? UNKNOWN : Number(holds(sign, own < value ? -1 : own > value || own !== own ? 1 : 0));
    }
    return truths;
  }

  async #within(regions: Region[]): Promise<Truths> {
    const truths = new Uint8Array(this.#rows.count);
    const found = await this.#rows.geometry();
    if (!Array.isArray(found)) {
      const { lon, lat } = found;
      for (let row = 0; row < truths.length; row++) {
        const [x, y] = [lon[row]!, lat[row]!];
        truths[row] = x !== x ? UNKNOWN : Number(regions.some((region) => holdsPoint(region, x, y)));
      }
      return truths;
    }
    for (let row = 0; row < truths.length; row++) {
      const shape = found[row];
      truths[row] = shape ? Number(regions.some((region) => touches(region, shape))) : UNKNOWN;
    }
    return truths;
  }
}

function refuseFeature(layer: string, fid: number): never {
  return refuse(`FEATURE('${layer}',${fid}): this frozen map does not hold that feature; the live map does`);
}
