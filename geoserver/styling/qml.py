"""A layer's style as QGIS keeps it (QML): a rule for each class, drawn as the map draws it at a street's zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from geoserver.catalog.languages import ENGLISH
from geoserver.colours import HEX, parse_hex
from geoserver.styling.build import fragment_of
from geoserver.styling.expressions import UnsupportedError, evaluate
from geoserver.styling.flat import flatten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geoserver.catalog import Catalog
    from geoserver.catalog.languages import ServerWords
    from geoserver.model import Layer

__all__ = ["build_qml"]

_ZOOM = 15.0
_GREY = "#8a8f94"
_HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_KINDS = {"circle": "marker", "line": "line", "fill": "fill"}
_CLASSES = {"circle": "SimpleMarker", "line": "SimpleLine", "fill": "SimpleFill"}
_COMPARED = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

type Style = dict[str, Any]


def build_qml(catalog: Catalog, layer: Layer, words: ServerWords = ENGLISH) -> str:
    """The style as a document; empty where nothing of it can be said so."""
    style = fragment_of(catalog, layer)
    flatten(style)
    shown = [item for item in style["layers"] if item["type"] in _KINDS and item.get("source-layer") == layer.id]
    shown = [item for item in shown if item.get("minzoom", 0) <= _ZOOM < item.get("maxzoom", 99)]
    if not shown:
        return ""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="RuleRenderer", symbollevels="0", enableorderby="0")
    rules = ET.SubElement(renderer, "rules", key="root")
    symbols = ET.SubElement(renderer, "symbols")
    for number, item in enumerate(shown):
        label = _label(item.get("filter"), layer) or words.other
        rule = {"key": f"{layer.id}-{number}", "symbol": str(number), "label": label}
        if condition := _condition(item.get("filter")):
            rule["filter"] = condition
        ET.SubElement(rules, "rule", rule)
        _add_symbol(symbols, str(number), item)
    return _HEAD + ET.tostring(root, encoding="unicode")


def _add_symbol(symbols: ET.Element, name: str, item: Style) -> None:
    kind = item["type"]
    symbol = ET.SubElement(
        symbols, "symbol", type=_KINDS[kind], name=name, alpha="1", clip_to_extent="1", force_rhr="0"
    )
    layer = ET.SubElement(symbol, "layer", {"class": _CLASSES[kind], "enabled": "1", "locked": "0", "pass": "0"})
    options = ET.SubElement(layer, "Option", type="Map")
    for key, value in _properties(kind, item.get("paint", {})):
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    for key, value in _properties(kind, item.get("paint", {})):
        ET.SubElement(layer, "prop", k=key, v=value)  # as before version 3.20


def _properties(kind: str, paint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
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


def _label(part: Any, layer: Layer) -> str:
    """What a class is called, by the field's labels."""
    match part:
        case None:
            return layer.title
        case ["==", ["get", name], value]:
            return _word(layer, name, value)
        case ["any", *parts] if all(isinstance(each, list) and each[:1] == ["=="] for each in parts):
            return ", ".join(_label(each, layer) for each in parts)
        case ["all", [">=", ["get", _], low], ["<", ["get", _], high]]:
            return f"{low:g} \u2013 {high:g}" if isinstance(low, int | float) and isinstance(high, int | float) else ""
        case [("<" | ">=") as op, ["get", _], value]:
            return f"{op} {value}"
    return ""


def _word(layer: Layer, name: str, value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    item = layer.fields.get(name)
    return item.labels.get(text, text) if item else text
