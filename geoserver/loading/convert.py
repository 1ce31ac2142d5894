"""Values of a source as the declared types: Arrow columns in, Arrow columns out, with what did not fit, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.loading import dates
from geoserver.loading.dates import DayOrder, find_day_order, parse_dates, parse_timestamps

if TYPE_CHECKING:
    from geoserver.fieldtypes import FieldType
    from geoserver.model import Field

__all__ = ["SUPPRESSED", "Converter", "Misfit"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")
SUPPRESSED = "suppressed"  # values such as "<5", which keep a small number secret: null and no mistake
INFINITE = "not a finite number"
TOO_LARGE = "an integer beyond 64 bits"
INEXACT = "an integer beyond 2^53 that the source has as a float, which may not be exact"
OUTSIDE = "outside the years 1 to 9999"
_TRUE = ("true", "t", "yes", "y", "1", "on", "oui", "ja", "si", "sí", "sim", "vrai", "wahr", "x")
_FALSE = ("false", "f", "no", "n", "0", "off", "non", "nein", "não", "nao", "faux", "falsch")
_BLANKS = ("", "NA", "N/A", "n/a", "None", "NULL", "null", "-")
_SUPPRESSED = r"^([<≤]\s*\d|\*+$)"
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_GROUPED = {".": r"^[-+]?\d{1,3}(?:,\d{3})+(\.\d*)?$", ",": r"^[-+]?\d{1,3}(?:\.\d{3})+(,\d*)?$"}
_ENDLESS = r"(?i)^[-+]?(inf|infinity|nan)$"
_DISTANT = r"(?i)^([-+]\d{4,}-\d|\d{5,}-\d\d?-\d|[-+]?infinity$)|\bBC$"  # times that PostgreSQL and others can hold
_EDGE = "9223372036854775807"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why values of a column became null, and a mask of which."""

    why: str
    mask: pa.Array


