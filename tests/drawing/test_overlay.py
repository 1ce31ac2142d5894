"""What is laid over a map, by its SVG."""

from __future__ import annotations

import re
from xml.etree.ElementTree import fromstring

import pytest

from geoserver.drawing.overlay import Overlay, Section, build_overlay

SIZES = ((300, 200), (600, 400), (1200, 630))


def list_boxes(svg: str) -> list[tuple[float, ...]]:
    fromstring(svg)
    return [
        tuple(map(float, box)) for box in re.findall(r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)" rx', svg)
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [2, 7, 60])
def test_a_legend_takes_at_most_two_fifths_of_the_height(size: tuple[int, int], count: int) -> None:
    entries = [{"kind": "circle", "label": f"Kind {number}", "color": "#123456"} for number in range(count)]
    svg = build_overlay(Overlay(size, sections=[Section("Reported crime: 6,501 reports", entries)]))
    ((_, _, width, height),) = list_boxes(svg)
    assert height <= 0.4 * size[1]
    assert width <= 0.76 * size[0]
    assert ("…" in svg) == (svg.count("<circle") < count)
    assert svg.count("<circle") >= min(count, 2)


def test_a_legend_without_room_for_two_rows_is_left_out() -> None:
    sections = [Section("Trees", [{"label": "Good"}, {"label": "Poor"}])]
    assert build_overlay(Overlay((120, 80), sections=sections)) == ""
