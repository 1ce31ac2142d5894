"""Values of a source as the declared types: Arrow columns in, Arrow columns out, and which values did not parse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from geoserver.loading.dates import DayOrder, find_day_order, parse_dates, parse_timestamps

if TYPE_CHECKING:
    from geoserver.model import Field, FieldType

__all__ = ["ARROW_TYPES", "Converter"]

ARROW_TYPES: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_TRUE = ("true", "t", "yes", "y", "1", "on", "oui", "ja", "si", "sí", "sim", "vrai", "wahr", "x")
_FALSE = ("false", "f", "no", "n", "0", "off", "non", "nein", "não", "nao", "faux", "falsch")
_BLANKS = ("", "NA", "N/A", "n/a", "None", "NULL", "null", "NaN", "nan", "-")
_SUPPRESSED = r"^([<≤]\s*\d|\*+$)"
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_GROUPED = {".": r"^[-+]?\d{1,3}(?:,\d{3})+(\.\d*)?$", ",": r"^[-+]?\d{1,3}(?:\.\d{3})+(,\d*)?$"}


@dataclass(slots=True)
class Converter:
    """Converts one field's values, batch by batch; the order of day and month is decided once, from the samples."""

    field: Field
    decimal: str = "."
    samples: list[str] | None = None
    suppressed: int = 0  # values such as "<5", which keep a small number secret: null and no mistake
    _order: DayOrder | None = None

    def convert(self, column: pa.Array) -> tuple[pa.Array, pa.Array]:
        """The values in the declared type, null where they do not parse; and a mask of those."""
        target = ARROW_TYPES[self.field.type]
        if self.field.type == "text":
            return _as_text(column), _none(column)
        if pa.types.is_timestamp(column.type) and column.type.tz is None and self.field.type == "timestamp":
            return pc.assume_timezone(pc.cast(column, pa.timestamp("us"), safe=False), "UTC"), _none(column)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return self._convert_text(column.cast(pa.string()))
        try:
            return column.cast(target), _none(column)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return self._convert_text(_as_text(column))

    def _convert_text(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Parse; what is blank is null and no mistake."""
        texts = pc.utf8_trim_whitespace(texts)
        values = self._parse(texts)
        bad = pc.and_(pc.is_null(values), pc.is_valid(texts))
        if pc.any(bad).as_py():
            bad = pc.and_kleene(bad, pc.invert(pc.is_in(texts, value_set=pa.array(_BLANKS))))
            hidden = pc.and_kleene(bad, pc.match_substring_regex(texts, _SUPPRESSED))
            self.suppressed += pc.sum(hidden).as_py() or 0
            bad = pc.and_kleene(bad, pc.invert(hidden))
        return values, pc.fill_null(bad, fill_value=False)

    def _parse(self, texts: pa.Array) -> pa.Array:
        match self.field.type:
            case "integer":
                return parse_integers(texts, self.decimal)
            case "number":
                return parse_numbers(texts, self.decimal)
            case "boolean":
                lower = pc.utf8_lower(texts)
                no = pc.is_in(lower, value_set=pa.array(_FALSE))
                return pc.if_else(pc.is_in(lower, value_set=pa.array(_TRUE)), True, pc.if_else(no, False, None))
            case "date":
                return parse_dates(texts, self._find_order(texts))
            case _:
                return parse_timestamps(texts, self._find_order(texts))

    def _find_order(self, texts: pa.Array) -> DayOrder:
        if self._order is None:
            self._order = find_day_order(self.samples or texts.slice(0, 5000).to_pylist())
        return self._order


def parse_numbers(texts: pa.Array, decimal: str) -> pa.Array:
    """float64; thousands may be grouped; null where it is no finite number."""
    try:
        if decimal == ".":
            return _finite(pc.cast(texts, pa.float64()))
    except pa.ArrowInvalid:
        pass
    texts = _plain_numbers(texts, decimal)
    return _finite(pc.cast(_where(texts, _NUMBER), pa.float64()))


def parse_integers(texts: pa.Array, decimal: str) -> pa.Array:
    """int64; "6.0" and grouped thousands are integers too; null for a fraction and what is no number."""
    try:
        return pc.cast(texts, pa.int64())
    except pa.ArrowInvalid:
        pass
    texts = pc.replace_substring_regex(_plain_numbers(texts, decimal), r"\.0*$", "")
    return pc.cast(_where(texts, r"^-?\d{1,18}$"), pa.int64())


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


def _finite(numbers: pa.Array) -> pa.Array:
    finite = pc.is_finite(numbers)
    return numbers if pc.all(finite).as_py() else pc.if_else(finite, numbers, None)


def _none(column: pa.Array) -> pa.Array:
    return pa.repeat(pa.scalar(False), len(column))


def _as_text(column: pa.Array) -> pa.Array:
    """Text of any value: whole floats without ".0", lists and structs as JSON, no NUL bytes, blank text is null."""
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return pa.array([None if value is None else _as_json(value) for value in column.to_pylist()], pa.string())
    texts = column.cast(pa.string())
    if pa.types.is_floating(kind):
        texts = pc.replace_substring_regex(texts, r"\.0$", "")
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _as_json(value: object) -> str:
    return orjson.dumps(value, default=str).decode()
