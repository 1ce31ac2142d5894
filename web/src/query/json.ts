/** JSON whose whole numbers beyond 2^53 are told apart: they become bigints, where `JSON.parse` would round them. */

/** A value in the server's documents. */
export type ExactScalar = string | number | bigint | boolean | null;

const TAG = "\u0000integer:";
/** A text, which is left alone, or a number. */
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
/** Ends of ranges and counts are reckoned with, and need not be exact; `EDGES` are lists of such ends. */
const RECKONED = new Set(["min", "max", "from", "to", "count", "total"]);
const EDGES = "edges";

export function parseExact(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const tagged = text.replace(TEXT_OR_NUMBER, (found) => (typeof parseNumber(found) === "bigint" ? JSON.stringify(TAG + found) : found));
  return JSON.parse(tagged, (key, value: unknown) => {
    if (key === EDGES && Array.isArray(value)) return value.map(Number);
    if (typeof value !== "string" || !value.startsWith(TAG)) return value;
    const digits = value.slice(TAG.length);
    return RECKONED.has(key) ? Number(digits) : BigInt(digits);
  });
}

/** A number of a filter: exact when it is whole. */
export function parseNumber(text: string): number | bigint {
  const value = Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}
