/** Times of filters and of rows: microseconds since 1970, in UTC. */
import { DAY } from "./columns.ts";

/** A moment, or a year, month or day: then `after` is the first microsecond behind it. */
export interface Moment {
  first: number;
  after: number | null;
}

const WHOLE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)T?)?)?$/;
const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d))?(?:[.,](\d+))?\s*([Zz]|[+-]\d\d:?\d\d|[+-]\d\d)?$/;

/** As geoserver/filtering/times.py reads it; null where there is no such time. */
export function parseMoment(text: string): Moment | null {
  const whole = WHOLE.exec(text);
  if (whole) {
    const [year, month, day] = whole.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
    const first = dayOf(year!, month ?? 1, day ?? 1);
    const after = day !== undefined ? first && first + DAY : month !== undefined ? nextMonth(year!, month) : nextMonth(year!, 12);
    return first === null || after === null ? null : { first, after };
  }
  const found = TIME.exec(text);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const start = dayOf(year, month, day);
  if (start === null || hour > 23 || minute > 59 || second > 59) return null;
  const micros = Number((found[7] ?? "").slice(0, 6).padEnd(6, "0"));
  const zone = /([+-])(\d\d):?(\d\d)?/.exec(found[8] ?? "");
  const offset = zone ? (zone[1] === "-" ? -1 : 1) * (Number(zone[2]) * 60 + Number(zone[3] ?? 0)) : 0;
  return { first: start + ((hour * 60 + minute - offset) * 60 + second) * 1_000_000 + micros, after: null };
}

function dayOf(year: number, month: number, day: number): number | null {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return year > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() * 1000 : null;
}

const nextMonth = (year: number, month: number): number | null => (month === 12 ? dayOf(year + 1, 1, 1) : dayOf(year, month + 1, 1));

/** 2024-05-31; null for what is no time. */
export function writeDay(micros: number): string | null {
  const date = new Date(Math.floor(micros / DAY) * (DAY / 1000));
  const year = date.getUTCFullYear();
  if (!Number.isFinite(year)) return null;
  const told = `${String(year > 0 ? year : 1 - year).padStart(4, "0")}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  return year > 0 ? told : `${told} BC`;
}

/** 2024-05-31T12:00:00Z, with a fraction where there is one. */
export function writeTime(micros: number): string | null {
  const day = writeDay(micros);
  if (day === null) return null;
  const [date, era] = day.split(" ");
  const rest = micros - Math.floor(micros / DAY) * DAY;
  const seconds = Math.floor(rest / 1_000_000);
  const fraction = Math.round(rest - seconds * 1_000_000);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  const part = fraction ? `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}` : "";
  return `${date}T${clock}${part}Z${era ? ` ${era}` : ""}`;
}

const two = (value: number): string => String(value).padStart(2, "0");
