"""A style in plain values alone, for programs that know little of MapLibre's expressions, such as QGIS.

Its converter passes over values that change with the zoom and the feature at once, and over outlines moved inwards. So
each class becomes a layer of its own, with a filter, for the zooms at which it is drawn so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

from geoserver.styling.expressions import (
    UnsupportedError,
    are_stops,
    evaluate,
    field_of,
    fields_in,
    flat,
    is_expression,
    output_at,
    pairs,
)

__all__ = ["flatten"]

_TOLD = ("circle-color", "circle-stroke-color", "fill-color", "line-color")  # what a class differs in, first of all
_MOST = 64  # classes of one layer; beyond, those of the first field alone
_SOLID = [1, 0]  # a dash without a gap
_FARTHEST = 24

Style = dict[str, Any]


@dataclass(frozen=True)
class _Class:
    """Features that look alike: the condition that lets them through, and the properties of one of them."""

    condition: list[Any] | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


def flatten(style: Style) -> None:
    """Replace what draws circles, lines and areas by layers whose values are numbers, texts, or stops of the zoom."""
    style["layers"] = [part for item in style["layers"] for part in _flatten(item)]


def _flatten(item: Style) -> Iterator[Style]:
    if item["type"] not in ("circle", "fill", "line"):
        yield item
        return
    kept = {key: value for key, value in item.items() if key not in ("paint", "layout", "metadata")}
    layout = {key: value for key, value in item.get("layout", {}).items() if not is_expression(value)}
    made = 0
    for low, high in _zooms_of(item):
        paint = {name: _value_from(value, low) for name, value in item.get("paint", {}).items()}
        for each in _classes_of(paint):
            conditions = [condition for condition in (item.get("filter"), each.condition) if condition]
            part = kept | {"id": f"{item['id']}-{made}" if made else item["id"]}
            part |= {"layout": layout} if layout else {}
            part |= {"filter": conditions[0] if len(conditions) == 1 else ["all", *conditions]} if conditions else {}
            part |= ({"minzoom": low} if low > 0 else {}) | ({"maxzoom": high} if high < _FARTHEST else {})
            yield part | {"paint": {name: text for name, text in _paint_of(paint, each, low) if text is not None}}
            made += 1


def _zooms_of(item: Style) -> list[tuple[float, float]]:
    """The zooms between which no value jumps."""
    low, high = item.get("minzoom", 0), item.get("maxzoom", _FARTHEST)
    jumps: set[float] = set()
    for value in item.get("paint", {}).values():
        match value:
            case ["step", ["zoom"], _, *rest]:
                jumps |= {zoom for zoom in rest[::2] if low < zoom < high}
    return list(pairwise([low, *sorted(jumps), high]))


def _value_from(value: Any, zoom: float) -> Any:
    """What a value that jumps from zoom to zoom is from that one on."""
    match value:
        case ["step", ["zoom"], _, *_]:
            return output_at(value, zoom)
    return value


def _paint_of(paint: Mapping[str, Any], each: _Class, zoom: float) -> Iterator[tuple[str, Any]]:
    for name, value in paint.items():
        try:
            found = _plain(value, each.properties, zoom)
        except (UnsupportedError, ValueError, TypeError, IndexError, KeyError):
            continue  # beyond what is understood here: as if nothing was said
        if name != "line-dasharray" or found != _SOLID:
            yield name, found


def _plain(value: Any, properties: Mapping[str, Any], zoom: float) -> Any:
    """What the value is for such a feature: plain, or stops of the zoom with plain outputs."""
    match value:
        case ["interpolate", kind, ["zoom"], *rest] if are_stops(rest):
            outputs = [(at, evaluate(output, properties, at)) for at, output in pairs(rest)]
            same = all(output == outputs[0][1] for _, output in outputs)
            return outputs[0][1] if same else ["interpolate", kind, ["zoom"], *flat(outputs)]
    return evaluate(value, properties, zoom)


def _classes_of(paint: Mapping[str, Any]) -> list[_Class]:
    """The classes that colours make, by the fields that they read; sizes alone where colours read none."""
    told = [paint[name] for name in _TOLD if fields_in(paint.get(name))] or [
        value for name, value in paint.items() if fields_in(value) and not name.endswith("opacity")
    ]
    names = sorted(set().union(*map(fields_in, told)))
    partitions = [[*_classes_by(name, told)] for name in names]
    while len(partitions) > 1 and _count(partitions) > _MOST:
        partitions.pop()
    return [_join(parts) for parts in product(*partitions)]


def _count(partitions: Sequence[Sequence[_Class]]) -> int:
    found = 1
    for partition in partitions:
        found *= len(partition)
    return found


def _join(parts: Sequence[_Class]) -> _Class:
    conditions = [part.condition for part in parts if part.condition]
    properties = {key: value for part in parts for key, value in part.properties.items()}
    if not conditions:
        return _Class(properties=properties)
    return _Class(conditions[0] if len(conditions) == 1 else ["all", *conditions], properties)


def _classes_by(name: str, values: Sequence[Any]) -> Iterator[_Class]:
    """Every feature is in one of them: by intervals of a number, or by groups of values and the rest."""
    steps, groups = set[float](), dict[tuple[Any, ...], None]()
    for value in values:
        for found in _tests_of(name, value):
            if isinstance(found, tuple):
                groups[found] = None
            else:
                steps.add(found)
    get, has = ["get", name], ["has", name]
    ends = sorted(steps)
    if ends:
        if any(_asks_whether(name, value) for value in values):
            yield _Class(["!", has], {})
        yield _Class(["<", get, ends[0]], {name: ends[0] - 1})
        for low, high in pairwise([*ends, None]):
            below = [["<", get, high]] if high is not None else []
            yield _Class(["all", [">=", get, low], *below] if below else [">=", get, low], {name: low})
        return
    for group in groups:
        equal = [["==", get, value] for value in group]
        yield _Class(equal[0] if len(equal) == 1 else ["any", *equal], {name: group[0]})
    others = [["!=", get, value] for group in groups for value in group]
    if others:
        rest = False if (True,) in groups else "\0"  # no stored text can be this one
        yield _Class(["any", ["!", has], ["all", *others]], {name: rest})
    else:
        yield _Class(["!", has], {})
        yield _Class(has, {name: "\0"})


def _asks_whether(name: str, value: Any) -> bool:
    """Whether a feature without the field is told from others."""
    if not isinstance(value, list):
        return False
    return value == ["has", name] or any(_asks_whether(name, part) for part in value) or value[:1] == ["coalesce"]


def _tests_of(name: str, value: Any) -> Iterator[float | tuple[Any, ...]]:
    """What a field is compared with anywhere in a value: numbers at which classes change, groups of values."""
    if not isinstance(value, list):
        return
    match value:
        case ["step", target, _, *rest] if field_of(target) == name:
            yield from rest[::2]
        case ["interpolate", _, target, *rest] if field_of(target) == name:
            yield from rest[::2]
        case ["match", target, *rest] if field_of(target) == name:
            yield from (tuple(label) if isinstance(label, list) else (label,) for label in rest[:-1:2])
        case ["==" | "!=", target, wanted] if field_of(target) == name and not isinstance(wanted, list):
            yield (wanted,)
        case ["in", target, ["literal", list(wanted)]] if field_of(target) == name:
            yield tuple(wanted)
        case ["<" | ">=", target, limit] if field_of(target) == name:
            yield limit
        case ["case", *rest]:
            # A yes-or-no field is a condition by itself.
            yield from ((True,) for condition in rest[:-1:2] if field_of(condition) == name)
    for part in value:
        yield from _tests_of(name, part)
