"""Enough of MapLibre's expressions to say what a style draws: evaluate one, and find the fields it reads."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

__all__ = [
    "UnsupportedError",
    "are_stops",
    "evaluate",
    "field_of",
    "fields_in",
    "flat",
    "is_expression",
    "is_number",
    "output_at",
    "pairs",
    "progress",
    "reads_zoom",
]

Properties = Mapping[str, Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_REDUCE: dict[str, Callable[[Sequence[Any]], Any]] = {
    "+": sum,
    "*": lambda parts: parts[0] * _REDUCE["*"](parts[1:]) if parts else 1,
    "-": lambda parts: -parts[0] if len(parts) == 1 else parts[0] - parts[1],
    "/": lambda parts: parts[0] / parts[1],
    "^": lambda parts: parts[0] ** parts[1],
    "%": lambda parts: math.fmod(parts[0], parts[1]),
    "min": min,
    "max": max,
    "sqrt": lambda parts: parts[0] ** 0.5,
    "abs": lambda parts: abs(parts[0]),
    "round": lambda parts: round(parts[0]),
}
# These hand their first argument on: what they wrap is what is shown.
_WRAPPERS = frozenset({"to-number", "to-string", "to-boolean", "to-color", "number", "string", "boolean", "coalesce"})


class UnsupportedError(ValueError):
    """An expression that is beyond what a legend needs."""


def is_expression(value: Any) -> bool:
    """Whether a style value is an expression: a list that begins with an operator's name."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], str) and value[0] != "literal"