@dataclass(slots=True)
class Converter:
    """Converts one field's values, batch by batch; the order of day and month is decided once, from the samples."""

    field: Field
    decimal: str = "."
    samples: list[str] | None = None
    _order: DayOrder | None = None
    _hint: str = ""

    def convert(self, column: pa.Array) -> tuple[pa.Array, list[Misfit]]:
        """The values in the declared type, null where they do not fit; and why, unless all fit."""
        values, misfits = self._convert(column)
        return values, [misfit for misfit in misfits if pc.any(misfit.mask).as_py()] if misfits else []

    def _convert(self, column: pa.Array) -> tuple[pa.Array, list[Misfit]]:
        if FIELD_TYPES[self.field.type].kind == "text":
            return _as_text(column)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            if (converted := self._convert_typed(column)) is not None:
                return converted
            column = _as_text(column)[0]
        return self._convert_text(column.cast(pa.string()))

    def _convert_typed(self, column: pa.Array) -> tuple[pa.Array, list[Misfit]] | None:
        """Values that are no texts; None where they are best read as texts."""
        source, kind = column.type, self.field.type
        match kind:
            case "date" | "timestamp":
                return self._convert_time(column, kind)
            case "number" if _is_number(source):
                return _finite(pc.cast(column, pa.float64(), safe=False))
            case "integer" if pa.types.is_floating(source):
                return _whole(column.cast(pa.float64()))
            case "integer" if pa.types.is_signed_integer(source) or pa.types.is_boolean(source):
                return column.cast(pa.int64()), []
            case "boolean" if pa.types.is_boolean(source):
                return column, []
        return None

    def _convert_time(self, column: pa.Array, kind: FieldType) -> tuple[pa.Array, list[Misfit]] | None:
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            return self._cut(_as_times(column, kind))
        return self._count_times(_as_floats(column)) if _is_number(column.type) else None

    def _convert_text(self, texts: pa.Array) -> tuple[pa.Array, list[Misfit]]:
        """Parse; what is blank is null and no mistake."""
        texts = pc.utf8_trim_whitespace(texts)
        values, misfits = self._parse(texts)
        bad = pc.and_(pc.is_null(values), pc.is_valid(texts))
        for misfit in misfits:
            bad = pc.and_not(bad, misfit.mask)
        if pc.any(bad).as_py():
            bad = pc.and_not(bad, pc.fill_null(pc.is_in(texts, value_set=pa.array(_BLANKS)), fill_value=False))
            misfits += self._explain(texts, bad)
        return values, misfits

    def _explain(self, texts: pa.Array, bad: pa.Array) -> list[Misfit]:
        """Why these texts are no values of the type, by the look of them; each gets the first reason that fits."""
        match self.field.type:
            case "integer":
                looks = {SUPPRESSED: _SUPPRESSED, INFINITE: _ENDLESS, TOO_LARGE: r"^[-+]?\d{19,}(\.0*)?$"}
            case "number":
                looks = {SUPPRESSED: _SUPPRESSED, INFINITE: f"{_ENDLESS}|{_NUMBER}"}
            case "boolean":
                looks = {SUPPRESSED: _SUPPRESSED}
            case _:
                looks = {SUPPRESSED: _SUPPRESSED, OUTSIDE: _DISTANT}
        misfits = []
        for why, look in looks.items():
            found = pc.and_(bad, pc.fill_null(pc.match_substring_regex(texts, look), fill_value=False))
            misfits.append(Misfit(why, found))
            bad = pc.and_not(bad, found)
        return [*misfits, Misfit(f"no {self.field.type}", bad)]

    def _parse(self, texts: pa.Array) -> tuple[pa.Array, list[Misfit]]:
        match self.field.type:
            case "integer":
                return parse_integers(texts, self.decimal), []
            case "number":
                return parse_numbers(texts, self.decimal), []
            case "boolean":
                lower = pc.utf8_lower(texts)
                no = pc.is_in(lower, value_set=pa.array(_FALSE))
                return pc.if_else(pc.is_in(lower, value_set=pa.array(_TRUE)), True, pc.if_else(no, False, None)), []
            case kind:
                order = self._find_order(texts)
                times = parse_dates(texts, order) if kind == "date" else parse_timestamps(texts, order)
                values, misfits = self._cut(times)
                return (
                    self._add_counted(texts, values, misfits)
                    if times.null_count > texts.null_count
                    else (values, misfits)
                )

    # -- times ------------------------------------------------------------------------------------------------------

    def _cut(self, times: pa.Array) -> tuple[pa.Array, list[Misfit]]:
        values, outside = dates.cut_years(times)
        return values, [Misfit(OUTSIDE, outside)] if pc.any(outside).as_py() else []

    def _add_counted(self, texts: pa.Array, values: pa.Array, misfits: list[Misfit]) -> tuple[pa.Array, list[Misfit]]:
        """Texts that are numbers, by the same rule as numbers."""
        lone = pc.fill_null(pc.match_substring_regex(texts, dates.LONE_NUMBER), fill_value=False)
        if not pc.any(lone).as_py():
            return values, misfits
        plain = pc.if_else(lone, pc.replace_substring(texts, ",", "."), None)
        counted, more = self._count_times(_as_floats(plain))
        return pc.coalesce(values, counted), [*misfits, *more]

    def _count_times(self, numbers: np.ndarray) -> tuple[pa.Array, list[Misfit]]:
        """What numbers count, when the layer file says it; else they are no times, with a hint at what they may be."""
        there = pa.array(~np.isnan(numbers))
        if self.field.time_unit is None:
            self._hint = self._hint or _hint_at(numbers[~np.isnan(numbers)])
            return pa.nulls(len(numbers), pa.date32() if self.field.type == "date" else _TIMESTAMP), [
                Misfit(self._hint, there)
            ]
        times = dates.count_times(numbers, self.field.time_unit)
        values, misfits = self._cut(_as_times(times, self.field.type))
        wrong = pc.and_(there, pc.is_null(times))
        return values, [*misfits, Misfit(f'no {self.field.type} as unit = "{self.field.time_unit}"', wrong)]

    def _find_order(self, texts: pa.Array) -> DayOrder:
        if self._order is None:
            self._order = find_day_order(self.samples or texts.slice(0, 5000).to_pylist())
        return self._order


def _hint_at(numbers: np.ndarray) -> str:
    guess = dates.guess_unit(numbers[:5000])
    advice = f'unit = "{guess}"' if guess else 'unit = "year", "s", "ms" or "yyyymmdd"'
    return f"a number is no time; say {advice} if it is one"


def parse_numbers(texts: pa.Array, decimal: str) -> pa.Array:
    """float64; thousands may be grouped; null where it is no finite number."""
    try:
        if decimal == ".":
            return _finite(pc.cast(texts, pa.float64()))[0]
    except pa.ArrowInvalid:
        pass
    texts = _plain_numbers(texts, decimal)
    return _finite(pc.cast(_where(texts, _NUMBER), pa.float64()))[0]


def parse_integers(texts: pa.Array, decimal: str) -> pa.Array:
    """int64; "6.0" and grouped thousands are integers too; null for a fraction and what is no number."""
    try:
        if not pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py():  # Arrow would take 0x1F
            return pc.cast(texts, pa.int64())
    except pa.ArrowInvalid:
        pass
    texts = pc.replace_substring_regex(_plain_numbers(texts, decimal), r"\.0*$", "")
    texts = pc.replace_substring_regex(_where(texts, r"^-?\d+$"), r"^(-?)0+(\d)", r"\1\2")
    digits = pc.utf8_ltrim(texts, "-")
    length = pc.utf8_length(digits)
    fits = pc.or_(pc.less(length, len(_EDGE)), pc.and_(pc.equal(length, len(_EDGE)), pc.less_equal(digits, _EDGE)))
    fits = pc.or_(fits, pc.equal(texts, str(-(2**63))))
    return pc.cast(pc.if_else(fits, texts, None), pa.int64())


