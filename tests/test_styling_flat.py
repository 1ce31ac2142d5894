"""Styles in plain values, for QGIS: they say the same as those for MapLibre, in words that its converter knows."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from geoserver.catalog import Catalog, read_catalog
from geoserver.database.status import LayerStatus
from geoserver.model import TilePlan
from geoserver.settings import Settings
from geoserver.styling import build_style
from geoserver.styling.expressions import evaluate, is_expression
from geoserver.styling.flat import flatten

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE_URL = "https://maps.example.org"
START = 13
VALIDATOR = Path(__file__).parent.parent / "web/node_modules/.bin/gl-style-validate"
PYTHON = Path("/usr/bin/python3")  # the system's, which has QGIS where it is installed
CONVERT = """
import json, sys
from qgis.core import QgsApplication, QgsMapBoxGlStyleConversionContext, QgsMapBoxGlStyleConverter
application = QgsApplication([], False)
told = {}
for name, style in json.load(sys.stdin).items():
    converter = QgsMapBoxGlStyleConverter()
    done = converter.convert(style, QgsMapBoxGlStyleConversionContext())
    told[name] = [int(done), converter.warnings(), len(converter.renderer().styles())]
print(json.dumps(told))
"""
# Values of which each makes another class of a sample layer; None is no value.
VALUES: dict[str, list[Any]] = {
    "category": ["assault", "robbery", "theft", "fraud", "arson"],
    "count": [1, 2, 3, 9, 10, 499, 500, 10**6],
    "health": ["excellent", "dead", "unheard of"],
    "kind": ["lane", "track", "street", "greenway"],
    "people_per_km2": [None, 0, 999, 1000, 2500, 99999],
    "pm25": [None, 0, 4.9, 5, 30, 400],
    "sars_cov_2": [None, 0, 250, 9999],
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The sample city's, as a server in an empty workspace reads it."""
    return read_catalog(Settings(workspace=tmp_path_factory.mktemp("workspace"), samples=True))


@pytest.fixture(scope="module")
def statuses(catalog: Catalog) -> dict[str, LayerStatus]:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    plan = TilePlan(START, "kind", ("oak", "elm"))
    return {name: LayerStatus(name, 1, 9, 0, 0, None, 4326, "POINT", made, 0.1, plan) for name in catalog.layers}


@pytest.fixture(scope="module")
def styles(catalog: Catalog, statuses: dict[str, LayerStatus]) -> dict[str, dict[str, Any]]:
    """The plain styles of every sample layer, and of one of each kind that has no style."""
    layers = dict(catalog.layers)
    for kind in ("points", "lines", "polygons"):
        layers[kind] = replace(catalog.layers["crime"], id=kind, kind=kind, style="")
    known = replace(catalog, layers=layers)
    more = {kind: replace(statuses["crime"], id=kind) for kind in ("points", "lines", "polygons")}
    names = [layer.id for layer in known.datasets()]
    return {name: build_style(known, statuses | more, name, BASE_URL, plain=True) for name in names}


def drawn_by(items: list[dict[str, Any]], source_layer: str, properties: dict[str, Any], zoom: float) -> list[Any]:
    """What is drawn of a feature at a zoom, undermost first: kind, colours, sizes, dash."""
    return [
        (item["type"], {name: settle(value, properties, zoom) for name, value in item["paint"].items()})
        for item in items
        if item["source-layer"] == source_layer
        and item.get("minzoom", 0) <= zoom < item.get("maxzoom", 24)
        and evaluate(item.get("filter", True), properties, zoom)
    ]


def settle(value: Any, properties: dict[str, Any], zoom: float) -> Any:
    found = evaluate(value, properties, zoom)
    if isinstance(found, list) and found[:1] == ["literal"]:
        found = found[1]
    return round(found, 6) if isinstance(found, float) else found


def features_of(layer: str, source_layer: str) -> Iterator[dict[str, Any]]:
    names = {"crime": ["category"], "trees": ["health"], "bike-paths": ["kind"], "districts": ["people_per_km2"]}
    more = {"air-quality": ["pm25"], "sewage-sampling": ["sars_cov_2"]}
    read = ["count"] if source_layer.endswith(":bins") else (names | more)[layer]
    for values in product(*(VALUES[name] for name in read)):
        yield {name: value for name, value in zip(read, values, strict=True) if value is not None}


