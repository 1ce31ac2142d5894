"""Dates and times in texts: ISO 8601 and day/month/year in either order, found out per column; and numbers that count.

Without a zone a time is UTC: a file that means local time says so by an offset, and one rule keeps reloads equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geoserver.model import TimeUnit

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LONE_NUMBER",
    "DayOrder",
    "count_times",
    "cut_years",
    "find_day_order",
    "guess_unit",
    "parse_dates",
    "parse_timestamps",
]

DayOrder = Literal["dmy", "mdy"]

LONE_NUMBER = r"^[-+]?\d+([.,]\d*)?([eE][-+]?\d+)?$"  # a text that is a number, and so no time by itself
_UTC = pa.timestamp("us", tz="UTC")
_SLASHED = re.compile(r"^\s*(\d{1,2})[/.-](\d{1,2})[/.-](\d{2,4})\b")
_TIME = r"(?:[Tt ]+(?P<h>\d{1,2})(?::(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?)?"
_AMPM = r"(?: ?(?P<ap>[AaPp])\.?[Mm]\.?)?"
_ZONE = r" ?(?P<z>Z|z|UTC|GMT|[-+]\d{2}:?(?:\d{2})?)?"
_ISO = rf"^(?P<y>\d{{4}})[-/](?P<m>\d{{1,2}})(?:[-/](?P<d>\d{{1,2}}))?{_TIME}{_AMPM}{_ZONE}$"
_COMPACT = (
    r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})[Tt](?P<h>\d{2})(?P<mi>\d{2})(?P<s>\d{2})?(?P<f>)(?P<ap>)"
    r"(?P<z>[Zz]|[-+]\d{2}:?(?:\d{2})?)?$"
)
_DMY = rf"^(?P<d>\d{{1,2}})[/.-](?P<m>\d{{1,2}})[/.-](?P<y>\d{{4}}|\d{{2}}){_TIME}{_AMPM}{_ZONE}$"
_MDY = rf"^(?P<m>\d{{1,2}})[/.-](?P<d>\d{{1,2}})[/.-](?P<y>\d{{4}}|\d{{2}}){_TIME}{_AMPM}{_ZONE}$"

_SECOND = 1_000_000  # in microseconds, as everything here
_DAY = 86_400 * _SECOND
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, from 1970-01-01
_FIRST, _LAST = _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1


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
        return _parse(texts, order, whole_days=True).cast(pa.timestamp("us")).cast(pa.date32())


def parse_timestamps(texts: pa.Array, order: DayOrder) -> pa.Array:
    """Microseconds in UTC; null where it is no time."""
    for zone in (True, False):
        try:
            if zone:
                return pc.cast(texts, _UTC)
            return pc.assume_timezone(pc.cast(texts, pa.timestamp("us")), "UTC")
        except pa.ArrowInvalid:
            continue
    return _parse(texts, order, whole_days=False)


def cut_years(times: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The same without what lies outside the years 1 to 9999, which clients cannot hold; and a mask of that."""
    is_day = pa.types.is_date32(times.type)
    numbers = times.view(pa.int32() if is_day else pa.int64())
    low, high = (_FIRST_DAY, _LAST_DAY) if is_day else (_FIRST, _LAST)
    inside = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    outside = pc.fill_null(pc.invert(inside), fill_value=False)
    return (pc.if_else(inside, times, None), outside) if pc.any(outside).as_py() else (times, outside)