def _plain_numbers(texts: pa.Array, decimal: str) -> pa.Array:
    """Numbers with a point, without grouping, blanks inside or a plus sign."""
    texts = pc.replace_substring_regex(texts, r"(\d)[ \x{a0}\x{202f}'](\d{3})", r"\1\2")
    grouped = pc.match_substring_regex(texts, _GROUPED[decimal])
    other = "," if decimal == "." else "."
    texts = pc.if_else(grouped, pc.replace_substring(texts, other, ""), texts)
    texts = pc.replace_substring(texts, ",", ".") if decimal == "," else texts
    return pc.replace_substring_regex(texts, r"^\+", "")


def _where(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, None)


def _finite(numbers: pa.Array) -> tuple[pa.Array, list[Misfit]]:
    """Without NaN and the infinities; -0 is 0."""
    finite = pc.is_finite(numbers)
    numbers = pc.add(numbers, 0.0)
    if pc.all(finite).as_py():
        return numbers, []
    return pc.if_else(finite, numbers, None), [Misfit(INFINITE, pc.fill_null(pc.invert(finite), fill_value=False))]


def _whole(numbers: pa.Array) -> tuple[pa.Array, list[Misfit]]:
    """Floats as integers where they are some."""
    numbers, misfits = _finite(numbers)
    whole = pc.equal(pc.floor(numbers), numbers)
    size = pc.abs(numbers)
    large, inexact = pc.greater(size, 2.0**63), pc.greater_equal(size, 2.0**53)
    for why, mask in (("no integer", pc.invert(whole)), (TOO_LARGE, large), (INEXACT, pc.and_not(inexact, large))):
        if pc.any(mask).as_py():
            misfits.append(Misfit(why, pc.fill_null(mask, fill_value=False)))
            numbers = pc.if_else(mask, None, numbers)
    return numbers.cast(pa.int64()), misfits


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _as_floats(column: pa.Array) -> np.ndarray:
    """float64 with NaN for null."""
    return np.asarray(pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False))


def _as_times(column: pa.Array, kind: FieldType) -> pa.Array:
    """Arrow's dates and times as days, or as microseconds in UTC; what is far off comes out beyond the edges."""
    if pa.types.is_date64(column.type):
        column = column.cast(pa.date32(), safe=False)
    if pa.types.is_date32(column.type):
        if kind == "date":
            return column
        days = pc.cast(column.view(pa.int32()), pa.int64())
        return pc.multiply(_clamp(days, 4_000_000), 86_400_000_000).cast(_TIMESTAMP)
    unit, zone = column.type.unit, column.type.tz
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    numbers = _clamp(column.view(pa.int64()), 300_000_000_000 * per_second)
    finer = per_second > 10**6
    numbers = pc.divide(numbers, 1000) if finer else pc.multiply(numbers, 10**6 // per_second)
    times = numbers.cast(pa.timestamp("us"))
    if kind == "timestamp":
        return pc.assume_timezone(times, "UTC")
    if zone and zone != "UTC":  # the day as it is called where the source says that it is
        times = pc.local_timestamp(times.cast(pa.timestamp("us", tz=zone)))
    return pc.floor_temporal(times, unit="day").cast(pa.date32())


def _clamp(numbers: pa.Array, most: int) -> pa.Array:
    """Keep within what can be multiplied; what is beyond stays beyond."""
    most = min(most, 2**63 - 1)
    return pc.max_element_wise(pc.min_element_wise(numbers, most, skip_nulls=False), -most, skip_nulls=False)


def _as_text(column: pa.Array) -> tuple[pa.Array, list[Misfit]]:
    """Text of any value: whole floats without ".0", lists and structs as JSON, no NUL bytes, blank text is null."""
    kind = column.type
    misfits: list[Misfit] = []
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return pa.array([None if value is None else _as_json(value) for value in column.to_pylist()], pa.string()), []
    if pa.types.is_floating(kind):
        column, misfits = _finite(column)
    texts = column.cast(pa.string())
    if pa.types.is_floating(kind):
        texts = pc.replace_substring_regex(texts, r"\.0$", "")
    return pc.if_else(pc.equal(texts, ""), None, texts), misfits


def _as_json(value: object) -> str:
    return orjson.dumps(value, default=str).decode()
