"""A layer's style as QGIS keeps it (QML): a rule for each class, drawn as the map draws it at a street's zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

from geoserver.catalog.languages import ENGLISH
from geoserver.colours import HEX, parse_hex
from geoserver.styling.build import fragment_of
from geoserver.styling.expressions import UnsupportedError, evaluate
from geoserver.styling.flat import flatten
from geoserver.styling.legend import name_class
from geoserver.styling.outlines import LEGEND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.catalog import Catalog
    from geoserver.catalog.languages import ServerWords
    from geoserver.model import Layer

__all__ = ["build_qml"]

_ZOOM = 15.0
_GREY = "#8a8f94"
_HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
# What a symbol is for the shapes of a layer: QGIS draws areas by symbols of areas alone, their outlines too.
_KINDS = {
    "points": {"circle": "marker"},
    "lines": {"line": "line"},
    "polygons": {"line": "fill", "fill": "fill"},
    "": {"circle": "marker", "line": "line", "fill": "fill"},
}
_CAPS = {"butt": "flat", "round": "round", "square": "square"}
_CLASSES = {"circle": "SimpleMarker", "line": "SimpleLine", "fill": "SimpleFill"}
_COMPARED = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

type Style = dict[str, Any]


def build_qml(catalog: Catalog, layer: Layer, words: ServerWords = ENGLISH) -> str:
    """The style as a document; empty where nothing of it can be said so."""
    drawn = [*_read_drawn(catalog, layer, words)]
    if not drawn:
        return ""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Fields")
    levels = {"symbollevels": "1", "enableorderby": "0"}  # what is drawn first is below, of all features
    renderer = ET.SubElement(root, "renderer-v2", levels, type="RuleRenderer")
    rules = ET.SubElement(renderer, "rules", key="root")
    symbols = ET.SubElement(renderer, "symbols")
    kinds: dict[tuple[str, str], list[_Drawn]] = {}
    for each in drawn:
        kinds.setdefault((each.kind, each.condition), []).append(each)
    for number, ((kind, condition), parts) in enumerate(kinds.items()):
        label = next((part.label for part in parts if part.label), words.other if condition else layer.title)
        rule = {"key": f"{layer.id}-{number}", "symbol": str(number), "label": label}
        ET.SubElement(rules, "rule", rule | ({"filter": condition} if condition else {}))
        about = {"type": kind, "name": str(number), "alpha": "1", "clip_to_extent": "1", "force_rhr": "0"}
        symbol = ET.SubElement(symbols, "symbol", about)
        for part in parts:
            _add_part(symbol, part)
    aliases = ET.SubElement(root, "aliases")  # what a table's columns are called
    for item in layer.fields.values():
        name = f"{item.title} ({item.unit})" if item.unit else item.title
        ET.SubElement(aliases, "alias", field=item.name, name=name)
    return _HEAD + ET.tostring(root, encoding="unicode")


class _Drawn(NamedTuple):
    """What one layer of the flat style draws: the kind of symbol and the class of features that it is for."""

    kind: str
    condition: str
    label: str
    place: int  # from below
    item: Style


def _read_drawn(catalog: Catalog, layer: Layer, words: ServerWords) -> Iterator[_Drawn]:
    kinds = _KINDS[layer.geometry or ""]
    for place, item in enumerate(fragment_of(catalog, layer)["layers"]):
        if item["type"] not in kinds or item.get("source-layer") != layer.id:
            continue
        note = item.get("metadata", {}).get(LEGEND)
        parts = {"layers": [item]}
        flatten(parts)
        for part in parts["layers"]:
            if part.get("minzoom", 0) <= _ZOOM < part.get("maxzoom", 99):
                condition = part.get("filter")
                label = "" if note is False else name_class(layer, note, condition, words)
                yield _Drawn(kinds[part["type"]], _condition(condition), label, place, part)


def _add_part(symbol: ET.Element, part: _Drawn) -> None:
    about = {"class": _CLASSES[part.item["type"]], "enabled": "1", "locked": "0", "pass": str(part.place)}
    layer = ET.SubElement(symbol, "layer", about)
    options = ET.SubElement(layer, "Option", type="Map")
    for key, value in _properties(part.item):
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    for key, value in _properties(part.item):
        ET.SubElement(layer, "prop", k=key, v=value)  # as before version 3.20


def _properties(item: Style) -> Iterator[tuple[str, str]]:
    kind, paint, layout = item["type"], item.get("paint", {}), item.get("layout", {})

    def of(name: str, otherwise: Any) -> Any:
        try:
            found = evaluate(paint.get(name, otherwise), {}, _ZOOM)
        except (UnsupportedError, ValueError, TypeError, IndexError, KeyError):
            return otherwise
        return otherwise if found is None else found

    def colour(name: str, opacity: str, otherwise: str = _GREY) -> str:
        return _colour(of(name, otherwise), of(opacity, 1.0))

    match kind:
        case "circle":
            width = float(of("circle-stroke-width", 0))
            yield from (("name", "circle"), ("color", colour("circle-color", "circle-opacity")))
            yield from (("size", f"{2 * float(of('circle-radius', 5)) + width:g}"), ("size_unit", "Pixel"))
            yield "outline_color", colour("circle-stroke-color", "circle-stroke-opacity", "#000000")
            yield from (("outline_width", f"{width:g}"), ("outline_width_unit", "Pixel"))
            yield "outline_style", "solid" if width else "no"
        case "line":
            yield "line_color", colour("line-color", "line-opacity")
            width = float(of("line-width", 1))
            yield from (("line_width", f"{width:g}"), ("line_width_unit", "Pixel"), ("line_style", "solid"))
            yield "capstyle", _CAPS.get(layout.get("line-cap", "butt"), "flat")
            yield "joinstyle", layout.get("line-join", "miter")
            if dashes := of("line-dasharray", []):
                dash = ";".join(f"{float(part) * width:g}" for part in dashes)
                yield from (("use_custom_dash", "1"), ("customdash", dash), ("customdash_unit", "Pixel"))
        case "fill":
            yield from (("color", colour("fill-color", "fill-opacity")), ("style", "solid"))
            outline = "fill-outline-color"
            yield "outline_color", colour(outline, "fill-opacity")
            yield from (("outline_width", "1"), ("outline_width_unit", "Pixel"))
            yield "outline_style", "solid" if outline in paint else "no"


def _colour(text: object, opacity: object) -> str:
    parts = [
        *parse_hex(str(text) if HEX.match(str(text)) else _GREY),
        opacity if isinstance(opacity, int | float) else 1,
    ]
    return ",".join(str(round(255 * part)) for part in parts)


def _condition(part: Any) -> str:  # noqa: PLR0911 - one for each form that it has
    """A condition of the style as an expression of QGIS; empty where there is none."""
    match part:
        case None:
            return ""
        case ["all" | "any" as op, *parts]:
            word = " AND " if op == "all" else " OR "
            return "(" + word.join(_condition(each) for each in parts) + ")"
        case ["!", ["has", name]]:
            return f"{_name(name)} IS NULL"
        case ["!", inner]:
            return f"NOT {_condition(inner)}"
        case ["has", name]:
            return f"{_name(name)} IS NOT NULL"
        case [op, ["get", name], value] if op in _COMPARED:
            return f"{_name(name)} {_COMPARED[op]} {_literal(value)}"
    return "TRUE"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: object) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            return f"{value!r}"
    return "'" + str(value).replace("'", "''") + "'"