def count_times(numbers: np.ndarray, unit: TimeUnit) -> pa.Array:
    """Numbers (float64, NaN for none) as microseconds in UTC, by what they count; null where that is no time."""
    whole = np.isfinite(numbers) & (np.abs(numbers) < 2.0**53)
    numbers = np.where(whole, numbers, 0.0)
    match unit:
        case "year":
            days, good = _civil(numbers.astype(np.int64), 1, 1)
            return _as_times(days * _DAY, whole & good & (numbers % 1 == 0))
        case "yyyymmdd":
            return _count_digits(numbers.astype(np.int64), whole & (numbers % 1 == 0))
    scaled = numbers * (_SECOND if unit == "s" else _SECOND // 1000)
    good = whole & (np.abs(scaled) < _LAST * 2)
    return _as_times(np.rint(np.where(good, scaled, 0)).astype(np.int64), good)


def _count_digits(numbers: np.ndarray, good: np.ndarray) -> pa.Array:
    """YYYYMMDD, YYYYMMDDhhmm or YYYYMMDDhhmmss."""
    seconds = np.where(numbers >= 10**13, numbers, np.where(numbers >= 10**11, numbers * 100, numbers * 10**6))
    day, clock = np.divmod(seconds, 10**6)
    days, valid = _civil(day // 10_000, day // 100 % 100, day % 100)
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    good = good & valid & (numbers >= 10**7) & (hour < 24) & (minute < 60) & (second < 60)  # noqa: PLR2004 - of a clock
    return _as_times(days * _DAY + ((hour * 60 + minute) * 60 + second) * _SECOND, good)


def guess_unit(numbers: np.ndarray) -> TimeUnit | None:
    """What most of these numbers seem to count, for a hint to people; None when nothing seems likely."""
    units: tuple[TimeUnit, ...] = get_args(TimeUnit.__value__)
    for unit in units:
        times = count_times(numbers, unit).view(pa.int64()).to_numpy(zero_copy_only=False)
        years = 1970 + times / (_DAY * 365.2425)
        with np.errstate(invalid="ignore"):
            likely = (years >= (1000 if unit == "year" else 1971)) & (years < 2101)  # noqa: PLR2004 - years of records
        if likely.sum() * 2 > len(numbers):
            return unit
    return None


def _parse(texts: pa.Array, order: DayOrder, *, whole_days: bool) -> pa.Array:
    """Microseconds in UTC, each value by the first pattern that it fits and that gives a time which exists."""
    texts = pc.replace_substring_regex(texts, r"[\x{a0}\x{202f}]", " ")
    found = pa.nulls(len(texts), _UTC)
    for pattern in (_ISO, _DMY if order == "dmy" else _MDY, _COMPACT):
        if found.null_count > texts.null_count:
            found = pc.coalesce(found, _assemble(pc.extract_regex(texts, pattern), whole_days=whole_days))
    return found


def _assemble(parts: pa.Array, *, whole_days: bool) -> pa.Array:
    """The parts that a pattern found, as times; 24:00 begins the next day and second 60 the next minute."""
    year, month, day = _number(parts, "y", 0), _number(parts, "m", 1), _number(parts, "d", 1)
    short = pc.fill_null(pc.equal(pc.utf8_length(pc.struct_field(parts, "y")), 2), fill_value=False)
    century = np.where(year >= 70, 1900, 2000)  # noqa: PLR2004 - two digits from 70 on are of the last century
    days, good = _civil(np.where(short.to_numpy(zero_copy_only=False), year + century, year), month, day)
    hour, minute, second = _number(parts, "h", 0), _number(parts, "mi", 0), _number(parts, "s", 0)
    hour, fits = _twelve_hours(hour, _text(parts, "ap"))
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(_text(parts, "f"), 6, padding="0"), 0, 6).cast(pa.int64())
    clock = ((hour * 60 + minute) * 60 + second) * _SECOND + fraction.to_numpy()
    leap = (second == 60) & (minute == 59)  # noqa: PLR2004 - of a clock
    good &= fits & (clock <= _DAY) & (minute < 60) & ((second < 60) | leap)  # noqa: PLR2004 - of a clock
    good &= pc.is_valid(parts).to_numpy(zero_copy_only=False)
    offset, sane = _offset(_text(parts, "z"))
    return _as_times(days * _DAY + (0 if whole_days else clock - offset), good & sane)


def _civil(year: np.ndarray, month: np.ndarray | int, day: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Days from 1970-01-01, and which of these days exist."""
    good = (year >= -9999) & (year <= 99_999) & (month >= 1) & (month <= 12) & (day >= 1)  # noqa: PLR2004 - of a year
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("M8[M]")
    first = months.astype("M8[D]").astype(np.int64)
    after = (months + np.timedelta64(1, "M")).astype("M8[D]").astype(np.int64)
    days = first + day - 1
    return np.where(good, days, 0), good & (days < after)


def _twelve_hours(hour: np.ndarray, half: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Hours of a twelve-hour clock as hours of the day, and which of them exist."""
    letter = pc.utf8_lower(half)
    am, pm = (pc.equal(letter, sign).to_numpy(zero_copy_only=False) for sign in ("a", "p"))
    noon = 12
    shifted = np.where(am & (hour == noon), 0, np.where(pm & (hour < noon), hour + noon, hour))
    return shifted, ~(am & (hour > noon))


def _offset(zone: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds ahead of UTC, and which offsets exist: PostgreSQL and Arrow know none of 16 hours and more."""
    written = pc.match_substring_regex(zone, r"^[-+]")
    digits = pc.utf8_rpad(pc.if_else(written, pc.replace_substring_regex(zone, "[-+:]", ""), ""), 4, padding="0")
    number = digits.cast(pa.int64()).to_numpy()
    hours, minutes = np.divmod(number, 100)
    sign = np.where(pc.starts_with(zone, "-").to_numpy(zero_copy_only=False), -1, 1)
    return sign * (hours * 60 + minutes) * 60 * _SECOND, (hours < 16) & (minutes < 60)  # noqa: PLR2004 - see above


def _text(parts: pa.Array, name: str) -> pa.Array:
    return pc.fill_null(pc.struct_field(parts, name), "")


def _number(parts: pa.Array, name: str, default: int) -> np.ndarray:
    texts = _text(parts, name)
    return np.asarray(pc.if_else(pc.equal(texts, ""), str(default), texts).cast(pa.int64()).to_numpy())


def _as_times(microseconds: np.ndarray, good: np.ndarray) -> pa.Array:
    return pa.array(microseconds, pa.int64(), mask=~good).cast(_UTC)
