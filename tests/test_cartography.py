"""What a graphics editor would measure on the map: contrast, colours for all eyes, sizes, number of classes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from geoserver.catalog import Catalog, read_catalog
from geoserver.database.status import LayerStatus
from geoserver.grid import most_cells
from geoserver.model import Field, TilePlan, ZoomPlan
from geoserver.settings import Settings
from geoserver.styling import build_legend, build_style, describe_bins
from geoserver.styling.build import darken
from geoserver.styling.colours import contrast, list_colours, parse_hex
from geoserver.styling.expressions import evaluate, output_at
from geoserver.styling.plain import plain_fragment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.model import Layer

if TYPE_CHECKING:
    pass

BASE_URL = "https://maps.example.org"
THEMES = ("light", "dark")
START = 15
ZOOMS = range(9, 19)
LEAST_CONTRAST = 2.0
MOST_CLASSES = 7
GREY = "#8a8f94"  # of entries that explain a size
SMALLEST_POINT = 3.5  # pixels of radius
VISIBLE = {"crime:bins-marks", "bike-paths-casing", "air-quality", "trees:bins-marks"}
GROUNDS = {"land", "land-use", "built-up", "park", "water", "ocean", "building"}

# How colours look to those who lack one kind of cones: matrices on linear RGB, severity 1.0, of G. M. Machado,
# M. M. Oliveira and L. A. F. Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# IEEE Transactions on Visualization and Computer Graphics 15 (2009).
EYES = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Oklab (B. Ottosson, "A perceptual color space for image processing", 2020): about 2 can just be told apart.
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
APART = 10.0  # between any two categories
NEIGHBOURS = 4.0  # between two classes of a number, which stand in order


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The sample city's, and what a city may add to it without a style: the same rules hold for both."""
    sample = read_catalog(Settings(workspace=tmp_path_factory.mktemp("workspace"), samples=True))
    return replace(sample, layers={**sample.layers, **{layer.id: layer for layer in make_foreign(sample)}})


def make_foreign(sample: Catalog) -> Iterator[Layer]:
    """Points, lines and areas with a category that is labelled, with too many of them, and with a number alone."""
    labels = {f"value {number}": f"Value {number}" for number in range(20)}
    fields = {
        "labelled": Field("kind", "Kind", "text", filter="choice", labels=dict([*labels.items()][:6])),
        "many": Field("kind", "Kind", "text", filter="choice", labels=labels),
        "unlabelled": Field("kind", "Kind", "text", filter="choice"),
        "number": Field("depth", "Depth", "number", filter="range", unit="m"),
    }
    for kind in ("points", "lines", "polygons"):
        for name, item in fields.items():
            yield replace(sample.layers["crime"], id=f"{kind}-{name}", kind=kind, style="", fields={item.name: item})
    for number in range(8):  # the one colour of a layer follows from its id
        yield replace(sample.layers["crime"], id=f"layer-{number}", style="", fields={})


@pytest.fixture(scope="module")
def statuses(catalog: Catalog) -> dict[str, LayerStatus]:
    """Every layer of points in bins below zoom 15."""
    zooms = tuple(ZoomPlan(-1, most_cells(zoom)) for zoom in range(START))
    plan = TilePlan(START, "kind", ("oak", "elm"), zooms)
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return {name: LayerStatus(name, 1, 9, 0, 0, None, 4326, "POINT", made, 0.1, plan) for name in catalog.layers}


def find(style: dict[str, Any], name: str) -> dict[str, Any]:
    """The style's layer of that id."""
    return next(item for item in style["layers"] if item["id"] == name)


def grounds(catalog: Catalog, theme: str) -> set[str]:
    """Every colour of land, water, parks and buildings that data can lie on."""
    assert {item["id"] for item in catalog.styles[theme]["layers"]} >= GROUNDS
    return {
        colour
        for item in catalog.styles[theme]["layers"]
        if item["id"] in GROUNDS
        for name, value in item["paint"].items()
        if name in ("background-color", "fill-color")
        for colour in list_colours(value)
    }


def seen(entry: dict[str, Any], theme: str) -> dict[str, Any]:
    """A legend's entry in a theme."""
    return {**entry, **entry["dark"]} if theme == "dark" and "dark" in entry else entry


