/** What a page says to a widget in it: which state to show. It changes nothing but what is shown. */

/** Characters of a query from outside; a longer address no server takes. */
const LONGEST = 16_384;

/** Milliseconds in which those that come are one, the last: a page around that says a thousand in a second has asked for ten. */
const BREATH = 100;

/** Hear queries from the page around, and from nobody else. */
export function onQuery(take: (query: string) => void): void {
  let last: string | undefined;
  addEventListener("message", ({ data, source }) => {
    if (source !== parent || typeof data !== "object" || data === null) return;
    const { target, query } = data as { target?: unknown; query?: unknown };
    if (target !== "city-map" || typeof query !== "string" || query.length > LONGEST) return;
    if (last === undefined)
      setTimeout(() => {
        const heard = last!;
        last = undefined;
        take(heard);
      }, BREATH);
    last = query;
  });
}
