"""Declared, typed parameters of a layer whose tiles a function makes: text of a request -> one canonical JSON text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from geoserver.errors import BadParameterError
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.fieldtypes import Scalar
    from geoserver.model import Parameter

__all__ = ["canonical_json", "parse_parameter", "parse_parameters"]


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
    kind = FIELD_TYPES[declared.type]
    try:
        value = kind.parse(text)
    except (ValueError, OverflowError) as error:
        raise BadParameterError(declared.name, text, kind.expected) from error
    if declared.choices and value not in declared.choices:
        shown = ", ".join(_show(choice) for choice in declared.choices)
        raise BadParameterError(declared.name, text, f"one of {shown}")
    low, high = declared.minimum, declared.maximum
    if (low is not None and _rank(value) < _rank(low)) or (high is not None and _rank(value) > _rank(high)):
        ends = [f"at least {_show(low)}"] if low is not None else []
        ends += [f"at most {_show(high)}"] if high is not None else []
        raise BadParameterError(declared.name, text, f"{kind.expected}, {' and '.join(ends)}")
    return value


def canonical_json(values: Mapping[str, Scalar]) -> str:
    """The same text for the same values, in whatever order and spelling they were given."""
    return orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS).decode()


def _rank(value: Scalar) -> float:
    """Where a number, day or time stands among its like."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() if isinstance(value, str) else float(value)


def _show(value: Scalar | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
