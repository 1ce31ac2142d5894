"""Styles are valid MapLibre, name what exists, and say in their legends what they draw."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from geoserver import assets
from geoserver.catalog import Catalog, read_catalog
from geoserver.database.status import LayerStatus
from geoserver.errors import NotFoundError
from geoserver.model import Field, Layer, TilePlan
from geoserver.settings import Settings
from geoserver.styling import build_legend, build_style, check, style_names
from geoserver.styling.expressions import UnsupportedError, evaluate, field_of, fields_in

ROOT = Path(__file__).parent.parent
VALIDATOR = ROOT / "web/node_modules/.bin/gl-style-validate"
BASE_URL = "https://maps.example.org"
MOST_CLASSES = 7
OPERATORS = {
    "match",
    "step",
    "interpolate",
    "case",
    "coalesce",
    "get",
    "has",
    "!",
    "==",
    "in",
    "literal",
    "+",
    "to-number",
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The sample city's, as a server in an empty workspace reads it."""
    return read_catalog(Settings(workspace=tmp_path_factory.mktemp("workspace"), samples=True))


def make_layer(**changes: Any) -> Layer:
    fields = {
        "kind": Field("kind", "Kind", "text", labels={"oak": "Oak tree"}),
        "height": Field("height", "Height", "number", unit="m"),
        "rate": Field("rate", "Rate", "number", unit="per 100,000 people"),
        "open": Field("open", "Open", "boolean"),
    }
    layer = Layer("things", "Things", "", "", "CC0-1.0", "", "", "points", Path("layers/things.toml"), fields)
    return replace(layer, **({"style": "things"} | changes))


def loaded(ids: Iterable[str], features_from: int = 0) -> dict[str, LayerStatus]:
    """Layers in service, all with bins below the same zoom."""
    plan = TilePlan(features_from, "kind", ("oak", "elm"))
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return {name: LayerStatus(name, 1, 9, 0, 0, None, 4326, "POINT", made, 0.1, plan) for name in ids}


def make_catalog(*drawn: dict[str, Any], metadata: dict[str, Any] | None = None, layer: Layer | None = None) -> Catalog:
    items = [
        {"id": f"things-{i}", "source": "things", "source-layer": "things", **item} for i, item in enumerate(drawn)
    ]
    source = {"type": "vector", "url": "/tiles/things.json"}
    style = {"version": 8, "metadata": metadata or {}, "sources": {"things": source}, "layers": items}
    return Catalog({"things": layer or make_layer()}, {"things": style})


def circles(colour: Any, **paint: Any) -> dict[str, Any]:
    return {"type": "circle", "paint": {"circle-color": colour, **paint}}


