import { keyOf, type Bin } from "../map/bins.ts";
import type { Scalar } from "../query/types.ts";

/** One of the features that lie at one place. */
export interface Stacked {
  layer: string;
  fid: number;
  /** As far as the tile has them. */
  properties: Record<string, Scalar>;
  at: [lon: number, lat: number] | null;
}

/** A feature, or a bin that stands for many. */
export type Selection = {
  layer: string;
  /** Where it was clicked, so that its place is known before the details are there. */
  at: [lon: number, lat: number] | null;
} & ({ fid: number; bin?: undefined; stack?: Stacked[] } | { fid?: undefined; bin: Bin; stack?: undefined });

export const selectionKey = ({ layer, fid, bin }: Selection): string => (bin ? keyOf(bin) : `${layer} ${fid}`);

/** What one card stays for: a selection, or all that lie at its place. */
export const cardKey = (selection: Selection): unknown => selection.stack ?? selectionKey(selection);

/** The one of several at a place that comes `index`th. */
export function pick(stack: Stacked[], index: number): Selection {
  const { layer, fid, at } = stack[index]!;
  return { layer, fid, at, ...(stack.length > 1 && { stack }) };
}

/** Where a selection stands among those at its place, from 0. */
export const positionOf = ({ stack = [], layer, fid }: Selection): number =>
  stack.findIndex((item) => item.layer === layer && item.fid === fid);

/** The next or the one before; after the last comes the first. */
export function turn(selection: Selection, by: 1 | -1): Selection {
  const { stack } = selection;
  if (!stack) return selection;
  return pick(stack, (positionOf(selection) + by + stack.length) % stack.length);
}
