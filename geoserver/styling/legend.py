"""Legends, derived from what a style draws: its `match`, `step`, `interpolate`, `case` and plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from geoserver.catalog import Catalog
from geoserver.catalog.languages import ENGLISH, ServerWords
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.model import Field, Layer
from geoserver.styling.bins import MARKS, ODD, SUFFIX, bins_layers, find_ladder, has_bins, read_note
from geoserver.styling.build import darken, fragment_of
from geoserver.styling.expressions import (
    UnsupportedError,
    evaluate,
    field_of,
    fields_in,
    is_expression,
    output_at,
)
from geoserver.styling.outlines import LEGEND

if TYPE_CHECKING:
    from geoserver.database.status import LayerStatus

__all__ = ["build_legend", "describe_bins", "list_counts", "name_class", "translate_style"]

ZOOM = 15.0  # sizes in a legend are those of this zoom

SHORT = 8  # characters of a unit that may stand in every label; a longer one is said once, in the title

_COLOUR = {"circle": "circle-color", "line": "line-color", "fill": "fill-color"}
_SIZE = {"circle": "circle-radius", "line": "line-width"}
_NEUTRAL = "#8a8f94"  # entries that explain a size are not any class's colour


@dataclass(frozen=True)
class _Entry:
    """One line of a legend before it is drawn: its text, and the properties of a feature that it stands for."""

    label: str = ""
    title: str = ""  # what is measured, for classes of a number
    value: Any = None
    properties: Mapping[str, Any] = field(default_factory=dict)


def build_legend(catalog: Catalog, layer: Layer, words: ServerWords = ENGLISH) -> list[dict[str, Any]]:
    """Entries {kind: circle|line|fill, label, color, title?, size?, opacity?, stroke?, stroke_width?, dash?, value?,
    dark?}.

    Sizes are in px; `title` says what is measured (the field's title, and its unit where that is long), `value` is the
    stored value, or the list of them, that an entry of a choice stands for, and `dark` holds what differs on a dark
    basemap. What is beyond a legend (an operator that it does not know) gives one entry with the layer's title.
    """
    style = fragment_of(catalog, layer)
    light = _entries_of(layer, style["layers"], words)
    if not style.get("metadata", {}).get("geoserver:dark"):
        return light
    darken(style)
    return _join(light, _entries_of(layer, style["layers"], words))


def describe_bins(
    catalog: Catalog, layer: Layer, status: LayerStatus, words: ServerWords = ENGLISH
) -> dict[str, Any] | None:
    """{title, facet, values, legend, legends} of the bins that stand for several features; None when none are drawn.

    Legend entries are {kind: circle|fill, label, color, from, to, size?, opacity?, dark?}: `from` and `to` are the
    least and the greatest count of a class, `to` is null in the last. It is empty where colours are not steps of
    `count`. Classes follow what is counted at a zoom: `legends` has them by the zoom from which on they hold, `legend`
    is the last.
    """
    style = fragment_of(catalog, layer)
    if not has_bins(catalog, layer, style):
        return None
    ladder = find_ladder(status.plan)
    light = bins_layers(style, layer, ladder)
    darken(style)
    dark = bins_layers(style, layer, ladder, dark=True)
    zooms = sorted({zoom for item in light for zoom in _zooms_of(item)})
    legends = [
        {"minzoom": zoom, "legend": _join(*([*_counts_in(items, zoom, words)] for items in (light, dark)))}
        for zoom in zooms
    ]
    return {
        "title": _translate(layer, read_note(style).get("title")),
        "facet": status.plan.facet or None,
        "values": list(status.plan.values),
        "legend": legends[-1]["legend"] if legends else [],
        "legends": legends,
    }


def list_counts(
    style: Mapping[str, Any], layer_id: str, zoom: float, words: ServerWords = ENGLISH
) -> list[dict[str, Any]]:
    """Entries for the bins that a made style draws at a zoom, as in `describe_bins`; none where it draws no classes."""
    drawn = [item for item in style["layers"] if item.get("source-layer") == layer_id + SUFFIX]
    tile = math.floor(zoom)
    there = [item for item in drawn if item["id"].endswith(ODD) == bool(tile % 2) or not _is_twin(item, drawn)]
    return [*_counts_in(there, zoom, words)]


def _is_twin(item: Mapping[str, Any], drawn: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it is drawn for tiles of even or of odd zooms alone."""
    return item["id"].removesuffix(ODD) + ODD in {other["id"] for other in drawn}


def _zooms_of(item: Mapping[str, Any]) -> list[int]:
    """The zooms from which on bins have other classes."""
    match item.get("paint", {}).get("fill-color"):
        case ["step", ["zoom"], _, *rest]:
            return [0, *rest[::2]]
    return [0]


def _counts_in(items: list[dict[str, Any]], zoom: float, words: ServerWords) -> Iterator[dict[str, Any]]:
    for item in items:
        yield from _counts_of(item, zoom, words)


def _counts_of(item: Mapping[str, Any], zoom: float, words: ServerWords) -> Iterator[dict[str, Any]]:
    paint = item.get("paint", {})
    marked = item["id"].endswith(MARKS)
    # Bins that are not filled have marks, which tell the same.
    hidden = item["type"] == "fill" and paint.get("fill-opacity") == 0
    told = (marked or item["type"] == "fill") and not hidden
    colour = paint.get(_COLOUR["line" if marked else "fill"]) if told else None
    match colour:
        case ["step", ["zoom"], _, *_]:
            colour = output_at(colour, zoom)
    match colour:
        case ["step", target, first, *rest] if field_of(target) == "count" and len(rest) % 2 == 0:
            lows = [1, *rest[::2]]
        case _:
            return
    for low, after, colour in zip(lows, [*lows[1:], None], [first, *rest[1::2]], strict=True):
        high = None if after is None else after - 1
        ends = [_number(end, words) for end in (low, high) if end is not None]
        text = ends[0] if high == low else words.span.format(*ends) if high else f"≥ {ends[0]}"
        entry = {"kind": "circle" if marked else "fill", "label": text, "color": colour, "from": low, "to": high}
        if marked:
            entry["size"] = _rounded(evaluate(paint["line-width"], {"count": low}, zoom))
        try:
            opacity = _rounded(evaluate(paint.get("line-opacity" if marked else "fill-opacity"), {"count": low}, 0))
        except (UnsupportedError, ValueError, TypeError, IndexError):
            opacity = None
        yield entry | ({} if opacity is None else {"opacity": opacity})


def _join(light: list[dict[str, Any]], dark: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of the light style, each with what differs in the dark one."""
    if len(dark) != len(light):
        return light
    return [entry | _difference(entry, other) for entry, other in zip(light, dark, strict=True)]


def _difference(light: dict[str, Any], dark: dict[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in dark.items() if light.get(key) != value}
    return {"dark": changed} if changed else {}


def name_class(layer: Layer, note: Any, condition: Any, words: ServerWords = ENGLISH) -> str:
    """What a legend calls the features that a class of a flat style lets through; empty for what is beyond it.

    `note` is what the style's layer says of its legend.
    """
    told = note if isinstance(note, dict) else {"title": note} if isinstance(note, str) else {}
    if condition is None:
        return _translate(layer, told.get("title")) or layer.title
    try:
        entry = _Namer(layer, told, words).read_class(condition)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError):  # compares what cannot be compared
        return ""
    return entry.label if entry else ""


def _translate(layer: Layer, text: str | None) -> str | None:
    """What a style says, in the language of the layer's words where the layer file has it."""
    return None if text is None else layer.legend_words.get(text, text)


def translate_style(style: dict[str, Any], name: str, layers: Mapping[str, Layer]) -> None:
    """Write into a made style the words of its layers' legends, and the title of the layer that it is named after.

    `layers` are in the language that is wanted.
    """
    if name in layers:
        style["name"] = layers[name].title
    for item in style["layers"]:
        layer, metadata = layers.get(item.get("source-layer", "")), item.get("metadata", {})
        if layer is None or not layer.legend_words or not isinstance(metadata.get(LEGEND), str | dict):
            continue
        note = metadata[LEGEND]
        item["metadata"] = metadata | {LEGEND: _translate_note(layer, note)}


def _translate_note(layer: Layer, note: Any) -> Any:
    if isinstance(note, dict):
        return {key: _translate_note(layer, value) for key, value in note.items()}
    return _translate(layer, note) if isinstance(note, str) else note


def _entries_of(layer: Layer, items: list[dict[str, Any]], words: ServerWords) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for item in items:
        note = item.get("metadata", {}).get(LEGEND, {})
        if item["type"] in _COLOUR and item.get("source-layer") == layer.id and note is not False:
            entries += _legend_of(layer, item, {"title": note} if isinstance(note, str) else note, words)
    return entries


def _legend_of(
    layer: Layer, item: Mapping[str, Any], note: Mapping[str, Any], words: ServerWords
) -> list[dict[str, Any]]:
    try:
        return _classes_of(layer, item, note, words)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError):  # an expression that MapLibre refuses too
        return [{"kind": item["type"], "label": layer.title, "color": _NEUTRAL}]


def _classes_of(
    layer: Layer, item: Mapping[str, Any], note: Mapping[str, Any], words: ServerWords
) -> list[dict[str, Any]]:
    paint = item.get("paint", {})
    colour, size = (paint.get(table.get(item["type"], "")) for table in (_COLOUR, _SIZE))
    if not fields_in(colour) and fields_in(paint.get("circle-stroke-color")):  # a ring
        colour = paint["circle-stroke-color"]
    namer = _Namer(layer, note, words)
    whole = namer.read_condition(item.get("filter")) or _Entry(layer.title)
    shown = [*namer.split(colour)] or [replace(whole, label=_translate(layer, note.get("title")) or whole.label)]
    drawn = [_draw(item, entry) for entry in shown]
    if fields_in(size) - fields_in(colour):
        drawn += [_draw(item, entry) | {"color": _NEUTRAL} for entry in namer.split(size)]
    return drawn


def _draw(item: Mapping[str, Any], entry: _Entry) -> dict[str, Any]:
    """The entry as the style draws a feature of that class."""
    kind, paint = item["type"], item.get("paint", {})

    def value_of(name: str) -> Any:
        try:
            return evaluate(paint.get(name), entry.properties, ZOOM)
        except UnsupportedError:
            return None

    colour = value_of(_COLOUR[kind])
    stroke = value_of({"circle": "circle-stroke-color", "fill": "fill-outline-color"}.get(kind, ""))
    drawn = {"kind": kind, "label": entry.label, "color": colour if isinstance(colour, str) else _NEUTRAL}
    more = {
        "size": _rounded(value_of(_SIZE.get(kind, ""))),
        "title": entry.title or None,
        "opacity": _rounded(value_of(f"{kind}-opacity")),
        "stroke": stroke if isinstance(stroke, str) else None,
        "stroke_width": _rounded(value_of("circle-stroke-width")) if kind == "circle" else None,
        "dash": value_of("line-dasharray"),
        "value": entry.value,
    }
    return drawn | {key: value for key, value in more.items() if value is not None}


def _rounded(value: Any) -> float | None:
    return round(float(value), 2) if isinstance(value, int | float) else None


class _Namer:
    """Splits a style value into the classes it makes, and names each with the field's labels and unit."""

    def __init__(self, layer: Layer, note: Mapping[str, Any], words: ServerWords) -> None:
        self._fields = layer.fields
        self._words = words
        self._labels = {key: _translate(layer, text) for key, text in note.get("labels", {}).items()}
        self._other = _translate(layer, note["other"]) if "other" in note else words.other
        self._missing = _translate(layer, note["missing"]) if "missing" in note else words.missing

    def split(self, value: Any) -> Iterator[_Entry]:
        """One entry per class; nothing for a value that is the same for every feature."""
        if not (is_expression(value) and fields_in(value)):
            return
        name, arguments = value[0], value[1:]
        if name == "match":
            yield from self._split_match(arguments)
        elif name == "case":
            yield from self._split_case(arguments)
        elif name in ("step", "interpolate"):
            yield from self._split_ramp(value)
        elif name in ("coalesce", "to-color"):
            yield from self.split(arguments[0])

    def _split_match(self, arguments: list[Any]) -> Iterator[_Entry]:
        name = field_of(arguments[0])
        if name is None:
            return
        for labels in arguments[1:-1:2]:
            values = labels if isinstance(labels, list) else [labels]
            if (text := self._name_values(name, values)) is not None:
                yield _Entry(text, self._title(name), _one_or_all(values), {name: values[0]})
        if self._other is not None:
            yield _Entry(self._other, self._title(name), None, {name: "\0"})  # no stored text can be this one

    def _split_case(self, arguments: list[Any]) -> Iterator[_Entry]:
        missing = []  # exceptions are listed after the rule
        for condition in arguments[:-1:2]:
            name, values = _read_condition(condition)
            if name is None:
                continue
            text = self._missing if values == [None] else self._name_values(name, values)
            if text is not None:
                missing.append(_Entry(text, self._title(name), _one_or_all(values), {name: values[0]}))
        rest = [*self.split(arguments[-1])]
        if rest:
            yield from [*rest, *missing]
            return
        yield from missing
        names = fields_in(arguments[:-1])
        if names and {FIELD_TYPES[self._fields[name].type].kind for name in names if name in self._fields} == {
            "boolean"
        }:
            text = self._name_values(min(names), [False])
            yield _Entry(text or "", self._title(min(names)), False, dict.fromkeys(names, False))
        elif names and self._other is not None:
            yield _Entry(self._other, properties=dict.fromkeys(names, "\0"))

    def _split_ramp(self, value: list[Any]) -> Iterator[_Entry]:
        place = 1 if value[0] == "step" else 2
        name = field_of(value[place])
        if name is None:  # a ramp over zoom: the classes are in its outputs
            if not fields_in(value[place]):
                yield from self.split(output_at(value, ZOOM))
            return
        stops = value[3::2]
        if value[0] == "interpolate":
            for stop in stops:
                text = self._named(f"{stop:g}", self._amount(name, stop))
                yield _Entry(text, self._title(name), None, {name: stop})
            return
        yield self._interval(name, None, stops[0])
        for low, high in pairwise([*stops, None]):
            yield self._interval(name, low, high)

    def _interval(self, name: str, low: float | None, high: float | None) -> _Entry:
        if low is None:
            assert high is not None  # noqa: S101 - a step has a stop at least
            text, inside = f"< {self._amount(name, high)}", high - 1
        elif high is None:
            text, inside = f"≥ {self._amount(name, low)}", low
        else:
            text, inside = self._words.span.format(_number(low, self._words), self._amount(name, high)), low
        key = "" if low is None else f"{low:g}"
        return _Entry(self._named(key, text), self._title(name), None, {name: inside})

    def _named(self, key: str, text: str) -> str:
        return self._labels.get(key) or text

    def _amount(self, name: str, value: float) -> str:
        unit = self._fields[name].unit if name in self._fields else ""
        text = _number(value, self._words)
        return f"{text} {unit}".rstrip() if len(unit) <= SHORT else text

    def _title(self, name: str) -> str:
        item = self._fields.get(name)
        if item is None:
            return ""
        return f"{item.title}, {item.unit}" if len(item.unit) > SHORT else item.title

    def _name_values(self, name: str, values: list[Any]) -> str | None:
        """The text of a class of values; None where the style's note hides it."""
        key = str(values[0])
        if key in self._labels:
            return self._labels[key]
        return ", ".join(_label(self._fields.get(name), value, self._words) for value in values)

    def read_class(self, condition: Any) -> _Entry | None:  # noqa: PLR0911 - one for each form that it has
        """The class that a condition of a flat style lets through."""
        match condition:
            case ["all", [">=", ["get", str(name)], low], ["<", ["get", other], high]] if name == other:
                return self._interval(name, low, high)
            case ["<", ["get", str(name)], high]:
                return self._interval(name, None, high)
            case [">=", ["get", str(name)], low]:
                return self._interval(name, low, None)
            case ["!", ["has", str()]]:
                return _Entry(self._missing or "")
            case ["any", ["!", ["has", str()]], ["all", *_]]:
                return _Entry(self._other or "")
            case ["any", *parts] if all(_read_condition(part)[0] for part in parts):
                name = str(_read_condition(parts[0])[0])
                return _Entry(self._name_values(name, [_read_condition(part)[1][0] for part in parts]) or "")
        return self.read_condition(condition)

    def read_condition(self, condition: Any) -> _Entry | None:
        """The class that a filter such as `["==", ["get", name], value]` lets through; None for what is beyond that."""
        name, values = _read_condition(condition)
        if name is None or values == [None]:
            return None
        text = self._name_values(name, values)
        return _Entry(text, self._title(name), _one_or_all(values), {name: values[0]}) if text else None


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _read_condition(condition: Any) -> tuple[str | None, list[Any]]:
    """Field and values that make a condition true: equality, `in`, a two-way `match`, `!has`; else (None, [])."""
    match condition:
        case ["==", target, value] if (name := field_of(target)) is not None and not is_expression(value):
            return name, [value]
        case ["!", ["has", str(name)]]:
            return name, [None]
        case ["in", target, ["literal", list(values)]] if (name := field_of(target)) is not None and values:
            return name, values
        case ["match", target, values, True, False] if (name := field_of(target)) is not None:
            return name, values if isinstance(values, list) else [values]
        case list() if is_expression(condition) and (name := field_of(condition)) is not None:
            return name, [True]
    return None, []


def _label(item: Field | None, value: Any, words: ServerWords) -> str:
    """The field's own label for a stored value, else the value made readable."""
    if isinstance(value, bool):
        text, plain = str(value).lower(), words.yes if value else words.no
        return item.labels.get(text, plain) if item else plain
    if item and str(value) in item.labels:
        return item.labels[str(value)]
    text = str(value).replace("_", " ").replace("-", " ") if isinstance(value, str) else _number(value, words)
    return text[:1].upper() + text[1:]


def _number(value: float, words: ServerWords) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace(".", words.point)