def legend_of(*drawn: dict[str, Any], metadata: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    catalog = make_catalog(*drawn, metadata=metadata)
    return build_legend(catalog, catalog.layers["things"])


def texts(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(entry["label"], entry["color"]) for entry in entries]


# Validity


def validate(style: dict[str, Any], folder: Path) -> str:
    """What MapLibre's own validator finds wrong with the style; empty when nothing."""
    if not VALIDATOR.exists():
        pytest.skip("web/node_modules is not installed: npm --prefix web ci")
    path = folder / "style.json"
    path.write_text(json.dumps(style), encoding="utf-8")
    done = subprocess.run([VALIDATOR, path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in assets.root("styles").glob("*.json")))
def test_a_style_is_valid_as_a_file_and_as_it_is_served(name: str, catalog: Catalog, tmp_path: Path) -> None:
    assert validate(dict(catalog.styles[name]), tmp_path) == ""
    served = build_style(catalog, loaded(catalog.layers), name, BASE_URL)
    assert validate(served, tmp_path) == ""


@pytest.mark.parametrize("base", ["light", "dark"])
def test_a_basemap_with_every_layer_on_it_is_valid(base: str, catalog: Catalog, tmp_path: Path) -> None:
    layers = [layer.id for layer in catalog.datasets()]
    assert validate(build_style(catalog, loaded(catalog.layers), base, BASE_URL, layers), tmp_path) == ""


def test_a_layer_called_as_one_of_the_sample_city_is_neither_drawn_nor_judged_by_its_style(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    text = """
title = "Crime"
license = "CC0-1.0"
source = "crime.csv"
kind = "points"
fields.offense = { type = "text" }
"""
    (tmp_path / "layers" / "crime.toml").write_text(text, encoding="utf-8")
    catalog = read_catalog(Settings(workspace=tmp_path, database_url=None))
    assert check(catalog) == []
    assert set(catalog.styles) == {"light", "dark"}
    assert "category" not in json.dumps(build_style(catalog, loaded(["crime"]), "crime", BASE_URL))
    (tmp_path / "layers" / "crime.toml").write_text(f'style = "trees"\n{text}', encoding="utf-8")
    assert "trees" in read_catalog(Settings(workspace=tmp_path, database_url=None)).styles


@pytest.mark.parametrize("base", ["light", "dark"])
def test_a_river_is_not_drawn_along_its_middle_where_it_has_an_area(base: str, catalog: Catalog) -> None:
    ids = [item["id"] for item in catalog.styles[base]["layers"]]
    assert max(ids.index("waterway"), ids.index("afar-waterway")) < min(ids.index("water"), ids.index("afar-water"))


@pytest.mark.parametrize("kind", ["points", "lines", "polygons", "a kind of later"])
def test_a_layer_without_a_style_gets_a_valid_plain_one(kind: str, tmp_path: Path) -> None:
    layer = make_layer(style="", kind=kind)
    catalog = Catalog({"things": layer})
    style = build_style(catalog, loaded({"things"}), "things", BASE_URL)
    assert validate(style, tmp_path) == ""
    assert [entry["label"] for entry in build_legend(catalog, layer)] == ["Things"]


def test_the_validator_does_find_a_fault(tmp_path: Path) -> None:
    assert "color" in validate(dict(make_catalog(circles("no colour")).styles["things"]), tmp_path)


# Basemaps


def test_light_and_dark_draw_the_same_things_in_the_same_order(catalog: Catalog) -> None:
    light, dark = catalog.styles["light"], catalog.styles["dark"]
    keys = ("id", "type", "source-layer", "filter", "minzoom", "maxzoom", "layout")
    drawn = [[[item.get(key) for key in keys] for item in style["layers"]] for style in (light, dark)]
    assert drawn[0] == drawn[1]
    assert light != dark


def test_every_address_in_a_served_style_is_absolute(catalog: Catalog) -> None:
    style = build_style(catalog, loaded(catalog.layers), "light", BASE_URL, ["crime"])
    assert style["glyphs"] == f"{BASE_URL}/fonts/{{fontstack}}/{{range}}.pbf"
    assert style["sources"]["crime"]["url"] == f"{BASE_URL}/tiles/crime.json"
    (tiles,) = style["sources"]["base"]["tiles"]
    assert tiles.startswith(f"{BASE_URL}/tiles/land,")
    assert tiles.endswith("/{z}/{x}/{y}.mvt")


def test_a_basemap_asks_only_for_layers_that_are_loaded_and_draws_no_others(catalog: Catalog) -> None:
    style = build_style(catalog, loaded({"land", "places", "crime"}), "light", BASE_URL)
    assert style["sources"]["base"]["tiles"] == [f"{BASE_URL}/tiles/land,places/{{z}}/{{x}}/{{y}}.mvt"]
    drawn = {item["source-layer"] for item in style["layers"] if item.get("source") == "base"}
    assert drawn == {"land", "places"}
    assert style["sources"]["base"]["attribution"] == "City of Antillia (fictional)"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_basemap_without_any_of_its_layers_is_the_world_at_every_zoom_under_the_data(
    catalog: Catalog, name: str
) -> None:
    style = build_style(catalog, loaded({"crime"}), name, BASE_URL, ["crime"])
    assert list(style["sources"]) == ["world", "graticule", "crime"]
    of_world = [item for item in style["layers"] if item.get("source") in ("world", "graticule")]
    assert of_world
    assert [item["id"] for item in of_world if "maxzoom" in item] == []
    at = {item["id"]: index for index, item in enumerate(style["layers"])}
    assert at["world-land"] < at["graticule"] < at["crime"] < at["graticule-label"]


def test_over_a_basemap_nothing_of_the_world_is_asked_for_from_zoom_10_on(catalog: Catalog) -> None:
    style = build_style(catalog, loaded(catalog.layers), "light", BASE_URL, ["crime"])
    of_world = [item for item in style["layers"] if item.get("source") in ("world", "graticule")]
    assert {item["source"] for item in of_world} == {"world", "graticule"}
    assert all(item["maxzoom"] <= 10 for item in of_world)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_without_land_the_background_is_land_and_not_sea(catalog: Catalog, name: str) -> None:
    sea = build_style(catalog, loaded(catalog.layers), name, BASE_URL)["layers"][0]["paint"]["background-color"]
    land = build_style(catalog, loaded({"crime"}), name, BASE_URL)["layers"][0]["paint"]["background-color"]
    drawn = next(item for item in catalog.styles[name]["layers"] if item["id"] == "land")
    assert land[-1] == drawn["paint"]["fill-color"] != sea == land[4]


def test_the_basemaps_zooms_are_those_of_its_layers(catalog: Catalog) -> None:
    layers = dict(catalog.layers)
    layers["land"] = replace(layers["land"], minzoom=3, maxzoom=9)
    layers["water"] = replace(layers["water"], minzoom=5, maxzoom=12)
    style = build_style(replace(catalog, layers=layers), loaded({"land", "water"}), "light", BASE_URL)
    assert (style["sources"]["base"]["minzoom"], style["sources"]["base"]["maxzoom"]) == (3, 12)


def test_an_attribution_is_text_and_not_markup(catalog: Catalog) -> None:
    land = replace(catalog.layers["land"], attribution="Land <script> & Sea")
    style = build_style(replace(catalog, layers={"land": land}), loaded({"land"}), "light", BASE_URL)
    assert style["sources"]["base"]["attribution"] == "Land &lt;script&gt; &amp; Sea"


def test_data_lies_under_the_names_of_places_and_areas_under_the_streets(catalog: Catalog) -> None:
    ids = ["crime", "districts", "bike-paths"]
    style = build_style(catalog, loaded(catalog.layers), "light", BASE_URL, ids)
    order = [item["id"] for item in style["layers"]]
    assert order.index("land") < order.index("districts") < order.index("street-residential-casing")
    assert order.index("street-motorway") < order.index("bike-paths-track") < order.index("crime")
    assert order.index("crime") < order.index("label-park")


def test_the_order_of_asking_does_not_change_areas_under_lines_under_points(catalog: Catalog) -> None:
    ids = ["districts", "bike-paths", "crime"]
    orders = [
        [item["type"] for item in build_style(catalog, loaded(catalog.layers), "light", BASE_URL, asked)["layers"]]
        for asked in (ids, ids[::-1])
    ]
    assert orders[0] == orders[1]


def test_data_stays_under_the_labels_when_the_anchor_is_not_drawn(catalog: Catalog) -> None:
    present = {"land", "places", "crime", "districts"}  # neither buildings nor streets, which carry the anchors
    style = build_style(catalog, loaded(present), "light", BASE_URL, ["crime"])
    kinds = [item["type"] for item in style["layers"]]
    labels = [item["type"] == "symbol" and item["source"] == "base" for item in style["layers"]]
    assert kinds.index("circle") == labels.index(True) - 1


def test_a_dark_basemap_takes_the_dark_values_of_a_layer_and_a_light_one_does_not(catalog: Catalog) -> None:
    def outline(base: str) -> str:
        style = build_style(catalog, loaded(catalog.layers), base, BASE_URL, ["districts"])
        return str(next(item for item in style["layers"] if item["id"] == "districts-outline")["paint"]["line-color"])

    overrides = catalog.styles["districts"]["metadata"]["geoserver:dark"]
    assert outline("dark") == overrides["districts-outline"]["paint"]["line-color"] != outline("light")


def test_building_a_style_leaves_the_catalogue_as_it_was(catalog: Catalog) -> None:
    before = json.dumps(catalog.styles)
    build_style(catalog, loaded({"land"}), "dark", BASE_URL, ["crime", "districts"])
    assert json.dumps(catalog.styles) == before


def test_an_unknown_style_or_layer_is_named_with_those_there_are(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="light"):
        build_style(catalog, {}, "no-such", BASE_URL)
    with pytest.raises(NotFoundError, match="crime"):
        build_style(catalog, {}, "light", BASE_URL, ["no-such"])
    assert {"light", "dark", "crime"} <= set(style_names(catalog))


# Check


def test_every_style_of_the_sample_city_names_what_exists(catalog: Catalog) -> None:
    assert catalog.problems == ()
    assert [str(problem) for problem in check(catalog)] == []


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (circles(["get", "colour"]), "a field of layers/things.toml; got 'colour'"),
        (circles("#123456") | {"source": "elsewhere"}, "one of the style's sources; got 'elsewhere'"),
        (circles("#123456") | {"source-layer": "nothing"}, "a layer of the catalogue; got 'nothing'"),
        (circles("#123456") | {"filter": ["has", "size"]}, "got 'size'"),
    ],
)
def test_a_style_that_names_what_is_not_there_is_told_so(item: dict[str, Any], said: str) -> None:
    (problem,) = check(make_catalog(item))
    assert said in str(problem)
    assert problem.file == "styles/things.json"


