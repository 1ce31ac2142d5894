"""Declared, typed parameters of a layer whose tiles a function makes: text of a request -> one canonical JSON text."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import orjson

from geoserver.errors import BadParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geoserver.model import Parameter, Scalar

__all__ = ["canonical_json", "parse_parameter", "parse_parameters"]

MAX_TEXT = 1_000  # characters of a text
_INTEGER = re.compile(r"[+-]?\d{1,15}", re.ASCII)  # a JSON number that every reader takes exactly
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EXPECTED = {
    "integer": "a whole number of at most 15 digits",
    "number": "a number",
    "boolean": "true or false",
    "text": f"text of at most {MAX_TEXT:,} characters",
    "date": "a day such as 2024-05-31",
    "timestamp": "a time such as 2024-05-31T12:00:00Z",
}


def parse_parameters(declared: Mapping[str, Parameter], given: Mapping[str, str]) -> dict[str, Scalar]:
    """Every declared parameter with its value, the default where none is given.

    Raises BadParameterError for one that is not declared, and for a value that does not fit its declaration.
    """
    for name, text in given.items():
        if name not in declared:
            known = ", ".join(declared) or "(none): this layer takes no parameters"
            raise BadParameterError(name, text, f"one of the layer's parameters {known}")
    return {
        name: parse_parameter(item, given[name]) if name in given else item.default for name, item in declared.items()
    }


def parse_parameter(declared: Parameter, text: str) -> Scalar:
    """One value, as JSON holds it: times in UTC. Raises BadParameterError that says what was expected."""
    try:
        value = _READERS[declared.type](text)
    except (ValueError, OverflowError) as error:
        raise BadParameterError(declared.name, text, _EXPECTED[declared.type]) from error
    if declared.choices and value not in declared.choices:
        shown = ", ".join(_show(choice) for choice in declared.choices)
        raise BadParameterError(declared.name, text, f"one of {shown}")
    low, high = declared.minimum, declared.maximum
    if (low is not None and _rank(value) < _rank(low)) or (high is not None and _rank(value) > _rank(high)):
        ends = [f"at least {_show(low)}"] if low is not None else []
        ends += [f"at most {_show(high)}"] if high is not None else []
        raise BadParameterError(declared.name, text, f"{_EXPECTED[declared.type]}, {' and '.join(ends)}")
    return value


def canonical_json(values: Mapping[str, Scalar]) -> str:
    """The same text for the same values, in whatever order and spelling they were given."""
    return orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS).decode()


def _read_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _read_number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) and len(text) <= MAX_TEXT else math.nan
    if not math.isfinite(value):
        raise ValueError(text)
    return value + 0.0  # -0 and 0 are one value


def _read_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


def _read_text(text: str) -> str:
    if len(text) > MAX_TEXT or "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(text)
    return text


def _read_date(text: str) -> str:
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text).isoformat()


def _read_timestamp(text: str) -> str:
    """A time without an offset is UTC, as everywhere here."""
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text.upper())
    in_utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return in_utc.isoformat().replace("+00:00", "Z")


_READERS: dict[str, Callable[[str], Scalar]] = {
    "integer": _read_integer,
    "number": _read_number,
    "boolean": _read_boolean,
    "text": _read_text,
    "date": _read_date,
    "timestamp": _read_timestamp,
}


def _rank(value: Scalar) -> float:
    """Where a number, day or time stands among its like."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() if isinstance(value, str) else float(value)


def _show(value: Scalar | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
