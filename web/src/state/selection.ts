import { keyOf, type Square } from "../map/squares.ts";

/** A feature, or a square that stands for many. */
export type Selection = {
  layer: string;
  /** Where it was clicked, so that the popup can open before the details are there. */
  at: [lon: number, lat: number] | null;
} & ({ fid: number; square?: undefined } | { fid?: undefined; square: Square });

export const selectionKey = ({ layer, fid, square }: Selection): string => (square ? keyOf(square) : `${layer} ${fid}`);
