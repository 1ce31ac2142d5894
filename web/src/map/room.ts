/** Where there is room on the map beside what lies on it. */

/** In pixels from the map's upper left corner. */
export interface Part {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Pixels around a place that are to be seen with it. */
const AROUND = 40;

/** The part of a map that a card leaves free: beside it where it stands at the right, above it where it lies at the bottom. */
export function freePart(width: number, height: number, card: Pick<Part, "left" | "top"> | null): Part {
  const whole = { left: 0, top: 0, right: width, bottom: height };
  if (!card) return whole;
  const [beside, above] = [card.left * height, card.top * width];
  return beside >= above ? { ...whole, right: card.left } : { ...whole, bottom: card.top };
}

/** How far the map has to go, in pixels, for a place to be well within a part of it. */
export function shiftInto({ x, y }: { x: number; y: number }, part: Part): [dx: number, dy: number] {
  return [over(x, part.left, part.right), over(y, part.top, part.bottom)];
}

function over(value: number, from: number, to: number): number {
  const edge = Math.min(AROUND, (to - from) / 2);
  return Math.min(0, value - from - edge) + Math.max(0, value - to + edge);
}