def mark_of(entry: dict[str, Any], theme: str, floor: set[str]) -> str:
    """The colour that shows an entry: that of a ring where it is a ring around nearly nothing."""
    drawn = seen(entry, theme)
    around = drawn.get("stroke", drawn["color"])
    return max((drawn["color"], around), key=lambda colour: min(contrast(colour, ground) for ground in floor))


def look(colour: str, eyes: str) -> np.ndarray:
    """Lightness and hue of a colour as such eyes see it, lightness 0 to 100."""
    parts = np.array(parse_hex(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    lab: np.ndarray = np.cbrt(np.clip(EYES[eyes] @ linear, 0, 1) @ TO_CONES.T) @ TO_LAB.T * 100
    return lab


def distance(one: str, other: str, eyes: str) -> float:
    return float(np.linalg.norm(look(one, eyes) - look(other, eyes)))


@pytest.mark.parametrize("theme", THEMES)
def test_every_class_of_every_layer_stands_out_from_land_water_parks_and_buildings(
    theme: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    floor = grounds(catalog, theme)
    assert len(floor) >= 10
    faint, measured = {}, 0
    for layer in catalog.datasets():
        bins = describe_bins(catalog, layer, statuses[layer.id]) or {"legends": []}
        for entry in [*build_legend(catalog, layer), *(e for each in bins["legends"] for e in each["legend"])]:
            colour = mark_of(entry, theme, floor)
            least = min(contrast(colour, ground) for ground in floor)
            if least < LEAST_CONTRAST:
                faint[layer.id, entry["label"], colour] = round(least, 2)
            measured += 1
    assert faint == {}
    assert measured > 200


@pytest.mark.parametrize("theme", THEMES)
def test_the_legend_is_the_style_for_every_class(
    theme: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    """Each entry's colour is what the style draws a feature of that value with, and every value has its entry's."""
    compared = 0
    for layer in catalog.datasets():
        style = build_style(catalog, statuses, theme, BASE_URL, [layer.id])
        drawn = [item for item in style["layers"] if item.get("source-layer") == layer.id]
        for entry in (seen(entry, theme) for entry in build_legend(catalog, layer)):
            for value in entry["value"] if isinstance(entry.get("value"), list) else [entry.get("value")]:
                if value is None:
                    continue
                colours = {
                    evaluate(item["paint"].get(name), {field: value}, 15)
                    for item in drawn
                    for name in ("circle-color", "line-color", "fill-color")
                    for field in layer.fields
                    if evaluate(item.get("filter", True), {field: value}, 15)
                }
                assert entry["color"] in colours
                compared += 1
    assert compared > 35


def test_a_layer_without_a_style_is_drawn_by_category_where_a_few_are_labelled_and_in_one_colour_else(
    catalog: Catalog,
) -> None:
    for kind in ("points", "lines", "polygons"):
        for name, entries in (("labelled", 7), ("many", 1), ("unlabelled", 1), ("number", 1)):
            legend = build_legend(catalog, catalog.layers[f"{kind}-{name}"])
            assert len({entry["color"] for entry in legend}) == len(legend) == entries
            if entries > 1:
                assert [entry["label"] for entry in legend] == [*(f"Value {number}" for number in range(6)), "Other"]
            for theme in THEMES:
                fragment = plain_fragment(catalog.layers[f"{kind}-{name}"])
                if theme == "dark":
                    darken(fragment)
                fill, outline = fragment["layers"][0]["paint"], fragment["layers"][-1]["paint"]
                if kind == "polygons":  # the fill is thin; what stands out is the outline
                    assert outline["line-color"] == fill["fill-color"] == fill["fill-outline-color"]
                    assert all(evaluate(outline["line-width"], {}, zoom) >= 1 for zoom in ZOOMS)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("theme", THEMES)
def test_no_two_categories_look_alike_and_no_two_neighbouring_classes_do(
    theme: str, eyes: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    floor, alike, compared = grounds(catalog, theme), {}, 0
    for layer in catalog.datasets():
        legend = build_legend(catalog, layer)
        categories = [mark_of(entry, theme, floor) for entry in legend if entry.get("value") is not None]
        classes = [mark_of(entry, theme, floor) for entry in legend if "value" not in entry and entry.get("title")]
        bins = describe_bins(catalog, layer, statuses[layer.id]) or {"legend": []}
        counts = [mark_of(entry, theme, floor) for entry in bins["legend"]]
        wanted = [
            *((pair, APART) for pair in combinations(dict.fromkeys(categories), 2)),
            *((pair, NEIGHBOURS) for pair in pairwise(classes) if pair[0] != pair[1]),
            *((pair, NEIGHBOURS) for pair in pairwise(counts)),
        ]
        for (one, other), least in wanted:
            if (far := distance(one, other, eyes)) < least:
                alike[layer.id, one, other] = round(far, 1)
            compared += 1
    assert alike == {}
    assert compared > 150


def test_a_colour_that_is_like_another_for_some_eyes_is_found() -> None:
    assert distance("#d7301f", "#4c8a1f", "all cones") > 2 * APART
    assert distance("#b5651d", "#7a7a1f", "protanopia") < APART


def test_more_is_further_from_the_ground_in_both_themes(catalog: Catalog, statuses: dict[str, LayerStatus]) -> None:
    ordered = 0
    for layer in catalog.datasets():
        bins = describe_bins(catalog, layer, statuses[layer.id]) or {"legends": []}
        for legend in (each["legend"] for each in bins["legends"]):
            for theme, ground in (("light", "#ffffff"), ("dark", "#000000")):
                told = [contrast(seen(entry, theme)["color"], ground) for entry in legend]
                assert told == sorted(told)
                ordered += len(told) > 1
    assert ordered > 50


def test_no_layer_has_more_than_seven_classes(catalog: Catalog, statuses: dict[str, LayerStatus]) -> None:
    for layer in catalog.datasets():
        legend = build_legend(catalog, layer)
        assert (
            1
            <= len({(entry["color"], entry.get("stroke")) for entry in legend if entry["color"] != GREY})
            <= MOST_CLASSES
        )
        bins = describe_bins(catalog, layer, statuses[layer.id]) or {"legends": []}
        assert all(2 <= len(each["legend"]) <= MOST_CLASSES for each in bins["legends"])
        assert bins["legends"]


def test_points_are_never_smaller_than_the_eye_wants_have_a_casing_and_let_nothing_shine_through(
    catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    drawn = 0
    for theme in THEMES:
        style = build_style(catalog, statuses, theme, BASE_URL, [layer.id for layer in catalog.datasets()])
        for item in (item for item in style["layers"] if item["type"] == "circle"):
            for zoom in ZOOMS:
                for properties in (
                    {},
                    {"height": 2, "pm25": 1, "sars_cov_2": 1, "health": "dead", "category": "theft"},
                ):
                    assert evaluate(item["paint"]["circle-radius"], properties, zoom) >= SMALLEST_POINT - 0.3
                    if not item["id"].endswith("-casing"):
                        assert evaluate(item["paint"]["circle-stroke-width"], properties, zoom) >= 0.75
                    drawn += 1
            assert evaluate(item["paint"].get("circle-opacity", 1), {}, START + 1) == 1
    assert drawn > 100


def test_lines_are_never_thinner_than_a_pixel_and_their_dashes_begin_where_they_can_be_seen(
    catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    lines, dashed = 0, 0
    for layer in catalog.datasets():
        if layer.kind != "lines":
            continue
        for item in build_style(catalog, statuses, layer.id, BASE_URL)["layers"]:
            if item.get("source-layer") != layer.id:
                continue
            assert all(evaluate(item["paint"]["line-width"], {}, zoom) >= 1 for zoom in ZOOMS)
            lines += 1
            if dash := item["paint"].get("line-dasharray"):
                assert [output_at(dash, zoom) for zoom in (11, 12)] == [["literal", [1, 0]]] * 2
                assert output_at(dash, 13) != ["literal", [1, 0]]
                dashed += 1
    assert lines >= 13
    assert dashed == 3


def measure(style: dict[str, Any], name: str, side: float, count: int, zoom: float) -> tuple[float, float]:
    """Outer and inner width, in pixels, of the mark in the middle of a bin of that side.

    As MapLibre works it out: for the tile's zoom and the next one, and between these two by the zoom of the map.
    """
    tile = int(zoom)
    (item,) = (each for each in style["layers"] if each["id"].removesuffix("-odd") == name and holds(each, tile))

    def pixels(value: Any) -> float:
        low, high = (evaluate(value, {"count": count}, each) for each in (tile, tile + 1))
        return float(low + (high - low) * (2 ** (zoom - tile) - 1))

    width, inside = (pixels(item["paint"][f"line-{each}"]) for each in ("width", "offset"))
    return side - 2 * (inside - width / 2), side - 2 * (inside + width / 2)


def holds(item: dict[str, Any], tile: int) -> bool:
    """Whether a layer draws what tiles of that zoom hold."""
    return "filter" not in item or item["filter"] == ["==", ["%", ["zoom"], 2], tile % 2]


@pytest.mark.parametrize("theme", THEMES)
def test_bins_are_wide_enough_and_so_are_the_marks_in_them(
    theme: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    style = build_style(catalog, statuses, theme, BASE_URL, ["crime"])
    marks, casing = (f"crime:bins-{name}" for name in ("marks", "casing"))
    for zoom in range(9, START):
        side = 512 / most_cells(zoom)
        assert side == (8 if zoom < 12 else 16)
        (few, hole), (many, no_hole) = (measure(style, marks, side, count, zoom) for count in (1, 10**6))
        assert 0.4 * side <= few < many < side
        assert (hole, no_hole) == pytest.approx((0, 0), abs=0.05)
        for count in (1, 10**6):
            outer, inner = (measure(style, each, side, count, zoom)[0] for each in (casing, marks))
            assert outer - inner == pytest.approx(1.6, abs=0.05)
        # Until the next zoom they grow as their bin does, and have no hole.
        for further in (0.5, 0.99):
            grown = 2**further
            for count, width in ((1, few), (10**6, many)):
                wider, hole = measure(style, marks, side * grown, count, zoom + further)
                assert wider == pytest.approx(width * grown, rel=0.01)
                assert hole == pytest.approx(0, abs=0.1)


def test_the_classes_of_bins_fit_what_is_counted_at_the_zoom_and_under_the_filter(
    catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    def breaks(zoom: int, **asked: int) -> list[float]:
        style = build_style(catalog, statuses, "light", BASE_URL, ["crime"], features_from=asked)
        marks = find(style, "crime:bins-marks")
        colour = marks["paint"]["line-color"]
        return list((output_at(colour, zoom) if colour[1] == ["zoom"] else colour)[3::2])

    assert breaks(14) == [2, 5, 10, 20, 50]
    assert breaks(13) == [5, 10, 20, 50, 100]
    assert breaks(10)[0] > breaks(12)[0] > breaks(14)[0]
    assert breaks(12, crime=13) == [2, 5, 10, 20, 50]  # a filter leaves fewer


@pytest.mark.parametrize("theme", THEMES)
def test_the_legend_of_bins_says_at_each_zoom_what_the_style_draws(
    theme: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    style = build_style(catalog, statuses, theme, BASE_URL, ["crime"])
    paint = next(item for item in style["layers"] if item["id"] == "crime:bins-marks")["paint"]
    told = describe_bins(catalog, catalog.layers["crime"], statuses["crime"])
    assert told
    assert told["legend"] == told["legends"][-1]["legend"]
    for zoom in range(8, START):
        legend = [each for each in told["legends"] if each["minzoom"] <= zoom][-1]["legend"]
        assert legend[-1]["to"] is None
        assert [entry["to"] + 1 for entry in legend[:-1]] == [entry["from"] for entry in legend[1:]]
        for entry in legend:
            for count in (entry["from"], entry["to"] or 10**7):
                assert evaluate(paint["line-color"], {"count": count}, zoom) == seen(entry, theme)["color"]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ids", [["crime", "trees"], ["trees", "air-quality", "crime"]])
def test_layers_in_bins_share_them_and_no_mark_lies_on_another(
    theme: str, ids: list[str], catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    style = build_style(catalog, statuses, theme, BASE_URL, ids)
    drawn = [find(style, f"{name}:bins-marks") for name in ids]
    assert [item["layout"]["line-join"] for item in drawn] == ["round", *(["miter"] * (len(ids) - 1))]
    for zoom in range(9, START):
        side = 512 / most_cells(zoom)
        for inner, outer in pairwise(drawn):
            widest = measure(style, inner["id"], side, 10**6, zoom)[0]
            hole = measure(style, outer["id"], side, 1, zoom)[1]
            assert 0 < widest < hole
        assert measure(style, drawn[0]["id"], side, 1, zoom)[0] >= (2.8 if len(ids) == 2 else 2.2)
        assert measure(style, drawn[-1]["id"], side, 10**6, zoom)[0] < side
        assert all(evaluate(frame["paint"]["line-width"], {"count": 9}, zoom) >= 0.8 for frame in drawn[1:])
    for item in drawn:
        assert evaluate(item["paint"]["line-opacity"], {}, 12) == 1
        assert find(style, item["id"].removesuffix("-marks"))["paint"]["fill-opacity"] == 0
    for one, other in combinations(drawn, 2):
        assert not {*list_colours(one["paint"]["line-color"])} & {*list_colours(other["paint"]["line-color"])}


@pytest.mark.parametrize("theme", THEMES)
def test_a_zoom_has_bins_or_features_of_a_layer_and_squares_of_one_width(
    theme: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    style = build_style(catalog, statuses, theme, BASE_URL, ["crime", "trees"], features_from={"trees": 13})
    for name, start in (("crime", START), ("trees", 13)):
        assert f"{name}:bins" not in style["sources"]  # that would go on being drawn, enlarged, beside the features
        even, odd = (find(style, f"{name}:bins-marks{end}")["paint"]["line-width"] for end in ("", "-odd"))
        assert (even if start % 2 == 0 else odd)[-2] == start
        for sizes in (even, odd):
            stops = list(zip(sizes[3:-2:2], sizes[4:-2:2], strict=True))
            for (zoom, first), (after, last) in zip(stops[::2], stops[1::2], strict=True):
                assert after == zoom + 1
                for output, side in ((first, 512 / most_cells(zoom)), (last, 1024 / most_cells(zoom))):
                    part = (output if isinstance(output, float) else output[2]) / side
                    assert part == pytest.approx(0.18 if name == "crime" else 0.1, abs=0.01), zoom


@pytest.mark.parametrize("theme", THEMES)
def test_areas_are_filled_alone_and_outlined_in_the_colours_of_the_legend_beside_other_layers(
    theme: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    alone = build_style(catalog, statuses, theme, BASE_URL, ["districts"])
    filled = find(alone, "districts")["paint"]
    assert "fill-opacity" not in filled
    assert not any(item["id"].endswith("-band") for item in alone["layers"])
    assert "geoserver:outlined" not in alone["metadata"]
    areas = build_style(catalog, statuses, theme, BASE_URL, ["districts", "polygons-number"])
    assert [item["id"] for item in areas["layers"] if item["id"].endswith("-band")] == ["polygons-number-band"]
    assert areas["metadata"]["geoserver:outlined"] == ["polygons-number"]
    for others in (["crime"], ["bike-paths"], ["air-quality"], ["crime", "trees", "bike-paths"]):
        for ids in (["districts", *others], [*others, "districts"]):
            style = build_style(catalog, statuses, theme, BASE_URL, ids)
            band = find(style, "districts-band")
            assert find(style, "districts")["paint"]["fill-opacity"] == 0  # still there to be clicked
            assert style["metadata"]["geoserver:outlined"] == ["districts"]
            assert band["paint"]["line-color"] == filled["fill-color"]
            order = [item["id"] for item in style["layers"]]
            drawn = [item["id"] for item in style["layers"] if item.get("source") in others]
            assert not any(name.startswith("districts-outline") for name in order)  # like a path of some sort
            assert order.index("districts-band") < min(order.index(name) for name in drawn if name in VISIBLE)
            for zoom in ZOOMS:
                wide, inside = (evaluate(band["paint"][f"line-{name}"], {}, zoom) for name in ("width", "offset"))
                assert wide >= 1.5
                assert inside - wide / 2 == pytest.approx(0.5)  # and a pixel between neighbours
    legend = build_legend(catalog, catalog.layers["districts"])
    assert {seen(entry, theme)["color"] for entry in legend} == set(list_colours(band["paint"]["line-color"]))


def test_data_lie_over_the_names_of_streets_and_under_those_of_places(
    catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    style = build_style(catalog, statuses, "light", BASE_URL, ["crime", "bike-paths", "trees"])
    order = [item["id"] for item in style["layers"]]
    data = [order.index(name) for name in ("crime", "trees", "bike-paths-track", "crime:bins-marks")]
    assert order.index("label-street-minor") < order.index("label-street-major") < min(data)
    assert max(data) < min(
        order.index(name) for name in ("label-park", "label-district", "label-village", "label-city")
    )
    for name in ("label-district", "label-village", "label-city"):
        assert style["layers"][order.index(name)]["paint"]["text-halo-width"] >= 1.4


def test_few_sensors_lie_over_many_reports(catalog: Catalog, statuses: dict[str, LayerStatus]) -> None:
    few = {name: replace(statuses[name], plan=TilePlan()) for name in ("air-quality", "sewage-sampling")}
    asked = ["air-quality", "crime", "sewage-sampling", "trees"]
    style = build_style(catalog, statuses | few, "light", BASE_URL, asked)
    order = [item["id"] for item in style["layers"]]
    assert max(map(order.index, ("crime", "trees"))) < min(map(order.index, ("air-quality", "sewage-sampling-casing")))


def test_sensors_of_two_sorts_differ_in_shape_and_the_legend_shows_it(catalog: Catalog) -> None:
    discs, rings = (build_legend(catalog, catalog.layers[name]) for name in ("air-quality", "sewage-sampling"))
    assert len({entry["color"] for entry in rings}) == 1  # the hole
    assert len({entry["stroke"] for entry in rings}) == len(rings)
    assert min(entry["stroke_width"] for entry in rings) > 3 > max(entry["stroke_width"] for entry in discs)
    assert len({entry["color"] for entry in discs}) == len(discs)


@pytest.mark.parametrize("theme", THEMES)
def test_bins_have_the_colours_of_their_layer_s_own_legend_unless_another_layer_has_them(
    theme: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    def marks(style: dict[str, Any], name: str) -> Any:
        return find(style, f"{name}:bins-marks")["paint"]["line-color"]

    ids = [layer.id for layer in catalog.datasets()][:6]
    together = build_style(catalog, statuses, theme, BASE_URL, ids)
    for name in ("crime", "trees"):
        assert marks(together, name) == marks(build_style(catalog, statuses, theme, BASE_URL, [name]), name)
    alike = build_style(catalog, statuses, theme, BASE_URL, ["points-labelled", "points-many"])
    first, second = (set(list_colours(marks(alike, name))) for name in ("points-labelled", "points-many"))
    alone = build_style(catalog, statuses, theme, BASE_URL, ["points-many"])
    assert not first & second
    assert first == set(list_colours(marks(alike, "points-labelled")))
    assert len(second) == len(set(list_colours(marks(alone, "points-many")))) == 6


@pytest.mark.parametrize("kind", ["lines", "polygons"])
def test_bins_of_lines_and_areas_are_filled_alone_and_framed_beside_other_layers(
    kind: str, catalog: Catalog, statuses: dict[str, LayerStatus]
) -> None:
    name = f"{kind}-number"
    alone = build_style(catalog, statuses, "light", BASE_URL, [name])
    colour = find(alone, f"{name}:bins")["paint"]["fill-color"]
    assert find(alone, f"{name}:bins")["paint"]["fill-opacity"] == 1
    for ids in ([name, "crime"], ["crime", name]):
        style = build_style(catalog, statuses, "light", BASE_URL, ids)
        frames = find(style, f"{name}:bins-marks")
        assert find(style, f"{name}:bins")["paint"]["fill-opacity"] == 0
        assert frames["paint"]["line-color"] == colour
        assert frames["metadata"]["geoserver:marks"]["framed"]
        assert all(measure(style, frames["id"], side, 1, 12) == (side - 2, side - 6) for side in (8, 16, 64))
