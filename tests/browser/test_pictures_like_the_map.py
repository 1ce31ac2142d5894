"""Pictures of the map beside the live one: the same state in Chromium and by MapLibre Native, pixel by pixel."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from geoserver.mapstates import parse_link

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Viewer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SIZE = (600, 400)
SPRING = "reported_at >= TIMESTAMP('2025-03-01T00:00:00Z') AND reported_at < TIMESTAMP('2025-06-01T00:00:00Z')"
BURGLARY = f"filter.crime={quote("category = 'burglary'")}"
FEW = f"filter.crime={quote(f"category = 'burglary' AND {SPRING}")}"
DEAD = f"filter.trees={quote("health = 'dead'")}"
STATES = (
    "layers=crime&map=12/45.205/-28.6",
    "layers=crime&map=10.5/45.205/-28.6&base=dark",
    "layers=crime&map=13.7/45.21/-28.61",
    "layers=crime&map=15/45.205/-28.6",
    "layers=crime&map=17.2/45.205/-28.6&base=dark",
    f"layers=crime&{FEW}&map=11.4/45.2/-28.6",
    f"layers=crime&{BURGLARY}&map=14/45.205/-28.6&base=dark",
    "layers=crime&time=2025-01-01/2025-03-31&map=12.5/45.205/-28.6",
    "layers=crime&area=circle:-28.6,45.205,1500&map=13/45.205/-28.6",
    "layers=trees&map=12/45.205/-28.6",
    f"layers=trees&{DEAD}&map=13/45.205/-28.6",
    "layers=trees&map=16.4/45.206/-28.604&base=dark",
    "layers=crime,trees&map=12.3/45.205/-28.6",
    "layers=bike-paths&map=13/45.205/-28.6",
    "layers=bike-paths,districts&map=11/45.205/-28.6&base=dark",
    "layers=districts&map=11.5/45.205/-28.6&lang=fr",
    "layers=air-quality,sewage-sampling&map=12/45.205/-28.6",
    "layers=crime,bike-paths,trees,sewage-sampling,air-quality,districts&map=14.5/45.205/-28.6",
    "layers=&map=5/45.2/-28.6&lang=de",
    "layers=&pin=-28.6,45.205,700&map=14/45.205/-28.6",
)
ALONE = """
#map {position: fixed !important; inset: 0 auto auto 0 !important; width: 600px !important; height: 400px !important;
  z-index: 2147483647 !important}
body * {visibility: hidden !important}
#map canvas {visibility: visible !important}
"""


def draw(origin: str, state: str) -> Image.Image:
    address = parse_link(f"/?{state}").picture(SIZE, also=[("attribution", "0")])
    try:
        with urllib.request.urlopen(f"{origin}/{address}") as answer:
            return Image.open(io.BytesIO(answer.read())).convert("RGB")
    except urllib.error.HTTPError as error:
        told = error.read().decode()
        if "apt-get install" in told:
            pytest.skip(told)
        raise AssertionError(told) from error


def look(viewer: Viewer, state: str) -> Image.Image:
    """The map of the page without anything beside or on it, as large as the picture."""
    viewer.page.goto("about:blank")
    viewer.page.goto(f"{viewer.origin}/?{state}")
    viewer.settle()
    viewer.page.add_style_tag(content=ALONE)
    viewer.page.wait_for_timeout(1_000)  # it has taken its new size, and what fades in has done so
    viewer.page.wait_for_selector("#map[data-state=idle]", state="attached")
    clip = {"x": 0, "y": 0, "width": SIZE[0], "height": SIZE[1]}
    shot = viewer.page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]
    return Image.open(io.BytesIO(shot)).convert("RGB")


@pytest.mark.parametrize("number", range(len(STATES)))
def test_a_picture_is_the_live_map(open_viewer: Callable[..., Viewer], output: Path, number: int) -> None:
    state, viewer = STATES[number], open_viewer(None)
    drawn, seen = draw(viewer.origin, state), look(viewer, state)
    apart = np.abs(np.asarray(drawn, int) - np.asarray(seen, int))
    mean = 100 * apart.mean() / 255
    both = Image.new("RGB", (2 * SIZE[0], SIZE[1]))
    both.paste(seen, (0, 0))
    both.paste(drawn, (SIZE[0], 0))
    both.save(output / f"picture-{number:02}.png")
    print(f"{mean:.2f} % {state}")
    assert mean < 2, f"{mean:.2f} % of full scale apart: {output / f'picture-{number:02}.png'}"
