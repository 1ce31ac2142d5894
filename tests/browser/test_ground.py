"""The ground under the data as Chromium draws it: the world alone, ready-made basemaps, and letters of any script."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mercantile
import pytest
from PIL import ImageChops
from shapely.geometry import Point

from geoserver.app import create_app
from geoserver.model import Tile
from geoserver.settings import Settings

sys.path.append(str(Path(__file__).parents[1] / "tilesets"))
from schemas import SCHEMAS, write_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLACE = (-28.5945, 45.2052)
TILE = Tile(14, *mercantile.tile(*PLACE, 14)[:2])
LAYER = 'title = "Ground"\nlicense = "ODbL-1.0"\nsource = "data/{}.pmtiles"\nkind = "tiles"\nbasemap = true\n'
POINTS = 'title = "Wells"\nlicense = "CC0-1.0"\nsource = "data/wells.csv"\nkind = "points"\n'
SEA, PAPER = (216, 229, 236), (245, 244, 239)
NAMES = {
    "arabic": "القاهرة",
    "hebrew": "ירושלים",
    "devanagari": "क्षेत्र",
    "thai": "กรุงเทพ",
    "georgian": "თბილისი",
    "armenian": "Երևան",
    "ethiopic": "አዲስ አበባ",
    "bengali": "ঢাকা",
    "tamil": "சென்னை",
    "khmer": "ភ្នំពេញ",
}
SIGNS = ("東京", "とうきょう", "서울")  # drawn by the system's own fonts, or, where it has none, by ours
HAS_SIGNS = "document.createElement('canvas').getContext('2d').measureText('一').actualBoundingBoxDescent < -1"
SHOWN = """(await Promise.all(performance.getEntriesByType('resource')
    .filter((entry) => entry.name.includes('/fonts/'))
    .map((entry) => [decodeURIComponent(entry.name.split('/fonts/')[1]), entry.encodedBodySize])))"""


@pytest.fixture
def serve_ground(serve: Callable[..., Any], city_database: str, tmp_path: Path) -> Callable[..., Any]:
    """A server over a workspace with these layer files; archives are written into its `data` before."""
    for name in ("layers", "data"):
        (tmp_path / name).mkdir()

    @contextlib.contextmanager
    def serve_ground(**layers: str) -> Iterator[str]:
        for path in (tmp_path / "layers").iterdir():
            path.unlink()
        for name, text in layers.items():
            (tmp_path / "layers" / f"{name}.toml").write_text(text)
        app = create_app(Settings(workspace=tmp_path, database_url=None), city_database)
        with serve(app, city_database) as running:
            yield running.url

    return serve_ground


def part_of(image: Image.Image, colour: tuple[int, int, int]) -> float:
    """How much of a picture has nearly this colour."""
    pixels = list(image.get_flattened_data())
    return sum(all(abs(a - b) < 4 for a, b in zip(pixel, colour, strict=True)) for pixel in pixels) / len(pixels)


def look(viewer: Any) -> Image.Image:
    """The picture of a page that is closed then, before its server ends."""
    picture: Image.Image = viewer.picture()
    viewer.page.close()
    return picture


def differing_part(one: Image.Image, other: Image.Image) -> float:
    """How much of two pictures differs, by the small steps between ground, streets and buildings."""
    difference = ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > 4 else 0)
    return difference.histogram()[255] / (one.width * one.height)


def test_without_a_basemap_there_are_a_coast_and_lines_of_degrees(
    open_viewer: Callable[..., Any], serve_ground: Callable[..., Any]
) -> None:
    with serve_ground(wells=POINTS) as url:
        viewer = open_viewer("/#5/60/24", origin=url)
        picture = viewer.picture()
        assert 0.1 < part_of(picture, SEA) < 0.6
        assert 0.3 < part_of(picture, PAPER) < 0.9
        assert viewer.page.get_by_text("Natural Earth").is_visible()
        viewer.page.close()  # before its server ends
        near = look(open_viewer("/#13/60.2/24.9", origin=url))
        assert 0.8 < part_of(near, PAPER) < 1  # no coast so coarse as to be wrong, but lines


@pytest.mark.slow
def test_a_ready_made_basemap_of_each_schema_looks_as_our_own(
    open_viewer: Callable[..., Any], serve_ground: Callable[..., Any], tmp_path: Path
) -> None:
    address = f"/?layers=#15.4/{PLACE[1]}/{PLACE[0]}"
    small = {"viewport": {"width": 820, "height": 480}}
    own = open_viewer(address, **small).picture()
    for schema in SCHEMAS:
        write_archive(tmp_path / "data" / f"{schema}.pmtiles", schema, [TILE])
        with serve_ground(ground=LAYER.format(schema), wells=POINTS) as url:
            picture = look(open_viewer(address, origin=url, **small))
        # What differs are labels: not all names are in each schema.
        assert differing_part(own, picture) < 0.1, schema
    with serve_ground(wells=POINTS) as url:
        assert differing_part(own, look(open_viewer(address, origin=url, **small))) > 0.3  # without any


def test_names_in_any_script_are_drawn_from_fonts_of_our_own_that_are_fetched_for_them_alone(
    open_viewer: Callable[..., Any], serve_ground: Callable[..., Any], tmp_path: Path
) -> None:
    spots = [(PLACE[0] + 0.0022 * (i % 7 - 3), PLACE[1] + 0.004 * (i // 7)) for i in range(13)]
    places = [
        ("places", {"kind": "locality", "kind_detail": "city", "name": name}, Point(*mercantile.xy(*spot)))
        for spot, name in zip(spots, [*NAMES.values(), *SIGNS], strict=True)
    ]
    write_archive(tmp_path / "data" / "all.pmtiles", "protomaps", [TILE], places)
    address = f"/?layers=#14.3/{PLACE[1]}/{PLACE[0]}"
    with serve_ground(ground=LAYER.format("all"), wells=POINTS) as url:
        page = open_viewer(address, origin=url).page
        fetched = dict(page.evaluate(f"async () => {SHOWN}"))
        signs = set() if page.evaluate(HAS_SIGNS) else {"signs-jp.woff2", "signs-kr.woff2", "signs-sc.woff2"}
        page.close()
    assert {name for name in fetched if name.startswith("signs")} == signs
    assert {f"{script}.woff2" for script in NAMES} <= fetched.keys()
    assert "rest.woff2" not in fetched
    latin = open_viewer("/").page.evaluate(f"async () => {SHOWN}")
    assert not any(name.endswith(".woff2") for name, _ in latin)
    assert 20_000 < sum(dict(latin).values()) < 60_000
