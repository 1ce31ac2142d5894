"""Bins that stand for features: every style draws them, features take their place, and the legend says the same."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from geoserver.catalog import Catalog, read_catalog
from geoserver.database.status import LayerStatus
from geoserver.model import Field, Layer, TilePlan
from geoserver.settings import Settings
from geoserver.styling import build_style, check, describe_bins
from geoserver.styling.build import drawn_layers
from geoserver.styling.expressions import evaluate

VALIDATOR = Path(__file__).parent.parent / "web/node_modules/.bin/gl-style-validate"
BASE_URL = "https://maps.example.org"
START = 13


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The sample city's, as a server in an empty workspace reads it."""
    return read_catalog(Settings(workspace=tmp_path_factory.mktemp("workspace"), samples=True))


def make_status(layer_id: str, features_from: int = START) -> LayerStatus:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    plan = TilePlan(features_from, "kind", ("oak", "elm"))
    return LayerStatus(layer_id, 1, 9, 0, 0, None, 4326, "POINT", made, 0.1, plan)


def make_statuses(catalog: Catalog, features_from: int = START) -> dict[str, LayerStatus]:
    return {name: make_status(name, features_from) for name in catalog.layers}


def make_catalog(*drawn: dict[str, Any], metadata: dict[str, Any] | None = None, **changes: Any) -> Catalog:
    fields = {"kind": Field("kind", "Kind", "text")}
    layer = Layer("things", "Things", "", "", "CC0-1.0", "", "", "points", Path("layers/things.toml"), fields)
    items = [{"id": f"things-{i}", "source": "things", "source-layer": "things"} | item for i, item in enumerate(drawn)]
    source = {"type": "vector", "url": "/tiles/things.json"}
    style = {"version": 8, "metadata": metadata or {}, "sources": {"things": source}, "layers": items}
    recipes = {kind: f"-- bins: {kind}\nSELECT 1" for kind in ("points", "lines", "polygons")}
    return Catalog({"things": replace(layer, style="things", **changes)}, {"things": style}, recipes)


def circles(**paint: Any) -> dict[str, Any]:
    return {"type": "circle", "paint": {"circle-color": "#0072b2"} | paint}


def bins_in(style: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in style["layers"] if item.get("source-layer", "").endswith(":bins")]


def styled(catalog: Catalog, name: str = "things", features_from: int = START) -> dict[str, Any]:
    return build_style(catalog, make_statuses(catalog, features_from), name, BASE_URL)