def test_anchors_and_dark_values_must_name_layers_of_the_style() -> None:
    metadata = {"geoserver:data-below": "label", "geoserver:dark": {"thing": {}}}
    said = [str(problem) for problem in check(make_catalog(circles("#123456"), metadata=metadata))]
    assert len(said) == 2
    assert "got 'label'" in said[0]


def test_two_layers_of_a_style_cannot_have_one_id() -> None:
    assert "things" in str(check(make_catalog(circles("#123456") | {"id": "a"}, circles("#654321") | {"id": "a"}))[0])


@pytest.mark.parametrize(
    ("style", "key"),
    [
        ('{"version": 7, "sources": {}, "layers": []}', "version"),
        ('{"version": 8, "layers": []}', "sources"),
        ('{"version": 8, "sources": {"a": 1}, "layers": []}', "sources"),
        ('{"version": 8, "sources": {}, "layers": [{"type": "fill"}]}', "layers.0"),
        ('{"version": 8, "sources": {}, "layers": [{"id": "a", "type": "fill"}]}', "layers.0.source"),
        ('{"version": 8, "sources": {}, "layers": [{"id": "a", "type": "background", "paint": []}]}', "layers.0.paint"),
        ('{"version": 8, "sources": {}, "layers": [], "metadata": []}', "metadata"),
    ],
)
def test_a_file_without_the_shape_of_a_style_is_a_problem_and_not_served(tmp_path: Path, style: str, key: str) -> None:
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles" / "odd.json").write_text(style, encoding="utf-8")
    catalog = read_catalog(Settings(workspace=tmp_path, samples=True))
    assert "odd" not in catalog.styles
    assert [problem.key for problem in catalog.problems] == [key]


