"""What a filter leaves of few rows is seen: no mark is smaller or fainter than the eye wants."""

from __future__ import annotations

from typing import Any

import pytest

from geoserver.styling.expressions import evaluate
from geoserver.styling.legible import at_least, make_legible

BY_KIND = ["match", ["get", "kind"], "oak", 1, 8]


@pytest.mark.parametrize(
    "value",
    [
        2,
        BY_KIND,
        ["interpolate", ["exponential", 1.3], ["zoom"], 9, 0.8, 12, 1.5, 17, 7],
        ["interpolate", ["linear"], ["zoom"], 9, BY_KIND, 17, 9],
        ["step", ["zoom"], 1, 12, BY_KIND, 15, 6],
    ],
)
@pytest.mark.parametrize("zoom", [0, 9, 10.5, 12, 14.2, 17, 22])
@pytest.mark.parametrize("kind", ["oak", "elm"])
def test_a_size_is_never_below_the_least_and_larger_ones_stay(value: Any, zoom: float, kind: str) -> None:
    properties = {"kind": kind}
    raised = evaluate(at_least(value, 3.5), properties, zoom)
    assert raised >= 3.5
    own = evaluate(value, properties, zoom)
    if own >= 7:
        assert raised == pytest.approx(own)


def test_a_size_that_reads_the_zoom_in_another_way_stays() -> None:
    value = ["let", "a", 1, ["interpolate", ["linear"], ["zoom"], 9, ["var", "a"], 16, 9]]
    assert at_least(value, 3.5) == value
    assert at_least({"stops": [[9, 1], [16, 9]]}, 3.5) == {"stops": [[9, 1], [16, 9]]}


def test_an_opacity_that_tells_features_apart_stays() -> None:
    tells = ["match", ["get", "health"], "dead", 0.12, 0.8]
    assert at_least(tells, 0.85, everywhere=False) == tells
    assert at_least(0.3, 0.85, everywhere=False) == 0.85


def test_only_what_draws_features_of_the_named_layers_is_raised() -> None:
    def circle(layer: str, paint: dict[str, Any]) -> dict[str, Any]:
        return {"id": layer, "type": "circle", "source-layer": layer, "paint": paint}

    paint = {"circle-radius": 1, "circle-stroke-width": 0, "circle-stroke-color": "#ffffff"}
    style = {"layers": [circle("crime", paint), circle("trees", paint), circle("crime:bins", paint)]}
    make_legible(style, ["crime"])
    crime, trees, bins = (item["paint"] for item in style["layers"])
    assert crime == {"circle-radius": 3.5, "circle-stroke-width": 0.75, "circle-stroke-color": "#ffffff"}
    assert trees == bins == paint


def test_no_casing_is_drawn_in_a_colour_that_the_style_does_not_name() -> None:
    item: dict[str, Any] = {"id": "a", "type": "circle", "source-layer": "a", "paint": {"circle-stroke-width": 0}}
    make_legible({"layers": [item]}, ["a"])
    assert item["paint"] == {"circle-stroke-width": 0, "circle-radius": 5}
