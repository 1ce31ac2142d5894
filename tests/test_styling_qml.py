"""A layer's style as QGIS keeps it: every class is a rule whose symbol is there, in the map's colours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from geoserver.catalog import read_catalog
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
    symbols = read_symbols(root)
    rules = list(root.iter("rule"))
    assert [rule.get("symbol") for rule in rules] == list(symbols)
    assert all(rule.get("label") for rule in rules)
    for options in symbols.values():
        colour = options.get("color") or options["line_color"]
        assert all(0 <= int(part) <= 255 for part in colour.split(","))


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
