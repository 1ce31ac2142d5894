"""Pictures of the map by HTTP: what they show, whom they tell, and what is refused."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import mercantile
import numpy as np
import pytest
from counted_tiles import SOUTH, WEST
from PIL import Image

from geoserver.api.pictures.asking import parse_picture
from geoserver.drawing.camera import fit, list_tiles
from geoserver.mapstates import Camera
from geoserver.model import Bounds
from geoserver.turns import MOST_WAITING_EACH

if TYPE_CHECKING:
    from counted_tiles import World
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from geoserver.turns import Turns

BURGLARIES = "layers=crime&filter.crime=category='burglary'"
BLUE = (46, 91, 200)  # of burglaries, in styles/crime.json
HERE = "-28.6,45.205,15"


@pytest.fixture(autouse=True)
def graphics(client: TestClient) -> None:
    if client.get("/static/light/0,0,1/16x16.png?layers=").status_code == 503:
        pytest.skip("the libraries that draw maps are missing: libegl1 libgles2 libgl1-mesa-dri")


def ask(client: TestClient, address: str, **headers: str) -> np.ndarray:
    answer = client.get(f"/static/{address}", headers=headers)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), int)


def count(picture: np.ndarray, colour: tuple[int, int, int], apart: int = 24) -> int:
    """Pixels of about that colour."""
    return int((np.abs(picture - colour).max(axis=2) <= apart).sum())


def find_point(client: TestClient, query: str) -> tuple[float, float]:
    feature = client.get(f"/ogc/collections/crime/items?limit=1&{query}").json()["features"][0]
    lon, lat = feature["geometry"]["coordinates"][:2]
    return lon, lat


def test_a_point_is_where_it_is_in_its_colour(client: TestClient) -> None:
    lon, lat = find_point(client, "category=burglary")
    picture = ask(client, f"light/{lon},{lat},17/200x100.png?{BURGLARIES}")
    assert picture.shape == (100, 200, 3)
    assert np.abs(picture[50, 100] - BLUE).max() <= 8
    assert np.abs(ask(client, f"light/{lon},{lat},17/200x100.png?layers=")[50, 100] - BLUE).max() > 60


def test_a_filter_leaves_fewer(client: TestClient) -> None:
    every, some, none = (
        count(ask(client, f"light/{HERE}/300x200.png?layers=crime&filter.crime={text}"), BLUE)
        for text in (
            "category='burglary'",
            "category='burglary' AND reported_at > TIMESTAMP('2025-01-01T00:00:00Z')",
            "category='theft'",
        )
    )
    assert every > some > none == 0


def test_squares_stand_for_many_points_from_afar(client: TestClient) -> None:
    counts = ask(client, "light/-28.6,45.205,12/300x200.png?layers=crime")
    assert count(counts, (0x7F, 0, 0)) > 200  # the fullest
    assert count(counts, BLUE, 8) == 0
    assert count(ask(client, f"light/-28.6,45.205,12/300x200.png?{BURGLARIES}"), BLUE) > 200  # few: each for itself


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_an_ending_says_the_format_whatever_is_accepted(client: TestClient, ending: str) -> None:
    answer = client.get(f"/static/light/{HERE}/60x40@2x.{ending}?layers=", headers={"Accept": "text/html"})
    kind = ending.replace("jpg", "jpeg")
    assert answer.headers["content-type"] == f"image/{kind}"
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, picture.size) == (kind.upper(), (120, 80))


def test_dark_is_dark_and_sharp_is_the_same_view(client: TestClient) -> None:
    light, dark = (ask(client, f"{theme}/{HERE}/200x120.png?layers=crime") for theme in ("light", "dark"))
    assert dark.mean() < 80
    assert light.mean() > 180
    sharp = ask(client, f"light/{HERE}/200x120@2x.png?layers=crime")
    halved = sharp.reshape(120, 2, 200, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - light).mean() < 8


@pytest.mark.slow
def test_legend_title_marker_and_licence_are_laid_over(client: TestClient) -> None:
    plain = ask(client, f"light/{HERE}/400x300.png?layers=crime&attribution=0")

    def changed(query: str) -> np.ndarray:
        return np.abs(ask(client, f"light/{HERE}/400x300.png?layers=crime&{query}") - plain).max(axis=2) > 12

    legend, title, credit, marker = map(
        changed, ("attribution=0&legend=1", "attribution=0&title=Burglaries", "", "attribution=0&marker=-28.6,45.205")
    )
    assert legend[20:120, 15:100].mean() > 0.5
    assert not legend[:, 250:].any()
    assert title[10:35, 15:60].mean() > 0.5
    assert credit[288:, 250:].mean() > 0.5
    assert not credit[:250].any()
    assert marker[120:150, 192:208].mean() > 0.5
    assert not marker[155:].any()


def test_an_area_is_outlined_and_narrows_and_a_pin_is_drawn(client: TestClient) -> None:
    box = "-28.602,45.2045,-28.598,45.2055"
    inside = ask(client, f"light/{HERE}/400x300.png?layers=crime&area={box}&attribution=0")
    assert count(inside, (23, 97, 106)) > 200
    every = ask(client, f"light/{HERE}/400x300.png?layers=crime&attribution=0")
    assert count(inside[:60], BLUE) == 0 < count(every[:60], BLUE)
    pinned = ask(client, f"light/{HERE}/400x300.png?layers=&pin=-28.6,45.205,200&attribution=0")
    assert tuple(pinned[150, 200]) == (255, 255, 255)
    assert tuple(pinned[150, 207]) == (23, 97, 106)


def test_auto_shows_all_that_a_filter_leaves_and_little_else(client: TestClient) -> None:
    lon, lat = find_point(client, "category=burglary")
    alone = f"category='burglary' AND S_INTERSECTS(geometry,CIRCLE({lon},{lat},1))"
    picture = ask(client, f"light/auto/400x300.png?layers=crime&filter.crime={alone}&attribution=0")
    assert np.abs(picture[150, 200] - BLUE).max() <= 8
    assert 10 < count(picture, BLUE) < 150  # one point, with a surrounding
    few = ask(client, f"light/auto/400x300.png?{BURGLARIES}%20AND%20district='Vr%C3%A1'&attribution=0")
    rows, columns = np.nonzero(np.abs(few - BLUE).max(axis=2) <= 24)
    assert max(np.ptp(rows) / 300, np.ptp(columns) / 400) > 0.6
    assert min(rows.min(), 299 - rows.max(), columns.min(), 399 - columns.max()) > 5


def test_auto_shows_the_city_where_nothing_narrows_or_nothing_is_left(client: TestClient) -> None:
    home, nothing = (
        ask(client, f"light/auto/300x200.png?attribution=0&layers={query}")
        for query in ("", "crime&filter.crime=category='no'")
    )
    assert np.abs(home - nothing).mean() < 0.5


def test_a_picture_is_kept_and_revalidated_and_read_from_anywhere(client: TestClient) -> None:
    address = f"/static/light/{HERE}/64x48.png?layers=crime"
    first = client.get(address)
    assert client.get(address).content == first.content
    assert first.headers["etag"].startswith('W/"')
    assert first.headers["cache-control"] == client.get("/tiles/crime/12/1722/1459.mvt").headers["cache-control"]
    assert "vary" not in first.headers
    assert first.headers["access-control-allow-origin"] == "*"
    assert first.headers["cross-origin-resource-policy"] == "cross-origin"
    again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = client.head(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(first.content))


def test_what_is_drawn_twice_has_one_tag_whoever_drew_it(client: TestClient, city_app: FastAPI) -> None:
    address = f"/static/light/{HERE}/64x48"
    first = client.get(f"{address}.png?layers=crime").headers["etag"]
    city_app.state.studio.kept.clear()  # as another worker that has not drawn it
    assert client.get(f"{address}.png?layers=crime", headers={"If-None-Match": first}).status_code == 304
    others = (
        f"{address}.webp?layers=crime",
        f"{address}@2x.png?layers=crime",
        f"{address}.png?layers=",
        f"{address}.png?{BURGLARIES}",
    )
    tags = {client.get(other).headers["etag"] for other in others}
    assert len(tags | {first}) == 5


HOSTILE = [
    ("light/auto/600x400.png?layers=crime&filter.crime=x", 400, "filter.crime"),
    ("light/auto/600x400.png?layers=crime&filter.crime=nothing=1", 400, "filter.crime"),
    ("light/auto/600x400.png?layers=crime&time=x", 400, "time"),
    ("light/auto/600x400.png?layers=crime&area=x", 400, "area"),
    ("light/auto/600x400.png?layers=crime&pin=x", 400, "pin"),
    ("light/auto/600x400.png?lang=-", 400, "lang"),
    ("light/auto/600x400.png?marker=1", 400, "marker"),
    ("light/auto/600x400.png?marker=nan,1", 400, "marker"),
    ("light/auto/600x400.png?marker=0,89", 400, "marker"),
    ("light/auto/600x400.png?legend=yes", 400, "legend"),
    ("light/auto/600x400.png?attribution=2", 400, "attribution"),
    ("light/auto/600x400.png?other=1", 400, "other"),
    ("light/auto/600x400.png?title=a&title=b", 400, "title"),
    ("light/auto/600x400.png?layers=" + ",".join(f"l{n}" for n in range(33)), 400, "layers"),
    ("light/auto/600x400@4x.png", 400, "size"),
    ("light/auto/1200x400@2x.png", 400, "size"),
    ("light/auto/2001x400.png", 400, "size"),
    ("light/auto/0x0.png", 400, "size"),
    ("light/auto/x.png", 400, "size"),
    ("light/1,2/600x400.png", 400, "place"),
    ("light/1,2,25/600x400.png", 400, "place"),
    ("light/181,2,5/600x400.png", 400, "place"),
    ("light/inf,2,5/600x400.png", 400, "place"),
    ("light/1_0,2,5/600x400.png", 400, "place"),
    ("light/auto/600x400.png?layers=nothing", 404, "layer"),
    ("crime/auto/600x400.png", 404, "style of pictures"),
    ("light/auto/600x400.gif", 404, "picture that ends in"),
]


@pytest.mark.parametrize(("address", "status", "parameter"), HOSTILE)
def test_what_is_wrong_is_refused_by_name(client: TestClient, address: str, status: int, parameter: str) -> None:
    answer = client.get(f"/static/{address}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["parameter"] == parameter


@pytest.mark.parametrize(
    "text",
    [
        "</text><script>alert(1)</script>",
        "مرحبا بالعالم",
        "\u202e\x00\x1b[31m",
        "\uffff\ufffe\ufdd0",
        "長" * 300,
        "&amp;&#0;",
        "a" * 5_000,
    ],
)
def test_any_title_is_drawn_or_cut_and_breaks_nothing(client: TestClient, text: str) -> None:
    answer = client.get(f"/static/light/{HERE}/120x90.png", params={"layers": "", "title": text, "legend": "1"})
    assert answer.status_code == 200, answer.text


def test_places_at_the_ends_of_the_world_are_drawn(client: TestClient) -> None:
    for place in ("180,90,0", "-180,-90,24", "0,0,0", "179.99,0,3.5", "0,85.06,10"):
        assert client.get(f"/static/light/{place}/64x48.png?layers=crime").status_code == 200


def test_a_process_killed_while_it_waits_costs_no_picture(client: TestClient, city_app: FastAPI) -> None:
    ask(client, f"light/{HERE}/50x50.png?layers=")
    before = city_app.state.studio.pool.pids
    for pid in before:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    ask(client, f"light/{HERE}/51x51.png?layers=")
    assert not set(before) & set(city_app.state.studio.pool.pids)


def test_rows_are_counted_and_looked_for_in_turn(client: TestClient, city_app: FastAPI) -> None:
    """What a filter leaves is known here; how many rows that is, and where they lie, has to be asked."""
    turns: Turns = city_app.state.questions.filtered
    narrowed = "category='burglary' AND incident<>'x'"
    assert client.get("/tiles/crime.json", params={"filter": narrowed}).status_code == 200
    asked = f"layers=crime&filter.crime={narrowed}"
    addresses = (f"/static/place.json?{asked}", f"/static/light/{HERE}/64x48.png?{asked}&legend=1")

    async def crowd() -> list[asyncio.Task[None]]:
        async def wait(client: str) -> None:
            async with turns.turn(client):
                await asyncio.Event().wait()

        waiting = [asyncio.create_task(wait(f"client {number % 9}")) for number in range(9 * MOST_WAITING_EACH)]
        await asyncio.sleep(0)
        return waiting

    async def leave(waiting: list[asyncio.Task[None]]) -> None:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert client.portal is not None
    waiting = client.portal.call(crowd)
    try:
        for address in addresses:
            told = client.get(address)
            assert (told.status_code, "wait for their turn" in told.text) == (503, True), address
    finally:
        client.portal.call(leave, waiting)
    for address in addresses:
        assert client.get(address).status_code == 200, address


def test_what_is_kept_of_an_address_is_short_and_its_own() -> None:
    def name(**asked: str) -> bytes:
        return parse_picture(("light", "auto", "64x48", "png"), asked.items()).key

    addresses = [{"filter.crime": f"category='{'x' * 5_000}'"}, {"filter.trees": "x=1"}, {"time": "2024-01-01/.."}, {}]
    assert len({name(**asked) for asked in addresses}) == len(addresses)
    assert max(len(name(**asked)) for asked in addresses) < 100
    assert name(**addresses[0]) == name(**addresses[0])


def test_readiness_tells_of_pictures(client: TestClient) -> None:
    told: dict[str, Any] = client.get("/readyz").json()
    assert told.get("pictures", "ready") == "ready"


def test_a_fitted_camera_shows_the_extent_with_a_margin() -> None:
    bounds, size = Bounds(-28.7, 45.1, -28.5, 45.3), (600, 400)
    camera = fit(bounds, size)
    pixel = 2 * 20037508.342789244 / 512 / 2**camera.zoom
    (left, bottom), (right, top) = mercantile.xy(-28.7, 45.1), mercantile.xy(-28.5, 45.3)
    assert max((right - left) / pixel / 600, (top - bottom) / pixel / 400) == pytest.approx(0.86, abs=0.01)
    across = fit(Bounds(179, -1, -179, 1), size)
    assert abs(across.lon) == pytest.approx(180)


@pytest.mark.parametrize("zoom", [0, 0.5, 3, 11.99, 12, 17.3])
def test_the_tiles_of_a_view_hold_its_corners_and_no_more_than_it_needs(zoom: float) -> None:
    camera, size = Camera(zoom, 45.2, -28.6), (600, 400)
    tiles = set(list_tiles(camera, size, (0, 16)))
    pixel = 2 * 20037508.342789244 / 512 / 2**zoom
    x, y = mercantile.xy(camera.lon, camera.lat)
    for across in (-299, 299):
        for up in (-199, 199):
            place = mercantile.lnglat(x + across * pixel, y + up * pixel)
            found = mercantile.tile((place.lng + 180) % 360 - 180, place.lat, min(int(zoom), 16))
            assert (found.z, found.x, found.y) in {(tile.z, tile.x, tile.y) for tile in tiles}
    assert len(tiles) <= 6 * (4 if zoom > 16 else 1)
    assert not [*list_tiles(camera, size, (int(zoom) + 1, 22))]


@pytest.mark.parametrize("served", [{"tile_max_age": 0}], indirect=True)
@pytest.mark.slow
def test_a_changed_row_is_another_picture_and_a_closed_layer_is_none(served: World) -> None:
    address = f"/static/light/{WEST},{SOUTH},16/90x60.png?layers=stops&attribution=0"
    first = served.ask(address)
    assert first.status == 200, first.body
    here = f"ST_SetSRID(ST_MakePoint({WEST}, {SOUTH}), 4326)"
    served.execute(f"DELETE FROM layers.stops WHERE ST_DWithin(geom, {here}, 0.001)")
    for _ in range(300):
        after = served.ask(address, if_none_match=first.headers["etag"])
        if after.status == 200:
            break
        time.sleep(0.1)
    assert after.headers["etag"] != first.headers["etag"]
    pictures = [np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGB"), int) for reply in (first, after)]
    assert np.abs(pictures[0] - pictures[1])[25:35, 40:50].max() > 40  # the point in the middle
    file = served.workspace / "layers" / "stops.toml"
    file.write_text('access = "restricted"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    for _ in range(300):
        closed = served.ask(address)
        if closed.status != 200:
            break
        time.sleep(0.1)
    assert (closed.status, closed.body) == (404, served.ask("/api/layers/stops").body)


def test_a_legend_names_what_a_filter_has_chosen(client: TestClient, city_app: FastAPI, monkeypatch: Any) -> None:
    said: list[str] = []
    draw = city_app.state.studio.pool.draw

    async def listen(kind: str, order: Any, **more: Any) -> bytes:
        said.append(order.over)
        drawn: bytes = await draw(kind, order, **more)
        return drawn

    monkeypatch.setattr(city_app.state.studio.pool, "draw", listen)
    ask(client, f"light/{HERE}/702x400.png?{BURGLARIES}&legend=1&lang=de")
    assert "Gemeldete Straftaten: Einbruch, 6.501 " in said[-1]
    ask(client, f"light/{HERE}/702x400.png?layers=crime&legend=1&lang=de")
    assert "Einbruch, " not in said[-1]


def test_a_legend_tells_of_the_classes_that_a_filter_leaves_and_of_how_many_rows(client: TestClient) -> None:
    one, none = (
        ask(client, f"light/{HERE}/600x400.png?attribution=0&{BURGLARIES}&{more}") for more in ("legend=1", "")
    )
    rows, columns = np.nonzero(np.abs(one - none).max(axis=2) > 100)
    assert rows.max() < 40  # one line
    assert columns.max() > 220  # with its count
    every = ask(client, f"light/{HERE}/600x400.png?attribution=0&layers=crime&legend=1")
    bare = ask(client, f"light/{HERE}/600x400.png?attribution=0&layers=crime")
    assert 100 < np.nonzero(np.abs(every - bare).max(axis=2) > 100)[0].max() <= 8 + 0.4 * 400
