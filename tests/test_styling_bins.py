"""Squares that stand for features: every style draws them, features take their place, and the legend says the same."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from geoserver.catalog import Catalog, read_catalog
from geoserver.database.status import LayerStatus
from geoserver.model import Field, Layer, TilePlan
from geoserver.settings import Settings
from geoserver.styling import build_style, check, describe_bins
from geoserver.styling.expressions import evaluate
from geoserver.styling.fading import FADE, fade_in, fade_out

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


def squares(style: dict[str, Any]) -> list[dict[str, Any]]:
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


# Squares


@pytest.mark.parametrize("features_from", [0, 9, 13, 16])
@pytest.mark.parametrize("base", ["light", "dark"])
def test_a_basemap_with_every_layer_and_its_squares_is_valid(
    base: str, features_from: int, catalog: Catalog, tmp_path: Path
) -> None:
    ids = [layer.id for layer in catalog.datasets()]
    style = build_style(catalog, make_statuses(catalog, features_from), base, BASE_URL, ids)
    assert validate(style, tmp_path) == ""
    assert {item["source-layer"] for item in squares(style)} == {f"{name}:bins" for name in ids}


def test_a_layer_s_own_style_has_its_squares_too(catalog: Catalog, tmp_path: Path) -> None:
    style = styled(catalog, "crime")
    assert [item["id"] for item in style["layers"]] == [
        "crime:bins",
        "crime:bins-crowded",
        "crime:bins-casing",
        "crime:bins-marks",
        "crime",
    ]
    assert validate(style, tmp_path) == ""


def test_squares_lie_over_areas_and_under_lines_points_and_labels(catalog: Catalog) -> None:
    ids = ["crime", "districts", "bike-paths"]
    style = build_style(catalog, make_statuses(catalog), "light", BASE_URL, ids)
    order = [item["id"] for item in style["layers"]]
    assert order.index("districts") < order.index("crime:bins-marks") < order.index("bike-paths-track")
    assert order.index("bike-paths-track") < order.index("crime") < order.index("label-park")


def test_filled_squares_lie_over_buildings_and_under_streets_and_marks_in_them_over_both(catalog: Catalog) -> None:
    for start in (0, START):
        style = build_style(catalog, make_statuses(catalog, start), "light", BASE_URL, ["crime", "bike-paths"])
        order = [item["id"] for item in style["layers"]]
        filled = "crime:bins-crowded" if start else "crime:bins"
        assert order.index("building") < order.index(filled) < order.index("street-path")
        if start:
            marks = order.index("crime:bins-marks")
            assert order.index("street-motorway") < order.index("crime:bins-casing") < marks
            assert marks < order.index("bike-paths-casing") < order.index("crime")


def test_the_squares_of_a_basemap_are_not_drawn(catalog: Catalog) -> None:
    style = build_style(catalog, make_statuses(catalog), "light", BASE_URL)
    assert squares(style) == []
    hidden = make_catalog(circles(), basemap=True)
    assert squares(styled(hidden)) == []
    assert describe_bins(hidden, hidden.layers["things"], make_status("things")) is None


@pytest.mark.parametrize("base", ["light", "dark"])
def test_squares_are_coloured_by_count_and_more_is_further_from_the_ground(base: str, catalog: Catalog) -> None:
    ids = [layer.id for layer in catalog.datasets()]
    for item in squares(build_style(catalog, make_statuses(catalog), base, BASE_URL, ids)):
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


def test_squares_have_a_hue_near_that_of_their_layer() -> None:
    def most(colour: Any) -> str:
        return str(squares(styled(make_catalog(circles(**{"circle-color": colour}))))[0]["paint"]["fill-color"][-1][-1])

    red, green, blue, grey = most("#d00"), most("#11866f"), most("#0072b2"), most("#888888")
    assert len({red, green, blue, grey}) == 4
    assert red[1:3] > red[3:5]
    assert green[3:5] > green[1:3]
    assert most(["match", ["get", "kind"], "oak", "#eeeeee", "#dd0000"]) == red


def test_fading_squares_are_gone_above_the_switch_and_others_stay() -> None:
    style = styled(make_catalog(circles()))
    sources = style["sources"]
    assert sources["things:bins"] == {"type": "vector", "url": f"{BASE_URL}/tiles/things.json", "maxzoom": START - 1}
    assert sources["things"] == {"type": "vector", "url": f"{BASE_URL}/tiles/things.json", "minzoom": START}
    hidden, crowded, casing, marks = squares(style)
    assert evaluate(hidden["paint"]["fill-opacity"], {"count": 1}, 9) == 0
    for fading in (casing, marks):
        assert (fading["source"], fading["maxzoom"]) == ("things:bins", START + FADE)
        opacity = fading["paint"]["line-opacity"]
        full = evaluate(opacity, {"count": 1}, 9)
        assert evaluate(opacity, {"count": 1}, START) == full == 1
        assert evaluate(opacity, {"count": 1}, START + FADE) == 0
    assert (crowded["source"], crowded["minzoom"]) == ("things", START)
    assert evaluate(crowded["paint"]["fill-opacity"], {"count": 1}, 20) == full


def test_a_style_says_its_own_colours_and_classes(tmp_path: Path) -> None:
    note = {"breaks": [5, 50], "colors": ["#eeeeee", "#999999", "#333333"], "opacity": 0.5, "title": "Trees per square"}
    catalog = make_catalog(circles(), metadata={"geoserver:bins": note})
    assert check(catalog) == []
    style = styled(catalog)
    hidden, crowded, _, marks = squares(style)
    assert crowded["paint"]["fill-opacity"] == marks["paint"]["line-opacity"][4] == 0.5
    for colour in (hidden["paint"]["fill-color"], crowded["paint"]["fill-color"], marks["paint"]["line-color"]):
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


def test_a_style_without_squares_says_so() -> None:
    catalog = make_catalog(circles(), metadata={"geoserver:bins": False})
    assert squares(styled(catalog)) == []
    assert describe_bins(catalog, catalog.layers["things"], make_status("things")) is None


def test_a_style_draws_its_squares_itself(tmp_path: Path) -> None:
    paint = {"fill-color": ["step", ["get", "kind:oak"], "#ffffff", 10, "#000000"]}
    own = {"type": "fill", "id": "own", "source-layer": "things:bins", "paint": paint}
    catalog = make_catalog(circles(), own)
    assert check(catalog) == []
    style = styled(catalog)
    assert [item["id"] for item in squares(style)] == ["own", "own-crowded"]
    assert [item["source"] for item in squares(style)] == ["things:bins", "things"]
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
def test_what_a_style_says_wrongly_of_its_squares_is_told_and_the_usual_ones_are_drawn(note: Any, key: str) -> None:
    catalog = make_catalog(circles(), metadata={"geoserver:bins": note})
    assert [problem.key for problem in check(catalog)] == [f"metadata.{key}"]
    assert squares(styled(catalog)) == squares(styled(make_catalog(circles())))


def test_a_field_that_squares_do_not_have_is_named() -> None:
    paint = {"fill-color": ["step", ["get", "many"], "#ffffff", 10, "#000000"]}
    (problem,) = check(make_catalog(circles(), {"type": "fill", "source-layer": "things:bins", "paint": paint}))
    assert "one of area, count" in str(problem)
    assert "got 'many'" in str(problem)


# Legend


def test_the_legend_of_squares_is_that_of_their_style(catalog: Catalog) -> None:
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
        colours = squares(style)[-1]["paint"]["line-color"][-1]
        legend = [(entry | entry["dark"] if base == "dark" else entry)["color"] for entry in told["legend"]]
        assert legend == [colours[2], *colours[4::2]]


# The cross-fade

NUMBERS = st.floats(0.05, 1).map(lambda value: round(value, 2))
OUTPUTS = NUMBERS | st.builds(lambda a, b: ["match", ["get", "kind"], "oak", a, b], NUMBERS, NUMBERS)
ZOOMS = st.lists(st.integers(0, 22), min_size=1, max_size=5, unique=True).map(sorted)
KINDS = st.sampled_from([["linear"], ["exponential", 1.3], ["exponential", 2]])


@st.composite
def opacities(draw: st.DrawFn) -> Any:
    """Constant, by a property, or by the zoom with either inside: what `circle-opacity` may be."""
    if draw(st.booleans()):
        return draw(OUTPUTS)
    stops = [part for zoom in draw(ZOOMS) for part in (zoom, draw(OUTPUTS))]
    if draw(st.booleans()):
        return ["step", ["zoom"], draw(OUTPUTS), *stops]
    return ["interpolate", draw(KINDS), ["zoom"], *stops]


@trials(deadline=None)
@given(opacities(), st.integers(1, 16), st.floats(0, 22), st.sampled_from(["oak", "elm"]))
def test_features_come_in_from_nothing_to_what_their_style_says(value: Any, start: int, zoom: float, kind: str) -> None:
    faded = fade_in(value, start)
    properties = {"kind": kind}
    assert evaluate(faded, properties, start) == 0
    shown = evaluate(value, properties, zoom)
    if zoom <= start:
        assert evaluate(faded, properties, zoom) == 0
    elif zoom > start + FADE and (value == shown or value[0] != "step" or zoom % 1 < 0.98):  # short of a step's slope
        assert evaluate(faded, properties, zoom) == pytest.approx(shown, abs=2e-3)


@trials(deadline=None)
@example(["step", ["zoom"], 1.0, 16, 0.5], 16, 15.0, "oak")
@given(opacities(), st.integers(1, 16), st.floats(0, 22), st.sampled_from(["oak", "elm"]))
def test_squares_go_from_what_their_style_says_to_nothing(value: Any, start: int, zoom: float, kind: str) -> None:
    faded = fade_out(value, start)
    properties = {"kind": kind}
    shown = evaluate(value, properties, zoom)
    if zoom >= start + FADE:
        assert evaluate(faded, properties, zoom) == 0
    elif zoom <= start and (value == shown or value[0] != "step" or zoom % 1 < 0.98):  # short of a step's slope
        assert evaluate(faded, properties, zoom) == pytest.approx(shown, abs=2e-3)


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        ["match", ["get", "kind"], "oak", 0.2, 0.8],
        ["interpolate", ["linear"], ["zoom"], 9, 0.5, 12, 0.6, 16, 0.9],
        ["interpolate", ["exponential", 1.5], ["zoom"], 12, ["match", ["get", "kind"], "oak", 0.2, 0.8], 15, 0.9],
        ["step", ["zoom"], 0.2, 13, 0.4, 15, ["match", ["get", "kind"], "oak", 0.2, 0.8]],
        ["interpolate", ["cubic-bezier", 0.4, 0, 0.6, 1], ["zoom"], 9, 0.5, 16, 0.9],
        {"stops": [[9, 0.5], [16, 0.9]]},
        ["let", "a", 0.5, ["interpolate", ["linear"], ["zoom"], 9, ["var", "a"], 16, 0.9]],
    ],
)
def test_a_faded_opacity_is_one_that_maplibre_takes(value: Any, tmp_path: Path) -> None:
    style = styled(make_catalog(circles(**{"circle-opacity": value})))
    assert validate(style, tmp_path) == ""
    paint = style["layers"][-1]["paint"]
    if isinstance(value, list) and value[0] != "let":
        assert paint["circle-opacity"][:5] == ["interpolate", paint["circle-opacity"][1], ["zoom"], START, 0]
    assert evaluate(paint["circle-stroke-opacity"], {}, START) == 0
    squared = {"type": "fill", "source-layer": "things:bins", "paint": {"fill-opacity": json.loads(
        json.dumps(value).replace("kind", "kind:oak"))}}  # fmt: skip
    style = styled(make_catalog(circles(), squared))
    assert validate(style, tmp_path) == ""
    fading = squares(style)[0]["paint"]["fill-opacity"]
    if isinstance(value, list) and value[0] != "let":
        assert fading[-4] == START
        assert fading[-2:] == [START + FADE, 0]


@pytest.mark.parametrize("value", [["interpolate", ["linear"], ["zoom"]], ["step", ["zoom"], 1, 2], ["interpolate"]])
def test_an_opacity_that_maplibre_refuses_is_handed_on(value: Any) -> None:
    assert fade_in(value, START)
    assert fade_out(value, START)


@pytest.mark.parametrize("kind", ["lines", "polygons"])
def test_lines_and_areas_do_not_fade_for_they_are_there_at_every_zoom(kind: str) -> None:
    line = {"type": "line", "paint": {"line-opacity": 0.5}}
    style = styled(make_catalog(line, kind=kind))
    assert style["layers"][1]["paint"] == {"line-opacity": 0.5}
    assert list(style["sources"]) == ["things"]


def test_points_that_are_whole_at_every_zoom_do_not_fade() -> None:
    for catalog, start in ((make_catalog(circles(**{"circle-opacity": 0.5})), 0),
                           (make_catalog(circles(**{"circle-opacity": 0.5}), minzoom=START), START)):  # fmt: skip
        style = styled(catalog, features_from=start)
        assert style["layers"][-1]["paint"]["circle-opacity"] == 0.5
        assert list(style["sources"]) == ["things"]
        assert {item["source"] for item in squares(style)} == {"things"}


def test_squares_of_a_style_s_own_keep_their_zooms_on_both_sides_of_the_switch(tmp_path: Path) -> None:
    def own(**zooms: float) -> list[tuple[str, float | None, float | None]]:
        text = {"type": "symbol", "source-layer": "things:bins", "layout": {"text-field": ["get", "count"]}, **zooms}
        style = styled(make_catalog(circles(), text))
        assert validate(style | {"glyphs": f"{BASE_URL}/{{fontstack}}/{{range}}.pbf"}, tmp_path) == ""
        return [(item["source"], item.get("minzoom"), item.get("maxzoom")) for item in squares(style)]

    end = START + FADE
    assert own() == [("things:bins", None, end), ("things", START, None)]
    assert own(minzoom=9, maxzoom=11) == [("things:bins", 9, 11)]
    assert own(minzoom=START + 0.5) == [("things:bins", START + 0.5, end), ("things", START + 0.5, None)]
    assert own(minzoom=15, maxzoom=17) == [("things", 15, 17)]


def test_a_source_that_several_layers_share_changes_at_once(tmp_path: Path) -> None:
    other = {"type": "circle", "source-layer": "more"}
    style = styled(make_catalog(circles(), other))
    assert list(style["sources"]) == ["things"]
    assert style["sources"]["things"].keys() == {"type", "url"}
    assert [item["id"] for item in squares(style)] == ["things:bins", "things:bins-casing", "things:bins-marks"]
    assert style["layers"][-2]["paint"] == {"circle-color": "#0072b2"}
    assert validate(style, tmp_path) == ""


def test_a_plan_that_is_asked_for_moves_the_switch_of_its_layer_alone(catalog: Catalog, tmp_path: Path) -> None:
    asked = {"crime": 0, "trees": 11, "air-quality": 20, "bike-paths": 3}
    style = build_style(catalog, make_statuses(catalog), "dark", BASE_URL, list(asked), features_from=asked)
    starts = {
        name: source.get("minzoom") for name, source in style["sources"].items() if f"{name}:bins" in style["sources"]
    }
    assert starts == {"trees": 11, "air-quality": START}
    noted = {
        item["source"]: item["metadata"]["geoserver:fades-from"]
        for item in style["layers"]
        if "geoserver:fades-from" in item.get("metadata", {})
    }
    assert noted == starts
    assert validate(style, tmp_path) == ""