# Legends


def test_every_layer_of_the_sample_city_has_a_legend_of_at_most_seven_colours(catalog: Catalog) -> None:
    for layer in catalog.datasets():
        legend = build_legend(catalog, layer)
        assert 1 <= len({entry["color"] for entry in legend if entry["label"] != "No data"}) <= MOST_CLASSES + 1
        assert all(entry["label"] and entry["color"] for entry in legend)


def test_the_crime_legend_speaks_of_every_category(catalog: Catalog) -> None:
    layer = catalog.layers["crime"]
    legend = build_legend(catalog, layer)
    values = [entry["value"] for entry in legend]
    flat = [value for item in values for value in (item if isinstance(item, list) else [item])]
    assert sorted(flat) == sorted(layer.fields["category"].labels)
    assert len({entry["color"] for entry in legend}) == len(legend) <= MOST_CLASSES


def test_a_plain_colour_is_one_entry_with_the_layers_title() -> None:
    (entry,) = legend_of(circles("#123456", **{"circle-radius": 4, "circle-stroke-color": "#ffffff"}))
    assert entry == {"kind": "circle", "label": "Things", "color": "#123456", "size": 4, "stroke": "#ffffff"}


def test_match_gives_an_entry_per_value_with_the_fields_label_and_the_rest() -> None:
    colour = ["match", ["get", "kind"], "oak", "#111111", ["elm", "ash_tree"], "#222222", "#333333"]
    legend = legend_of(circles(colour))
    assert texts(legend) == [("Oak tree", "#111111"), ("Elm, Ash tree", "#222222"), ("Other", "#333333")]
    assert [entry.get("value") for entry in legend] == ["oak", ["elm", "ash_tree"], None]
    assert {entry["title"] for entry in legend} == {"Kind"}


