"""A layer's style as QGIS keeps it: every class is a rule whose symbol is there, in the map's colours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from geoserver.catalog import read_catalog
from geoserver.catalog.languages import in_language, read_words
from geoserver.colours import parse_hex
from geoserver.styling import build_legend, build_qml

if TYPE_CHECKING:
    from geoserver.settings import Settings

DATASETS = ("crime", "bike-paths", "trees", "sewage-sampling", "air-quality", "districts")


def read_symbols(root: ET.Element) -> dict[str, dict[str, str]]:
    """By name: the options of each symbol's one layer."""
    return {
        str(symbol.get("name")): {str(one.get("name")): str(one.get("value")) for one in symbol.iter("Option")}
        for symbol in root.iter("symbol")
    }


@pytest.mark.parametrize("name", DATASETS)
def test_every_rule_has_a_symbol_and_a_name(city_settings: Settings, name: str) -> None:
    catalog = read_catalog(city_settings)
    head, _, text = build_qml(catalog, catalog.layers[name]).partition("\n")
    assert head.startswith("<!DOCTYPE qgis")
    root = ET.fromstring(text)
    kinds = {str(symbol.get("name")): symbol.get("type") for symbol in root.iter("symbol")}
    rules = list(root.iter("rule"))
    assert [rule.get("symbol") for rule in rules] == list(kinds)
    assert all(rule.get("label") for rule in rules)
    assert len({rule.get("filter") for rule in rules}) == len(rules)  # a class is one line of the legend
    # QGIS draws areas by symbols of areas alone, also where only their outlines are drawn.
    expected = {"points": "marker", "lines": "line", "polygons": "fill"}[catalog.layers[name].geometry]
    assert set(kinds.values()) == {expected}
    for part in root.iter("layer"):
        options = {str(one.get("name")): str(one.get("value")) for one in part.iter("Option")}
        colour = options.get("color") or options["line_color"]
        assert all(0 <= int(number) <= 255 for number in colour.split(","))


@pytest.mark.parametrize("name", DATASETS)
def test_rules_are_named_as_the_legend_names_its_classes(city_settings: Settings, name: str) -> None:
    catalog = read_catalog(city_settings)
    for language in ("en", "de"):
        layer, words = in_language(catalog.layers[name], [language]), read_words()[language]
        root = ET.fromstring(build_qml(catalog, layer, words).partition("\n")[2])
        named = {rule.get("label") for rule in root.iter("rule")}
        # Grey entries explain sizes, which are no classes.
        told = {entry["label"] for entry in build_legend(catalog, layer, words) if entry["color"] != "#8a8f94"}
        assert told <= named <= told | {words.other, layer.title}


def test_what_is_drawn_over_all_else_on_the_map_is_so_in_qgis(city_settings: Settings) -> None:
    catalog = read_catalog(city_settings)
    root = ET.fromstring(build_qml(catalog, catalog.layers["sewage-sampling"]).partition("\n")[2])
    assert {tuple(part.get("pass") for part in symbol.iter("layer")) for symbol in root.iter("symbol")} == {("0", "1")}


def test_colours_of_rules_are_those_of_the_legend(city_settings: Settings) -> None:
    catalog = read_catalog(city_settings)
    layer = catalog.layers["crime"]
    root = ET.fromstring(build_qml(catalog, layer).partition("\n")[2])
    symbols = read_symbols(root)
    drawn = {str(rule.get("label")): symbols[str(rule.get("symbol"))]["color"] for rule in root.iter("rule")}
    for entry in build_legend(catalog, layer):
        red, green, blue = (round(255 * part) for part in parse_hex(entry["color"]))
        values = entry["value"] if isinstance(entry["value"], list) else [entry["value"]]
        labels = ", ".join(layer.fields["category"].labels[value] for value in values)
        assert drawn[labels] == f"{red},{green},{blue},255"


def test_a_layer_without_a_style_of_its_own_has_a_plain_one(city_settings: Settings) -> None:
    catalog = read_catalog(city_settings)
    layer = catalog.layers["trees"]
    plain = build_qml(replace(catalog, styles={}), layer)
    assert len(list(ET.fromstring(plain.partition("\n")[2]).iter("rule"))) >= 1


def test_columns_are_called_what_the_fields_are_called_in_a_language(city_settings: Settings) -> None:
    catalog = read_catalog(city_settings)
    layer = in_language(catalog.layers["bike-paths"], ["de"])
    root = ET.fromstring(build_qml(catalog, layer, read_words()["de"]).partition("\n")[2])
    aliases = {str(each.get("field")): each.get("name") for each in root.iter("alias")}
    assert list(aliases) == list(layer.fields)
    assert (aliases["width"], aliases["lit"]) == ("Breite (m)", "Nachts beleuchtet")
