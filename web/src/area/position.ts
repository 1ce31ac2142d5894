/** Where the reader is, as far as the browser may and can tell. */
import type { Position } from "../filter/question.ts";

export type Trouble = "refused" | "unavailable";

/** Milliseconds until it takes too long, and how old a place may be. */
const LONGEST = 20_000;
const FRESH = 60_000;
const DENIED = 1;

/** Rejects with a `Trouble`. */
export function findPosition(): Promise<Position> {
  return new Promise((resolve, reject: (trouble: Trouble) => void) => {
    // A page that is not served over HTTPS has none.
    if (!("geolocation" in navigator) || !isSecureContext) return reject("unavailable");
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve([coords.longitude, coords.latitude]),
      ({ code }) => reject(code === DENIED ? "refused" : "unavailable"),
      { enableHighAccuracy: true, timeout: LONGEST, maximumAge: FRESH },
    );
  });
}