def test_step_gives_intervals_with_the_unit() -> None:
    legend = legend_of(circles(["step", ["get", "height"], "#111111", 5, "#222222", 12.5, "#333333"]))
    assert texts(legend) == [("< 5 m", "#111111"), ("5 to 12.5 m", "#222222"), ("≥ 12.5 m", "#333333")]


def test_a_long_unit_stands_once_in_the_title() -> None:
    legend = legend_of(circles(["step", ["get", "rate"], "#111111", 1000, "#222222"]))
    assert [entry["label"] for entry in legend] == ["< 1\u202f000", "≥ 1\u202f000"]
    assert legend[0]["title"] == "Rate, per 100,000 people"


def test_interpolate_gives_its_stops() -> None:
    legend = legend_of(circles(["interpolate", ["linear"], ["get", "height"], 0, "#000000", 30, "#ffffff"]))
    assert texts(legend) == [("0 m", "#000000"), ("30 m", "#ffffff")]


def test_case_lists_exceptions_after_the_rule() -> None:
    ramp = ["step", ["get", "height"], "#111111", 5, "#222222"]
    legend = legend_of(circles(["case", ["!", ["has", "height"]], "#999999", ramp]))
    assert texts(legend) == [("< 5 m", "#111111"), ("≥ 5 m", "#222222"), ("No data", "#999999")]


def test_case_over_a_yes_or_no_field() -> None:
    legend = legend_of(circles(["case", ["get", "open"], "#111111", "#222222"]))
    assert texts(legend) == [("Yes", "#111111"), ("No", "#222222")]


def test_classes_inside_a_ramp_over_zoom_are_found() -> None:
    inner = ["match", ["get", "kind"], "oak", "#111111", "#222222"]
    legend = legend_of(circles(["interpolate", ["linear"], ["zoom"], 5, "#000000", 12, inner]))
    assert texts(legend) == [("Oak tree", "#111111"), ("Other", "#222222")]


def test_sizes_are_those_of_the_class_and_a_size_of_its_own_field_is_explained_too() -> None:
    colour = ["match", ["get", "kind"], "oak", "#111111", "#222222"]
    radius = [
        "interpolate",
        ["linear"],
        ["zoom"],
        10,
        1,
        15,
        ["interpolate", ["linear"], ["get", "height"], 0, 2, 30, 8],
    ]
    legend = legend_of(circles(colour, **{"circle-radius": radius}))
    assert [(entry["label"], entry["size"]) for entry in legend[-2:]] == [("0 m", 2), ("30 m", 8)]
    by_kind = ["match", ["get", "kind"], "oak", 9, 3]
    legend = legend_of(circles(colour, **{"circle-radius": by_kind}))
    assert [entry["size"] for entry in legend] == [9, 3]


def test_lines_tell_their_width_and_dashes_and_are_named_by_their_filter() -> None:
    line = {"type": "line", "filter": ["==", ["get", "kind"], "oak"]}
    paint = {"line-color": "#123456", "line-width": 3, "line-dasharray": [2, 1]}
    (entry,) = legend_of(line | {"paint": paint})
    assert (entry["label"], entry["value"], entry["size"], entry["dash"]) == ("Oak tree", "oak", 3, [2, 1])