def fields_in(value: Any) -> set[str]:
    """Names that `get` and `has` read anywhere in the value."""
    return set(_walk(value))


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        if len(value) >= 2 and value[0] in ("get", "has") and isinstance(value[1], str):  # noqa: PLR2004 - [op, name]
            yield value[1]
        for part in value:
            yield from _walk(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _walk(part)


def field_of(value: Any) -> str | None:
    """The field behind `["get", name]`, also within conversions; None for anything else."""
    while is_expression(value) and value[0] in _WRAPPERS and len(value) > 1:
        value = value[1]
    if is_expression(value) and value[0] == "get" and len(value) == 2:  # noqa: PLR2004 - [op, name]
        return str(value[1])
    return None


def output_at(expression: list[Any], zoom: float) -> Any:
    """The output that a `step` or `interpolate` over zoom has nearest below `zoom`."""
    outputs = expression[3:] if expression[0] == "interpolate" else [float("-inf"), *expression[2:]]
    pairs = list(zip(outputs[::2], outputs[1::2], strict=True))
    return next((output for stop, output in reversed(pairs) if stop <= zoom), pairs[0][1])


def evaluate(value: Any, properties: Properties, zoom: float) -> Any:
    """What the style value is for a feature with these properties at that zoom; raises UnsupportedError."""
    if not is_expression(value):
        return value[1] if isinstance(value, list) and value and value[0] == "literal" else value
    name, arguments = value[0], value[1:]
    if name in _SPECIAL:
        return _SPECIAL[name](arguments, properties, zoom)
    if name not in _COMPARE and name not in _REDUCE:
        raise UnsupportedError(f"the operator {name!r}")
    parts = [evaluate(item, properties, zoom) for item in arguments]
    try:
        return _COMPARE[name](*parts) if name in _COMPARE else _REDUCE[name](parts)
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return False if name in _COMPARE else None  # a value that is missing compares with nothing


def _case(arguments: list[Any], properties: Properties, zoom: float) -> Any:
    for condition, output in zip(arguments[:-1:2], arguments[1::2], strict=False):
        if evaluate(condition, properties, zoom):
            return evaluate(output, properties, zoom)
    return evaluate(arguments[-1], properties, zoom)


def _match(arguments: list[Any], properties: Properties, zoom: float) -> Any:
    found = evaluate(arguments[0], properties, zoom)
    for labels, output in zip(arguments[1:-1:2], arguments[2::2], strict=False):
        if found in (labels if isinstance(labels, list) else [labels]):
            return evaluate(output, properties, zoom)
    return evaluate(arguments[-1], properties, zoom)


def _step(arguments: list[Any], properties: Properties, zoom: float) -> Any:
    found = _number(evaluate(arguments[0], properties, zoom))
    output = arguments[1]
    for stop, following in zip(arguments[2::2], arguments[3::2], strict=True):
        if found is None or found < stop:
            break
        output = following
    return evaluate(output, properties, zoom)


def _interpolate(arguments: list[Any], properties: Properties, zoom: float) -> Any:
    found = _number(evaluate(arguments[1], properties, zoom))
    pairs = list(zip(arguments[2::2], arguments[3::2], strict=True))
    if found is None or found <= pairs[0][0]:
        return evaluate(pairs[0][1], properties, zoom)
    for (low, before), (high, after) in pairwise(pairs):
        if found < high:
            start, end = evaluate(before, properties, zoom), evaluate(after, properties, zoom)
            if not (_is_number(start) and _is_number(end)):
                return start  # colours in between are not needed for a legend
            return start + (end - start) * progress(arguments[0], found, low, high)
    return evaluate(pairs[-1][1], properties, zoom)


def progress(kind: list[Any], found: float, low: float, high: float) -> float:
    """How far `found` is between two stops, 0 to 1, by an interpolation's kind; a Bezier curve is taken as a line."""
    base = kind[1] if kind[:1] == ["exponential"] else 1
    try:
        if base == 1:
            return (found - low) / (high - low)
        return float((base ** (found - low) - 1) / (base ** (high - low) - 1))
    except ArithmeticError:  # stops on one spot, or numbers beyond all measure
        return 0.0


def _coalesce(arguments: list[Any], properties: Properties, zoom: float) -> Any:
    found = (evaluate(item, properties, zoom) for item in arguments)
    return next((item for item in found if item is not None), None)


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SPECIAL: dict[str, Callable[[list[Any], Properties, float], Any]] = {
    "get": lambda arguments, properties, _: properties.get(arguments[0]),
    "has": lambda arguments, properties, _: properties.get(arguments[0]) is not None,
    "zoom": lambda _arguments, _properties, zoom: zoom,
    "!": lambda arguments, properties, zoom: not evaluate(arguments[0], properties, zoom),
    "all": lambda arguments, properties, zoom: all(evaluate(item, properties, zoom) for item in arguments),
    "any": lambda arguments, properties, zoom: any(evaluate(item, properties, zoom) for item in arguments),
    "in": lambda arguments, properties, zoom: (
        evaluate(arguments[0], properties, zoom) in (evaluate(arguments[1], properties, zoom) or ())
    ),
    "case": _case,
    "match": _match,
    "step": _step,
    "interpolate": _interpolate,
    "coalesce": _coalesce,
    "to-number": lambda arguments, properties, zoom: _number(_coalesce(arguments, properties, zoom)),
    "to-boolean": lambda arguments, properties, zoom: bool(evaluate(arguments[0], properties, zoom)),
    "to-string": lambda arguments, properties, zoom: str(evaluate(arguments[0], properties, zoom)),
    "to-color": _coalesce,
    "number": _coalesce,
    "string": _coalesce,
    "boolean": _coalesce,
}


def reads_zoom(value: Any) -> bool:
    """Whether the zoom is read anywhere in the value."""
    return isinstance(value, list) and (value == ["zoom"] or any(map(reads_zoom, value)))


def are_stops(flat: list[Any]) -> bool:
    """Whether that is stops of the zoom, each with its output, which depends on the zoom no further."""
    return len(flat) > 1 and len(flat) % 2 == 0 and all(map(is_number, flat[::2])) and not reads_zoom(flat[1::2])


def pairs(flat: list[Any]) -> list[tuple[float, Any]]:
    """Stops with their outputs."""
    return list(zip(flat[::2], flat[1::2], strict=False))


def flat(pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
    """Stops and outputs in a row, as an expression has them."""
    return [part for pair in pairs for part in pair]


def is_number(value: Any) -> bool:
    """Whether that is a number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)
