/**
 * Scrolling over more rows than an element may be high: Firefox draws nothing beyond 17 million pixels, which half a
 * million rows fill. What scrolls is no higher than `TALLEST`; a pull at the scrollbar goes to the same part of the rows as of
 * the bar, and a turn of the wheel moves the rows by as much as it always does.
 */
export const TALLEST = 4_000_000;
/** Moves of more than so many views are pulls at the scrollbar. */
const FAR = 2;

export interface Span {
  /** Pixels that all rows take, and those of them that are seen at once. */
  rows: number;
  view: number;
}

/** Where the view is: pixels of rows above it, and where the scrollbar stands. */
export interface Place {
  top: number;
  bar: number;
}

const most = ({ rows, view }: Span): number => Math.max(0, rows - view);
/** Pixels that the bar can move. */
const travel = ({ rows, view }: Span): number => Math.max(0, Math.min(rows, TALLEST) - view);

/** How high the element is that scrolls. */
export const heightOf = (span: Span): number => travel(span) + span.view;

/** Pixels at both ends of its way in which the bar moves by as much as the rows do, so that a wheel comes to the end. */
const ENDS = 20_000;

/** Where the bar has to stand for this. */
export function barFor(span: Span, top: number): number {
  const [all, way] = [most(span), travel(span)];
  if (all === way || top <= ENDS) return top;
  if (top >= all - ENDS) return way - (all - top);
  return ENDS + ((top - ENDS) / (all - 2 * ENDS)) * (way - 2 * ENDS);
}

/** Pixels of rows above the view where the bar stands there. */
function topFor(span: Span, bar: number): number {
  const [all, way] = [most(span), travel(span)];
  if (bar <= ENDS) return bar;
  if (bar >= way - ENDS) return all - (way - bar);
  return ENDS + ((bar - ENDS) / (way - 2 * ENDS)) * (all - 2 * ENDS);
}

/** The place with so many pixels of rows above it. */
export function placeAt(span: Span, wanted: number): Place {
  const top = Math.min(most(span), Math.max(0, wanted));
  return { top, bar: barFor(span, top) };
}

/** The bar is elsewhere now. */
export function follow(span: Span, before: Place, bar: number): Place {
  if (span.rows <= TALLEST) return { top: Math.min(most(span), Math.max(0, bar)), bar };
  const by = bar - before.bar;
  if (Math.abs(by) > FAR * span.view) return { top: topFor(span, bar), bar };
  const top = Math.min(most(span), Math.max(0, before.top + by));
  // At the end of its way, the bar cannot tell of further turns of the wheel.
  const stuck = (bar <= 0 && top > 0) || (bar >= travel(span) - 1 && top < most(span));
  return { top, bar: stuck ? barFor(span, top) : bar };
}

/** The nearest place from which the row is seen as a whole. */
export function reveal(span: Span, place: Place, row: number, height: number): Place {
  const above = row * height;
  if (above < place.top) return placeAt(span, above);
  if (above + height > place.top + span.view) return placeAt(span, above + height - span.view);
  return place;
}