def test_a_note_hides_an_entry_renames_it_or_hides_the_layer() -> None:
    colour = ["match", ["get", "kind"], "oak", "#111111", "elm", "#222222", "#333333"]
    note = {"labels": {"elm": "Elms of all kinds", "oak": None}, "other": "The rest"}
    shown = circles(colour) | {"metadata": {"geoserver:legend": note}}
    hidden = circles("#000000") | {"metadata": {"geoserver:legend": False}}
    assert texts(legend_of(hidden, shown)) == [("Elms of all kinds", "#222222"), ("The rest", "#333333")]
    assert texts(legend_of(circles("#000000") | {"metadata": {"geoserver:legend": "A name"}})) == [
        ("A name", "#000000")
    ]


def test_what_differs_in_the_dark_is_said() -> None:
    dark = {"geoserver:dark": {"things-0": {"paint": {"circle-color": "#eeeeee"}}}}
    (entry,) = legend_of(circles("#111111", **{"circle-radius": 3}), metadata=dark)
    assert entry["color"] == "#111111"
    assert entry["dark"] == {"color": "#eeeeee"}


def test_labels_and_layers_of_other_data_are_not_in_a_legend() -> None:
    other = circles("#111111") | {"source-layer": "elsewhere"}
    assert legend_of(other, {"type": "symbol", "layout": {"text-field": ["get", "kind"]}}) == []


def test_an_expression_beyond_legends_still_gives_an_entry() -> None:
    (entry,) = legend_of(circles(["rgb", ["get", "height"], 0, 0]))
    assert entry["label"] == "Things"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["get", "has", "kind", "height", "#123456", "zoom"]),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.builds(lambda name, rest: [name, *rest], st.sampled_from(sorted(OPERATORS)), st.lists(inside, max_size=7))
    ),
    max_leaves=25,
)


@trials(deadline=None)
@given(JSON, JSON)
def test_whatever_a_style_says_a_legend_is_answered(colour: Any, size: Any) -> None:
    legend = legend_of(circles(colour, **{"circle-radius": size}) | {"filter": size})
    assert legend
    assert all(isinstance(entry["label"], str) and isinstance(entry["color"], str) for entry in legend)


# Expressions


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (["get", "a"], 5),
        (["+", ["get", "a"], 2, 3], 10),
        (["*", 2, ["-", ["get", "a"], 1]], 8),
        (["-", ["get", "a"]], -5),
        (["max", 1, ["get", "a"]], 5),
        (["coalesce", ["get", "none"], ["get", "a"]], 5),
        (["all", ["has", "a"], ["!", ["has", "none"]]], True),
        (["any", ["==", ["get", "a"], 6], [">", ["get", "a"], 4]], True),
        (["in", ["get", "a"], ["literal", [4, 5]]], True),
        (["case", ["<", ["get", "none"], 3], 1, 2], 2),
        (["interpolate", ["linear"], ["zoom"], 10, 0, 20, 100], 50),
        (["interpolate", ["exponential", 2], ["get", "a"], 4, 0, 6, 30], 10),
        (["step", ["zoom"], "low", 15, "high"], "high"),
        (["literal", [2, 1]], [2, 1]),
        ([2, 1], [2, 1]),
    ],
)
def test_an_expression_is_worth_what_maplibre_says(expression: list[Any], value: Any) -> None:
    assert evaluate(expression, {"a": 5}, 15) == value


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="distance"):
        evaluate(["distance", {}], {}, 10)


@trials(deadline=None)
@given(st.floats(-1e6, 1e6), st.lists(st.integers(-1000, 1000), min_size=1, max_size=6, unique=True).map(sorted))
def test_a_step_takes_the_last_stop_that_is_reached(value: float, stops: list[int]) -> None:
    step = ["step", ["get", "x"], "below"] + [part for stop in stops for part in (stop, str(stop))]
    reached = [str(stop) for stop in stops if stop <= value]
    assert evaluate(step, {"x": value}, 0) == (reached[-1] if reached else "below")


def test_fields_are_found_wherever_they_are_read() -> None:
    assert fields_in(["case", ["has", "a"], ["get", "b"], {"x": ["get", "c"]}]) == {"a", "b", "c"}
    assert field_of(["to-number", ["coalesce", ["get", "a"], 0]]) == "a"
    assert field_of(["+", ["get", "a"], 1]) is None
