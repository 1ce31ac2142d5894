"""Styles of ours, as MapLibre Native is given them."""

from __future__ import annotations

from geoserver.drawing.native import MARK, MARK_SIDE, adapt

MARKS = {
    "id": "crime:bins-marks",
    "type": "line",
    "source": "crime",
    "source-layer": "crime:bins",
    "filter": ["==", ["%", ["zoom"], 2], 0],
    "metadata": {"geoserver:marks": {}},
    "layout": {"line-join": "round"},
    "paint": {
        "line-color": "red",
        "line-width": ["interpolate", ["exponential", 2], ["zoom"], 8, ["step", ["get", "count"], 3, 200, 6], 9, 12],
        "line-offset": 4,
    },
}


def adapt_layer(layer: dict[str, object]) -> dict[str, object]:
    adapted: dict[str, object] = adapt({"version": 8, "layers": [layer]})["layers"][0]
    return adapted


def test_marks_with_rounded_corners_are_pictures_of_the_same_size() -> None:
    layer = adapt_layer(MARKS)
    assert layer["type"] == "symbol"
    assert layer["filter"] == MARKS["filter"]
    layout = layer["layout"]
    assert isinstance(layout, dict)
    assert layout["icon-image"] == MARK
    steps = ["step", ["get", "count"], 6 / MARK_SIDE, 200, 12 / MARK_SIDE]
    assert layout["icon-size"] == ["interpolate", ["exponential", 2], ["zoom"], 8, steps, 9, 24 / MARK_SIDE]


def test_other_lines_stay_as_they_are() -> None:
    for change in ({"layout": {"line-join": "miter"}}, {"paint": {"line-width": 2}}, {"source-layer": "districts"}):
        layer = MARKS | change
        assert adapt_layer(layer) == {name: value for name, value in layer.items() if name != "metadata"}


def test_what_native_does_not_know_is_left_out() -> None:
    assert adapt({"version": 8, "layers": [], "font-faces": {}, "metadata": {}}) == {"version": 8, "layers": []}
