"""The world around a city: land, borders and the graticule as tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import pytest
from shapely.geometry import Point, shape

from geoserver import assets
from geoserver.errors import NotFoundError
from geoserver.grid import tile_bounds
from geoserver.model import Tile
from geoserver.tilesets import open_archive, render_world
from geoserver.tilesets.graticule import DEEPEST

if TYPE_CHECKING:
    from starlette.testclient import TestClient

WORLD = assets.root("web") / "world" / "world.pmtiles"
built = pytest.mark.skipif(not WORLD.is_file(), reason="the viewer is not built: npm --prefix web run build")
LAST = 6  # the deepest zoom of the land


def read_layers(body: bytes) -> dict[str, Any]:
    return mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})


@built
def test_the_world_is_small_and_whole() -> None:
    assert WORLD.stat().st_size < 1_300_000
    archive = open_archive(WORLD)
    assert archive.zooms == (0, LAST)
    assert set(read_layers(archive.read(Tile(0, 0, 0)))) == {"land", "borders", "countries"}
    largest = max(
        len(archive.read(Tile(z, x, y)))
        for z in range(LAST + 1)
        for x in range(min(2**z, 16))
        for y in range(min(2**z, 16))
    )
    assert largest < 20_000


@built
@pytest.mark.parametrize(
    ("place", "is_land"),
    [
        ((8, 50), True), ((-98, 39), True), ((134, -25), True), ((100, 62), True), ((0, -84), True),
        ((178.5, 67), True), ((-175, 66.3), True), ((-28.6, 45.2), False),
        ((0, 0), False), ((-150, 0), False), ((179.9, 0), False),
    ],
)  # fmt: skip
def test_land_is_land_and_sea_is_sea_on_both_sides_of_the_antimeridian(
    place: tuple[float, float], is_land: bool
) -> None:
    found = mercantile.tile(*place, LAST)
    layers = read_layers(render_world("land", Tile(LAST, found.x, found.y)))
    left, _, right, top = mercantile.xy_bounds(found)
    x, y = mercantile.xy(*place)
    extent = 2048 / (right - left)
    at = Point((x - left) * extent, (top - y) * extent)
    shapes = [shape(item["geometry"]).buffer(0) for item in layers.get("land", {"features": []})["features"]]
    assert any(item.contains(at) for item in shapes) is is_land


@built
def test_countries_are_named_within_them_in_each_language_of_the_page_and_all_of_them_from_nearby() -> None:
    archive = open_archive(WORLD)
    found = {}
    for x in range(2**5):
        for y in range(2**5):
            layers = read_layers(archive.read(Tile(5, x, y)) or b"")
            for item in layers.get("countries", {"features": []})["features"]:
                found[item["properties"]["name"]] = (item, layers, Tile(5, x, y))
    assert len(found) > 200
    for english, german, portuguese in [
        ("Germany", "Deutschland", "Alemanha"), ("New Zealand", "Neuseeland", "Nova Zelândia"),
        ("Fiji", "Fidschi", None), ("Maldives", "Malediven", "Maldivas"),
    ]:  # fmt: skip
        item, layers, _ = found[english]
        assert item["properties"]["name_de"] == german
        assert item["properties"].get("name_pt") == portuguese
        lands = [shape(land["geometry"]).buffer(8) for land in layers["land"]["features"]]
        assert any(land.contains(shape(item["geometry"])) for land in lands), english


@built
@pytest.mark.parametrize(("language", "field"), [("fr", "name_fr"), ("pt-BR", "name_pt"), ("en", "name_en")])
def test_countries_are_labelled_in_the_reader_s_language(client: TestClient, language: str, field: str) -> None:
    for theme in ("light", "dark"):
        style = client.get(f"/styles/{theme}.json?lang={language}").json()
        [label] = [item for item in style["layers"] if item.get("source-layer") == "countries"]
        assert label["layout"]["text-field"][0] == "coalesce"
        assert ["get", field] in label["layout"]["text-field"]
        assert label["layout"]["text-field"][-1] == ["get", "name"]


@pytest.mark.parametrize("tile", [Tile(0, 0, 0), Tile(3, 2, 3), Tile(7, 53, 45), Tile(14, 8190, 5461)])
def test_the_graticule_has_lines_both_ways_where_their_labels_say(tile: Tile) -> None:
    layer = read_layers(render_world("graticule", tile))["graticule"]
    box = tile_bounds(tile)
    ways = set()
    for item in layer["features"]:
        number, _, side = item["properties"]["label"].partition("°")
        degrees = float(number) * (-1 if side.strip() in ("W", "S") else 1)
        (x, _), (other_x, _) = item["geometry"]["coordinates"]
        ways.add(x == other_x)
        if x == other_x:
            assert abs(box.west + x / 4096 * (box.east - box.west)) == pytest.approx(abs(degrees), abs=0.1)
        else:
            assert box.south - 1e-9 <= degrees <= box.north + 1e-9
    assert ways == {True, False}
    assert len(layer["features"]) <= 40


@built
def test_tiles_of_the_world_are_served_compressed_and_kept_for_a_day(client: TestClient) -> None:
    found = client.get("/world/land/0/0/0.mvt", headers={"Accept-Encoding": "br"})
    assert (found.status_code, found.headers["content-encoding"]) == (200, "br")
    assert set(read_layers(found.content)) == {"land", "borders", "countries"}
    assert "max-age=86400" in found.headers["cache-control"]
    again = client.get(
        "/world/land/0/0/0.mvt", headers={"Accept-Encoding": "br", "If-None-Match": found.headers["etag"]}
    )
    assert again.status_code == 304
    assert client.get("/world/land/4/6/5.mvt").status_code == 204  # the middle of the Atlantic


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("land/0/0/-1", 400), ("land/0/1/0", 400), ("land/9999999999/0/0", 400), ("land/7/0/0", 404),
        ("sea/0/0/0", 404), (f"graticule/{DEEPEST + 1}/0/0", 404), ("graticule/14/0/0", 200),
    ],
)  # fmt: skip
def test_what_there_is_not_is_refused_by_name(client: TestClient, path: str, status: int) -> None:
    answer = client.get(f"/world/{path}.mvt")
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_part_says_which_there_are() -> None:
    with pytest.raises(NotFoundError, match="graticule at zooms 0 to"):
        render_world("sea", Tile(0, 0, 0))