@pytest.mark.parametrize("layer", ["crime", "trees", "bike-paths", "districts", "air-quality", "sewage-sampling"])
def test_a_plain_style_draws_each_feature_and_bin_as_the_other_one_does(
    layer: str, catalog: Catalog, statuses: dict[str, LayerStatus], styles: dict[str, dict[str, Any]]
) -> None:
    """Of bins it is the fill, for what is drawn in them is no plain value; of heights those that are not known."""
    usual = build_style(catalog, statuses, layer, BASE_URL)["layers"]
    compared = 0
    for source_layer in (layer, f"{layer}:bins"):
        for properties in features_of(layer, source_layer):
            for zoom in (3, 8.5, 11, 12, 12.999, 13, 15, 17.2):
                told = drawn_by(styles[layer]["layers"], source_layer, properties, zoom)
                wanted = drawn_by(usual, source_layer, properties, zoom)
                if source_layer.endswith(":bins"):
                    ((kind, paint),) = told
                    assert (kind, paint["fill-color"]) == ("fill", wanted[0][1]["fill-color"])
                    assert paint["fill-opacity"] > 0.5
                else:
                    solid = [(kind, {k: v for k, v in paint.items() if v != [1, 0]}) for kind, paint in wanted]
                    assert told == solid
                compared += len(told)
    assert compared > 50


def test_every_value_is_plain_or_stops_of_the_zoom_with_plain_outputs(
    styles: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    seen = 0
    for name, style in styles.items():
        assert list(style["sources"]) == [name]
        for item in style["layers"]:
            for value in [*item["paint"].values(), *item.get("layout", {}).values()]:
                outputs = value[4::2] if is_expression(value) else [value]
                assert not is_expression(value) or (value[0] == "interpolate" and value[2] == ["zoom"])
                assert not any(isinstance(output, list) and is_expression(output) for output in outputs)
                seen += 1
        assert len({item["id"] for item in style["layers"]}) == len(style["layers"])
        if VALIDATOR.exists():
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(style), encoding="utf-8")
            done = subprocess.run([VALIDATOR, path], capture_output=True, text=True, check=False)
            assert done.stdout + done.stderr == "", name
    assert seen > 500


def test_the_converter_of_qgis_takes_every_plain_style_without_a_warning(
    styles: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    found = PYTHON.exists() and subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    if not found or found.returncode:
        pytest.skip("QGIS is not installed: apt-get install python3-qgis")
    # QGIS writes its own library of symbols to where it is at home.
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    asked = [PYTHON, "-c", CONVERT]
    done = subprocess.run(
        asked, input=json.dumps(styles), capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {name: [0, [], len(style["layers"])] for name, style in styles.items()}


@pytest.mark.parametrize(
    ("colour", "features"),
    [
        (["case", ["get", "lit"], "#ffffff", "#000000"], [{"lit": True}, {"lit": False}, {}]),
        (["case", ["==", ["get", "n"], 3], "#111111", "#222222"], [{"n": 3}, {"n": 4}, {}]),
        (["case", ["in", ["get", "k"], ["literal", ["a", "b"]]], "#111111", "#222222"], [{"k": "b"}, {"k": "c"}, {}]),
        (["case", [">=", ["get", "n"], 5], "#111111", "#222222"], [{"n": 5}, {"n": 4.5}]),
        (["step", ["coalesce", ["get", "n"], 0], "#111111", 5, "#222222"], [{"n": 5}, {"n": 1}, {}]),
        (["match", ["get", "k"], "a", ["step", ["get", "n"], "#111111", 5, "#222222"], "#333333"],
         [{"k": "a", "n": 4}, {"k": "a", "n": 7}, {"k": "z", "n": 7}]),
        (["match", ["get", "k"], ["a", "b"], "#111111", "#222222"], [{"k": "a"}, {"k": "b"}, {"k": "z"}, {}]),
    ],
)  # fmt: skip
def test_other_ways_to_say_a_class_become_plain_too(colour: list[Any], features: list[dict[str, Any]]) -> None:
    item = {"id": "a", "type": "circle", "source": "a", "source-layer": "a", "paint": {"circle-color": colour}}
    style = {"layers": [item]}
    flatten(style)
    assert len(style["layers"]) > 1
    for properties in features:
        told = drawn_by(style["layers"], "a", properties, 12)
        assert told == [("circle", {"circle-color": evaluate(colour, properties, 12)})]


def test_labels_are_handed_on_and_what_is_beyond_understanding_is_left_out() -> None:
    text = {"id": "t", "type": "symbol", "layout": {"text-field": ["get", "name"]}}
    paint = {"line-color": "#123456", "line-width": ["to-rgba", 3]}
    style = {"layers": [text, {"id": "l", "type": "line", "paint": paint}]}
    flatten(style)
    assert style["layers"] == [text, {"id": "l", "type": "line", "paint": {"line-color": "#123456"}}]
