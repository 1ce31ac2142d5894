"""Points and stretches of time as people and standards write them (RFC 3339; ISO 8601 days, months and years)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, time

from geoserver.filtering.syntax import Instant, Interval, wrong

__all__ = ["INSTANT_FORMS", "parse_instant", "parse_interval"]

INSTANT_FORMS = "2024, 2024-05, 2024-05-31 or 2024-05-31T12:00:00Z"
_NEVER = date.max  # how QGIS writes an open end
_LATEST = time(23, 59, 59, 999_999, UTC)  # PostgreSQL has no tick behind it, so that "to the end of the day" is exact
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)T?)?)?", re.ASCII)  # GDAL ends a day with a T
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*([Zz]|[+-]\d\d:?\d\d|[+-]\d\d)?", re.ASCII
)


def parse_instant(text: str, parameter: str = "filter") -> Instant:
    """A year, month, day or time as its first and last microsecond; a time without an offset is UTC."""
    try:
        if day := _DAY.fullmatch(text):
            return _whole(*(int(part) if part else None for part in day.groups()))
        if moment := _TIME.fullmatch(text):
            return _moment(*moment.groups())
    except (ValueError, OverflowError):
        pass
    raise wrong(text, f"a date or time that exists, such as {INSTANT_FORMS}", parameter)


def parse_interval(text: str, parameter: str = "datetime") -> Instant | Interval:
    """OGC API's `datetime`: an instant, or `start/end` where either end may be open ("" or "..")."""
    parts = text.split("/")
    if len(parts) == 1 and text not in ("", ".."):
        return parse_instant(text, parameter)
    if len(parts) != 2:  # noqa: PLR2004 - a start and an end
        raise wrong(text, f"an instant ({INSTANT_FORMS}) or start/end, with .. for an open end", parameter)
    start = None if parts[0] in ("", "..") else parse_instant(parts[0], parameter)
    end = None if parts[1] in ("", "..") else parse_instant(parts[1], parameter)
    if start and end and start.first > end.last:
        raise wrong(text, "a start before the end", parameter)
    return Interval(start, None if end and end.first.date() == _NEVER else end)


def _whole(year: int | None, month: int | None = None, day: int | None = None) -> Instant:
    assert year is not None  # noqa: S101 - the pattern has no match without a year
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    until = date(year, month or 12, day or calendar.monthrange(year, month or 12)[1])
    return Instant(first, datetime.combine(until, _LATEST))


def _moment(day: str, clock: str, fraction: str | None, offset: str | None) -> Instant:
    zone = "+00:00" if offset in (None, "Z", "z") else offset
    seconds = f".{fraction[:6]:0<6}" if fraction else ""
    whole = clock if clock.count(":") == 2 else f"{clock}:00"  # noqa: PLR2004 - hours, minutes, seconds
    moment = datetime.fromisoformat(f"{day}T{whole}{seconds}{zone}").astimezone(UTC)
    return Instant(moment, moment)
