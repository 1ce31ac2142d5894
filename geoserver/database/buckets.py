"""Where buckets of time and bins of numbers begin and end: arithmetic alone, exact for whatever the database can hold.

Times are whole seconds since 1970, in UTC, in the calendar of today carried back (proleptic), as PostgreSQL has it.
"""

from __future__ import annotations

import math
import sys
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "AUTO_BUCKETS",
    "UNITS",
    "Unit",
    "choose_unit",
    "lay_edges",
    "number_bucket",
    "start_bucket",
    "write_day",
    "write_moment",
]

type Unit = Literal["hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium"]

AUTO_BUCKETS = 200
_HOUR, _DAY = 3_600, 86_400
_MONDAY = 3  # days from the Monday before 1970 to the first day of 1970
_MONTHS: dict[Unit, int] = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1_200, "millennium": 12_000}
_EPOCH = 1970 * 12  # months from the year 0 on, of which all of these are counted
UNITS: tuple[Unit, ...] = ("hour", "day", "week", *_MONTHS)
_LADDER = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5))
_INT64 = 2**63
_DIGITS = 60  # of steps and edges: far more than a double has


def number_bucket(unit: Unit, second: int) -> int:
    """The number of the bucket that a second is in; numbers of buckets that follow each other differ by 1."""
    if unit == "hour":
        return second // _HOUR
    day = second // _DAY
    if unit == "day":
        return day
    if unit == "week":
        return (day + _MONDAY) // 7
    months = int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64)) + _EPOCH
    return months // _MONTHS[unit]


def start_bucket(unit: Unit, number: int) -> int:
    """The second in which a bucket begins, and in which the one before it has ended."""
    if unit == "hour":
        return number * _HOUR
    if unit == "day":
        return number * _DAY
    if unit == "week":
        return (number * 7 - _MONDAY) * _DAY
    month = np.datetime64(number * _MONTHS[unit] - _EPOCH, "M")
    return int(month.astype("datetime64[D]").astype(np.int64)) * _DAY


def choose_unit(low: int, high: int, *, days: bool) -> Unit:
    """The finest unit of which at most `AUTO_BUCKETS` lead from one to the other; of days there is none finer.

    Of what is longer than that in millennia, which are as many as they are.
    """
    for unit in UNITS[1 if days else 0 :]:
        if number_bucket(unit, high) - number_bucket(unit, low) < AUTO_BUCKETS:
            return unit
    return UNITS[-1]


def write_day(second: int) -> str:
    """The day that begins in this second, as PostgreSQL writes it: 2024-05-31, 12024-05-31, 0044-03-15 BC."""
    day = np.datetime64(second // _DAY, "D")
    month = int(day.astype("datetime64[M]").astype(np.int64)) + _EPOCH
    of_month = int((day - day.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)) + 1
    year = month // 12
    told = f"{year if year > 0 else 1 - year:04d}-{month % 12 + 1:02d}-{of_month:02d}"
    return told if year > 0 else f"{told} BC"


def write_moment(second: int) -> str:
    """The same of a second: 2024-05-31T12:00:00Z."""
    day, _, era = write_day(second).partition(" ")
    hour, rest = divmod(second % _DAY, _HOUR)
    return f"{day}T{hour:02d}:{rest // 60:02d}:{rest % 60:02d}Z{f' {era}' if era else ''}"


def lay_edges(low: float, high: float, bins: int, *, whole: bool) -> list[int] | list[float]:
    """Edges of at most so many bins of equal width, on round numbers (1, 2, 2.5 and 5 with noughts), around both.

    Of whole numbers the last edge lies above `high`; else `high` may be the last edge, which belongs to the last bin.
    """
    if whole:
        return _lay_whole(int(low), int(high), bins)
    with localcontext() as context:
        context.prec = _DIGITS
        edges = sorted({_to_double(edge) for edge in _lay_round(Decimal(repr(low)), Decimal(repr(high)), max(bins, 2))})
    if len(edges) < 2 or edges[0] > low or edges[-1] < high:  # noqa: PLR2004 - too narrow for doubles to divide
        edges = [low, max(high, math.nextafter(low, math.inf))]
    return edges if bins > 1 else [edges[0], edges[-1]]


def _lay_whole(low: int, high: int, bins: int) -> list[int]:
    for step in _list_steps(Decimal(1)):
        width = int(step)
        first, last = low // width, high // width
        if width == step and last - first < max(bins, 2):
            break
    edges = [number * width for number in range(first, last + 2)]
    edges = edges if bins > 1 else [edges[0], edges[-1]]
    return [max(edge, -_INT64) for edge in edges]


def _lay_round(low: Decimal, high: Decimal, bins: int) -> list[Decimal]:
    if low == high:
        size = (low or Decimal(1)).copy_abs()
        step = Decimal(1).scaleb(size.adjusted() - 1) if low else Decimal(1)
        first = int((low / step).to_integral_value("ROUND_FLOOR"))
        return [first * step, (first + 1) * step]
    for step in _list_steps((high - low) / bins):
        first = int((low / step).to_integral_value("ROUND_FLOOR"))
        last = int((high / step).to_integral_value("ROUND_CEILING"))
        if last - first <= bins:
            break
    return [number * step for number in range(first, last + 1)]


def _list_steps(least: Decimal) -> Iterator[Decimal]:
    """Round widths, from about `least` on."""
    exponent = least.adjusted()
    while True:
        yield from (part.scaleb(exponent) for part in _LADDER)
        exponent += 1


def _to_double(edge: Decimal) -> float:
    most = sys.float_info.max
    return min(max(float(edge), -most), most)