def validate(style: dict[str, Any], folder: Path) -> str:
    """What MapLibre's own validator finds wrong with the style; empty when nothing."""
    if not VALIDATOR.exists():
        pytest.skip("web/node_modules is not installed: npm --prefix web ci")
    path = folder / "style.json"
    path.write_text(json.dumps(style), encoding="utf-8")
    done = subprocess.run([VALIDATOR, path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def lightness(colour: str) -> float:
    """How light a colour looks, 0 to 255."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# Bins


@pytest.mark.parametrize("features_from", [0, 9, 13, 16])
@pytest.mark.parametrize("base", ["light", "dark"])
def test_a_basemap_with_every_layer_and_its_bins_is_valid(
    base: str, features_from: int, catalog: Catalog, tmp_path: Path
) -> None:
    ids = [layer.id for layer in catalog.datasets()]
    style = build_style(catalog, make_statuses(catalog, features_from), base, BASE_URL, ids)
    assert validate(style, tmp_path) == ""
    assert {item["source-layer"] for item in bins_in(style)} == {f"{name}:bins" for name in ids}


def test_a_layer_s_own_style_has_its_bins_too(catalog: Catalog, tmp_path: Path) -> None:
    style = styled(catalog, "crime")
    assert [item["id"] for item in style["layers"]] == [
        "crime:bins",
        "crime:bins-casing",
        "crime:bins-casing-odd",
        "crime:bins-marks",
        "crime:bins-marks-odd",
        "crime",
    ]
    assert validate(style, tmp_path) == ""


def test_bins_lie_over_areas_and_under_lines_points_and_labels(catalog: Catalog) -> None:
    ids = ["crime", "districts", "bike-paths"]
    style = build_style(catalog, make_statuses(catalog), "light", BASE_URL, ids)
    order = [item["id"] for item in style["layers"]]
    assert order.index("districts") < order.index("crime:bins-marks") < order.index("bike-paths-track")
    assert order.index("bike-paths-track") < order.index("crime") < order.index("label-park")


def test_filled_bins_lie_over_buildings_and_under_streets_and_marks_in_them_over_both(catalog: Catalog) -> None:
    for start in (0, START):
        style = build_style(catalog, make_statuses(catalog, start), "light", BASE_URL, ["crime", "bike-paths"])
        order = [item["id"] for item in style["layers"]]
        filled = "crime:bins"
        assert order.index("building") < order.index(filled) < order.index("street-path")
        if start:
            marks = order.index("crime:bins-marks")
            assert order.index("street-motorway") < order.index("crime:bins-casing") < marks
            assert marks < order.index("bike-paths-casing") < order.index("crime")


def test_the_bins_of_a_basemap_are_not_drawn(catalog: Catalog) -> None:
    style = build_style(catalog, make_statuses(catalog), "light", BASE_URL)
    assert bins_in(style) == []
    hidden = make_catalog(circles(), basemap=True)
    assert bins_in(styled(hidden)) == []
    assert describe_bins(hidden, hidden.layers["things"], make_status("things")) is None


def test_a_layer_that_is_called_as_one_of_the_world_around_is_not_taken_for_it(catalog: Catalog) -> None:
    named = replace(catalog.layers["crime"], id="countries", style="")
    beside = replace(catalog, layers={**catalog.layers, "countries": named})
    style = build_style(beside, make_statuses(beside), "light", BASE_URL)
    assert bins_in(style) == []
    assert drawn_layers(beside, "light") == []
    assert [str(problem) for problem in check(beside)] == []


@pytest.mark.parametrize("base", ["light", "dark"])
def test_bins_are_coloured_by_count_and_more_is_further_from_the_ground(base: str, catalog: Catalog) -> None:
    ids = [layer.id for layer in catalog.datasets()]
    for item in bins_in(build_style(catalog, make_statuses(catalog), base, BASE_URL, ids)):
        colour = item["paint"].get("fill-color", item["paint"].get("line-color"))
        if not isinstance(colour, list):
            continue  # a casing
        for steps in colour[2::2] if colour[1] == ["zoom"] else [colour]:
            _, counted, first, *rest = steps
            assert counted == ["get", "count"]
            assert rest[::2] == sorted(rest[::2])
            shades = [lightness(colour) for colour in (first, *rest[1::2])]
            assert shades == sorted(shades, reverse=base == "light")
        assert item["paint"].get("fill-antialias", False) is False


def test_bins_have_a_hue_near_that_of_their_layer() -> None:
    def most(colour: Any) -> str:
        return str(bins_in(styled(make_catalog(circles(**{"circle-color": colour}))))[0]["paint"]["fill-color"][-1][-1])

    red, green, blue, grey = most("#d00"), most("#11866f"), most("#0072b2"), most("#888888")
    assert len({red, green, blue, grey}) == 4
    assert red[1:3] > red[3:5]
    assert green[3:5] > green[1:3]
    assert most(["match", ["get", "kind"], "oak", "#eeeeee", "#dd0000"]) == red


def test_a_style_says_its_own_colours_and_classes(tmp_path: Path) -> None:
    note = {"breaks": [5, 50], "colors": ["#eeeeee", "#999999", "#333333"], "opacity": 0.5, "title": "Trees per square"}
    catalog = make_catalog(circles(), metadata={"geoserver:bins": note})
    assert check(catalog) == []
    style = styled(catalog)
    hidden, *_, marks = bins_in(style)
    assert (hidden["paint"]["fill-opacity"], marks["paint"]["line-opacity"]) == (0, 0.5)
    for colour in (hidden["paint"]["fill-color"], marks["paint"]["line-color"]):
        assert colour == ["step", ["get", "count"], "#eeeeee", 5, "#999999", 50, "#333333"]
    assert validate(style, tmp_path) == ""
    told = describe_bins(catalog, catalog.layers["things"], make_status("things"))
    assert told
    assert told["title"] == "Trees per square"
    assert told["legend"][1] == {
        "kind": "circle",
        "size": 2.56,
        "label": "5 to 49",
        "color": "#999999",
        "from": 5,
        "to": 49,
        "opacity": 0.5,
    }


def test_a_style_without_bins_says_so() -> None:
    catalog = make_catalog(circles(), metadata={"geoserver:bins": False})
    assert bins_in(styled(catalog)) == []
    assert describe_bins(catalog, catalog.layers["things"], make_status("things")) is None


def test_a_style_draws_its_bins_itself(tmp_path: Path) -> None:
    paint = {"fill-color": ["step", ["get", "kind:oak"], "#ffffff", 10, "#000000"]}
    own = {"type": "fill", "id": "own", "source-layer": "things:bins", "paint": paint}
    catalog = make_catalog(circles(), own)
    assert check(catalog) == []
    style = styled(catalog)
    assert bins_in(style) == [own | {"source": "things"}]
    assert validate(style, tmp_path) == ""
    told = describe_bins(catalog, catalog.layers["things"], make_status("things"))
    assert told
    assert told["legend"] == []  # not by count


@pytest.mark.parametrize(
    ("note", "key"),
    [
        (True, "geoserver:bins"),
        ({"colours": []}, "geoserver:bins.colours"),
        ({"breaks": [5, 5]}, "geoserver:bins.breaks"),
        ({"breaks": list(range(1, 9))}, "geoserver:bins.breaks"),
        ({"breaks": "many"}, "geoserver:bins.breaks"),
        ({"colors": ["#ffffff"]}, "geoserver:bins.colors"),
        ({"opacity": 2}, "geoserver:bins.opacity"),
        ({"title": 3}, "geoserver:bins.title"),
    ],
)
def test_what_a_style_says_wrongly_of_its_bins_is_told_and_the_usual_ones_are_drawn(note: Any, key: str) -> None:
    catalog = make_catalog(circles(), metadata={"geoserver:bins": note})
    assert [problem.key for problem in check(catalog)] == [f"metadata.{key}"]
    assert bins_in(styled(catalog)) == bins_in(styled(make_catalog(circles())))


def test_a_field_that_bins_do_not_have_is_named() -> None:
    paint = {"fill-color": ["step", ["get", "many"], "#ffffff", 10, "#000000"]}
    (problem,) = check(make_catalog(circles(), {"type": "fill", "source-layer": "things:bins", "paint": paint}))
    assert "one of area, count" in str(problem)
    assert "got 'many'" in str(problem)


# Legend


def test_the_legend_of_bins_is_that_of_their_style(catalog: Catalog) -> None:
    told = describe_bins(catalog, catalog.layers["crime"], make_status("crime"))
    assert told
    assert (told["facet"], told["values"], told["title"]) == ("kind", ["oak", "elm"], None)
    assert [(entry["from"], entry["to"]) for entry in told["legend"]] == [
        (1, 1),
        (2, 4),
        (5, 9),
        (10, 19),
        (20, 49),
        (50, None),
    ]
    assert [entry["label"] for entry in told["legend"]][::5] == ["1", "≥ 50"]
    for base in ("light", "dark"):
        style = build_style(catalog, make_statuses(catalog), base, BASE_URL, ["crime"])
        colours = bins_in(style)[-1]["paint"]["line-color"][-1]
        legend = [(entry | entry["dark"] if base == "dark" else entry)["color"] for entry in told["legend"]]
        assert legend == [colours[2], *colours[4::2]]


# The switch from bins to features


@pytest.mark.parametrize("kind", ["points", "lines", "polygons"])
def test_bins_and_features_come_from_one_source_and_what_a_tile_holds_is_drawn_as_its_style_says(
    kind: str, tmp_path: Path
) -> None:
    drawn = {"points": circles(**{"circle-opacity": 0.5}), "lines": {"type": "line", "paint": {"line-opacity": 0.5}}}
    item = drawn.get(kind, {"type": "fill", "paint": {"fill-opacity": 0.5}})
    for start in (0, START):
        style = styled(make_catalog(item, kind=kind), features_from=start)
        assert style["sources"] == {"things": {"type": "vector", "url": f"{BASE_URL}/tiles/things.json"}}
        assert {each["source"] for each in style["layers"]} == {"things"}
        assert style["layers"][-1]["paint"] == item["paint"]
        assert not any({"minzoom", "maxzoom"} & each.keys() for each in style["layers"])
        assert validate(style, tmp_path) == ""


def test_from_the_switch_on_a_bin_of_whatever_width_is_framed_along_its_inside() -> None:
    """It is of a tile that has too many for its zoom."""
    for item in bins_in(styled(make_catalog(circles())))[1:]:
        for tile in (START, START + 1, 18, 21):
            if item["filter"] != ["==", ["%", ["zoom"], 2], tile % 2]:
                continue
            for count, zoom in ((1, tile), (10**6, tile), (1, tile + 1)):
                width = evaluate(item["paint"]["line-width"], {"count": count}, zoom)
                inside = evaluate(item["paint"]["line-offset"], {"count": count}, zoom)
                assert (width, inside) == ((2, 2) if "-marks" in item["id"] else (3.6, 2))


def test_a_plan_that_is_asked_for_moves_the_switch_of_its_layer_alone(catalog: Catalog, tmp_path: Path) -> None:
    asked = {"crime": 0, "trees": 11, "air-quality": 20, "bike-paths": 3}
    style = build_style(catalog, make_statuses(catalog), "dark", BASE_URL, list(asked), features_from=asked)
    ends: dict[str, int | None] = dict.fromkeys(asked)
    for item in bins_in(style):
        width = item["paint"].get("line-width")
        if "-marks" in item["id"] and isinstance(width, list):
            ends[item["source"]] = min(width[-2], ends[item["source"]] or width[-2])
    # Where all crimes are drawn no tile has bins of a known width, and no tile of lines ever has.
    assert ends == {"crime": None, "trees": 11, "air-quality": START, "bike-paths": None}
    assert validate(style, tmp_path) == ""
