"""Dates and times in texts: ISO 8601 and day/month/year in either order, found out per column.

Without a zone a time is UTC: a file that means local time says so by an offset, and one rule keeps reloads equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DayOrder", "find_day_order", "parse_dates", "parse_timestamps"]

DayOrder = Literal["dmy", "mdy"]

_UTC = pa.timestamp("us", tz="UTC")
_SLASHED = re.compile(r"^\s*(\d{1,2})[/.-](\d{1,2})[/.-](\d{2,4})\b")
_TIME = r"(?:[T ]+(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?"
_AMPM = r"(?: ?(?P<ap>[AaPp])\.?[Mm]\.?)?"
_ZONE = r" ?(?P<z>Z|z|UTC|GMT|[-+]\d{2}:?(?:\d{2})?)?"
_ISO = rf"^(?P<y>\d{{4}})[-/](?P<m>\d{{1,2}})(?:[-/](?P<d>\d{{1,2}}))?{_TIME}{_AMPM}{_ZONE}$"
_COMPACT = r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:T?(?P<h>\d{2})(?P<mi>\d{2})(?P<s>\d{2})(?P<f>)(?P<ap>)(?P<z>Z)?)?$"
_DMY = rf"^(?P<d>\d{{1,2}})[/.-](?P<m>\d{{1,2}})[/.-](?P<y>\d{{4}}|\d{{2}}){_TIME}{_AMPM}{_ZONE}$"
_MDY = rf"^(?P<m>\d{{1,2}})[/.-](?P<d>\d{{1,2}})[/.-](?P<y>\d{{4}}|\d{{2}}){_TIME}{_AMPM}{_ZONE}$"


def find_day_order(values: Iterable[str | None]) -> DayOrder:
    """Month first only where some second number cannot be a month and no first number says otherwise."""
    days_second = False
    for value in values:
        if value and (match := _SLASHED.match(value)):
            if int(match[1]) > 12:  # noqa: PLR2004 - months in a year
                return "dmy"
            days_second = days_second or int(match[2]) > 12  # noqa: PLR2004 - months in a year
    return "mdy" if days_second else "dmy"


def parse_dates(texts: pa.Array, order: DayOrder) -> pa.Array:
    """date32; a month alone is its first day; a time of day is cut; null where it is no date."""
    try:
        return pc.cast(texts, pa.date32())
    except pa.ArrowInvalid:
        return _parse(texts, order, keep_zone=False).cast(pa.timestamp("us")).cast(pa.date32(), safe=False)


def parse_timestamps(texts: pa.Array, order: DayOrder) -> pa.Array:
    """Microseconds in UTC; null where it is no time."""
    for zone in (True, False):
        try:
            if zone:
                return pc.cast(texts, _UTC)
            return pc.assume_timezone(pc.cast(texts, pa.timestamp("us")), "UTC")
        except pa.ArrowInvalid:
            continue
    return _parse(texts, order, keep_zone=True)


def _parse(texts: pa.Array, order: DayOrder, *, keep_zone: bool) -> pa.Array:
    """The first pattern that fits each value, put together as ISO text and read strictly."""
    found = pa.nulls(len(texts), pa.string())
    for pattern in (_ISO, _DMY if order == "dmy" else _MDY, _COMPACT):
        if found.null_count > texts.null_count:
            found = pc.coalesce(found, _as_iso(pc.extract_regex(texts, pattern), keep_zone=keep_zone))
    return _read_iso(found)


def _as_iso(parts: pa.Array, *, keep_zone: bool) -> pa.Array:
    """Parts of a time as "YYYY-MM-DDTHH:MM:SS.ffffff+HH:MM"."""

    def part(name: str, default: str) -> pa.Array:
        value = pc.struct_field(parts, name)
        return pc.if_else(pc.equal(value, ""), default, value)

    year = part("y", "")
    short = pc.equal(pc.utf8_length(year), 2)
    century = pc.if_else(pc.greater_equal(year, "70"), "19", "20")
    year = pc.if_else(short, pc.binary_join_element_wise(century, year, ""), year)
    hour = _twelve_hours(part("h", "0"), part("ap", ""))
    pieces = [part("m", "1"), part("d", "1"), hour, part("mi", "0"), part("s", "0")]
    month, day, hour, minute, second = (pc.utf8_lpad(piece, 2, padding="0") for piece in pieces)
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(part("f", "0"), 6, padding="0"), 0, 6)
    zone = _as_offset(part("z", "Z")) if keep_zone else pc.if_else(pc.is_valid(year), "Z", None)
    date = pc.binary_join_element_wise(year, month, day, "-")
    clock = pc.binary_join_element_wise(hour, minute, second, ":")
    return pc.binary_join_element_wise(date, "T", clock, ".", fraction, zone, "")


def _twelve_hours(hour: pa.Array, half: pa.Array) -> pa.Array:
    """Hours of a twelve-hour clock as hours of the day."""
    half = pc.utf8_lower(half)
    number = pc.cast(hour, pa.int32())
    number = pc.if_else(pc.and_(pc.equal(half, "a"), pc.equal(number, 12)), 0, number)
    number = pc.if_else(pc.and_(pc.equal(half, "p"), pc.less(number, 12)), pc.add(number, 12), number)
    return pc.cast(number, pa.string())


def _as_offset(zone: pa.Array) -> pa.Array:
    zone = pc.replace_substring_regex(zone, "^(z|UTC|GMT)$", "Z")
    return pc.replace_substring_regex(zone, r"^([-+]\d{2}):?(\d{2})?$", r"\1:\2")


def _read_iso(texts: pa.Array) -> pa.Array:
    """Strictly read; values that look like a time but are none, such as 31 February, become null one by one."""
    texts = pc.replace_substring_regex(texts, r"([-+]\d{2}):$", r"\1:00")
    try:
        return pc.cast(texts, _UTC)
    except pa.ArrowInvalid:
        return pa.array([_read_one(text) for text in texts.to_pylist()], _UTC)


def _read_one(text: str | None) -> pa.Scalar | None:
    try:
        return None if text is None else pa.scalar(text).cast(_UTC).as_py()
    except pa.ArrowInvalid:
        return None
