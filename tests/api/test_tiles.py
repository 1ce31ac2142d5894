"""Tiles over HTTP: answers, headers, errors, and what happens when the database or the client is not there."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import psycopg
import pyogrio
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.encodings import decompress
from geoserver.etags import is_known
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MVT = "application/vnd.mapbox-vector-tile"
SLOW = """
SELECT pg_sleep(20)::text::bytea FROM {table} WHERE {where} AND %(z)s >= 0 LIMIT 1
"""


def decode(body: bytes) -> dict[str, Any]:
    return mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})


@pytest.fixture(scope="session")
def middle(client: TestClient) -> tuple[int, int]:
    """Column and row of the z16 tile with the most crime of those around the city's middle."""
    west, south, east, north = client.get("/api/layers/crime").json()["bounds"]
    lon, lat = (west + east) / 2, (south + north) / 2
    tiles = mercantile.tiles(lon - 0.02, lat - 0.02, lon + 0.02, lat + 0.02, zooms=16)
    sizes = {(tile.x, tile.y): len(client.get(f"/tiles/crime/16/{tile.x}/{tile.y}.mvt").content) for tile in tiles}
    return max(sizes, key=lambda key: sizes[key])


@pytest.fixture(scope="session")
def address(middle: tuple[int, int]) -> str:
    return f"/tiles/crime/16/{middle[0]}/{middle[1]}.mvt"


def problem(client: TestClient, path: str, status: int, **params: str) -> dict[str, Any]:
    """The problem document of an answer that must be one."""
    answer = client.get(path, params=params or None)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def test_a_tile_holds_the_layer_by_its_id(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == MVT
    decoded = decode(answer.content)
    assert list(decoded) == ["crime"]
    feature = decoded["crime"]["features"][0]
    assert feature["id"] > 0
    assert {"category", "reported_at"} <= feature["properties"].keys()
    assert feature["properties"]["reported_at"].endswith("Z")


def test_pbf_is_another_name_for_mvt(client: TestClient, address: str) -> None:
    assert client.get(address.replace(".mvt", ".pbf")).content == client.get(address).content


def test_several_layers_in_one_tile_are_the_bytes_of_each_in_a_row(client: TestClient, middle: tuple[int, int]) -> None:
    x, y = middle
    alone = [client.get(f"/tiles/{layer}/16/{x}/{y}.mvt").content for layer in ("crime", "streets")]
    both = client.get(f"/tiles/crime,streets/16/{x}/{y}.mvt").content
    assert both == b"".join(alone)
    assert decode(both).keys() == {"crime", "streets"}


@pytest.mark.parametrize("zoom", [11, 13, 15])
def test_the_sum_over_all_tiles_is_the_count_of_the_table(client: TestClient, city_database: str, zoom: int) -> None:
    west, south, east, north = client.get("/api/layers/crime").json()["bounds"]
    total = 0
    for tile in mercantile.tiles(west, south, east, north, zooms=zoom):
        body = client.get(f"/tiles/crime/{zoom}/{tile.x}/{tile.y}.mvt").content
        layers = decode(body) if body else {}
        places = [item["geometry"]["coordinates"] for item in layers.get("crime", {"features": []})["features"]]
        total += sum(0 <= x < 4096 and 0 <= y < 4096 for x, y in places)
        bins = [item["properties"] for item in layers.get("crime:bins", {"features": []})["features"]]
        total += sum(item["count"] for item in bins)
    with psycopg.connect(city_database) as connection:
        assert connection.execute("SELECT count(*) FROM layers.crime").fetchone() == (total,)


def test_a_filter_thins_the_tile_to_what_it_names(client: TestClient, address: str) -> None:
    everything = decode(client.get(address).content)["crime"]["features"]
    question = {"filter": "category='burglary' AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"}
    expected = {
        item["id"]
        for item in everything
        if item["properties"]["category"] == "burglary" and item["properties"]["reported_at"] >= "2024-01-01T00:00:00Z"
    }
    assert expected
    for params in (question, {"category": "burglary", "datetime": "2024-01-01T00:00:00Z/.."}):
        left = decode(client.get(address, params=params).content)["crime"]["features"]
        assert {item["id"] for item in left} == expected


def test_a_bbox_applies_to_each_of_several_layers(client: TestClient, middle: tuple[int, int]) -> None:
    x, y = middle
    tile = mercantile.bounds(x, y, 16)
    half = f"{tile.west},{tile.south},{(tile.west + tile.east) / 2},{tile.north}"
    decoded = decode(client.get(f"/tiles/crime,trees/16/{x}/{y}.mvt", params={"bbox": half}).content)
    for layer in ("crime", "trees"):
        columns = [item["geometry"]["coordinates"][0] for item in decoded[layer]["features"]]
        assert columns
        assert max(columns) <= 2048


@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip", "gzip"), ("gzip, br", "br"), ("gzip, zstd", "zstd"), ("gzip, br, zstd", "br")]
)
def test_a_tile_is_compressed_as_the_client_likes_it_best(
    client: TestClient, address: str, accepted: str, encoding: str
) -> None:
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for _ in range(2):
        with client.stream("GET", address, headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == encoding
        assert int(answer.headers["content-length"]) == len(raw) < len(plain.content)
        assert decompress(raw, encoding) == plain.content
        assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
        assert plain.headers["etag"] != answer.headers["etag"]


def test_what_has_not_changed_is_not_sent_again(client: TestClient, address: str) -> None:
    first = client.get(address)
    etag = first.headers["etag"]
    assert not etag.startswith("W/")
    again = client.get(address, headers={"If-None-Match": f'"other", W/{etag}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == etag
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("header", "matched"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b","a"', True),
        ('"b, x" , W/"a"', True),
        (" * ", True),
        ('"b"', False),
        ('"a, b"', False),
        ("a", False),
        ("", False),
    ],
)
def test_if_none_match_is_compared_weakly(header: str, matched: bool) -> None:
    assert is_known(header, '"a"') is matched


def test_filters_that_mean_the_same_share_an_etag_and_others_do_not(client: TestClient, address: str) -> None:
    texts = ["category='theft'", "category = 'theft'", "category='fraud'", ""]
    same, spaced, other, none = (client.get(address, params={"filter": text}).headers["etag"] for text in texts)
    assert same == spaced
    elsewhere = client.get("/tiles/crime/13/0/0.mvt").headers["etag"]
    assert len({same, other, none, elsewhere}) == 4


def test_an_empty_tile_is_204(client: TestClient, address: str) -> None:
    for answer in (client.get("/tiles/crime/14/0/0.mvt"), client.get(address, params={"category": "none such"})):
        assert answer.status_code == 204
        assert answer.content == b""
        assert answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status", "parameter"),
    [
        ("/tiles/nothing/14/0/0.mvt", 404, "layer"),
        ("/tiles/crime,nothing/14/0/0.mvt", 404, "layer"),
        ("/tiles/crime,crime/14/0/0.mvt", 400, "layers"),
        ("/tiles/,/14/0/0.mvt", 400, "layers"),
        ("/tiles/crime/17/0/0.mvt", 400, "z"),
        ("/tiles/crime/-1/0/0.mvt", 400, "z"),
        ("/tiles/crime/99999999999999999999/0/0.mvt", 400, "z"),
        ("/tiles/crime/1.5/0/0.mvt", 400, "z"),
        ("/tiles/crime/²/0/0.mvt", 400, "z"),
        ("/tiles/crime/3/8/0.mvt", 400, "x"),
        ("/tiles/crime/3/0/8.mvt", 400, "y"),
        ("/tiles/crime/3/a/0.mvt", 400, "x"),
        ("/tiles/crime/3/0/'.mvt", 400, "y"),
        ("/tiles/cri'me/3/0/0.mvt", 404, "layer"),
        ("/tiles/nothing.json", 404, "layer"),
    ],
)
def test_a_wrong_address_names_what_is_wrong(client: TestClient, path: str, status: int, parameter: str) -> None:
    found = problem(client, path, status)
    assert found["parameter"] == parameter
    assert found["expected"]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"filter": "category="}, "filter"),
        ({"filter": "colour='red'"}, "filter"),
        ({"filter": "category > "}, "filter"),
        ({"filter-lang": "sql", "filter": "TRUE"}, "filter-lang"),
        ({"bbox": "1,2,3"}, "bbox"),
        ({"datetime": "banana"}, "datetime"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_question_names_the_parameter(
    client: TestClient, address: str, params: dict[str, str], named: str
) -> None:
    for path in (address, "/tiles/crime.json"):
        assert problem(client, path, 400, **params)["parameter"] == named


def test_a_parameter_given_twice_or_in_no_encoding_is_refused(client: TestClient, address: str) -> None:
    assert problem(client, f"{address}?bbox=1,2,3,4&bbox=1,2,3,4", 400)["parameter"] == "bbox"
    assert problem(client, f"{address}?filter=%ff", 400)["parameter"] == "query"
    assert problem(client, address + "?" + "&".join(f"a{n}=1" for n in range(200)), 400)["parameter"] == "query"


def test_tilejson_carries_the_question_to_the_tiles(client: TestClient, middle: tuple[int, int]) -> None:
    document = client.get("/tiles/crime.json?filter=category%3D%27theft%27").json()
    (template,) = document["tiles"]
    plan = f"features-from={document['features_from']}"
    assert template == "http://127.0.0.1/tiles/crime/{z}/{x}/{y}.mvt?filter=category%3D%27theft%27&" + plan
    address = template.format(z=16, x=middle[0], y=middle[1])
    features = decode(client.get(address).content)["crime"]["features"]
    assert {item["properties"]["category"] for item in features} == {"theft"}


def test_gdal_reads_a_tile(client: TestClient, address: str, middle: tuple[int, int], tmp_path: Path) -> None:
    folder = tmp_path / "16" / str(middle[0])
    folder.mkdir(parents=True)
    path = folder / f"{middle[1]}.pbf"
    path.write_bytes(client.get(address).content)
    read = pyogrio.raw.read(path, layer="crime", columns=["category"], CLIP="NO")
    assert len(read[2]) == len(decode(path.read_bytes())["crime"]["features"])


@pytest.fixture
def slow_workspace(tmp_path: Path) -> Path:
    """A workspace whose recipe for points sleeps; its layers are the sample city's."""
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "points.sql").write_text(SLOW, encoding="utf-8")
    return tmp_path


def test_a_tile_that_takes_too_long_is_503_with_a_time_to_come_back(
    slow_workspace: Path, city_database: str, address: str
) -> None:
    settings = Settings(workspace=slow_workspace, database_url=None, samples=True, statement_timeout=0.3)
    with TestClient(create_app(settings, city_database), raise_server_exceptions=False) as slow:
        answer = slow.get(address)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "0.3 s" in answer.json()["detail"]


@pytest.mark.slow
def test_without_a_database_a_tile_is_503(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path, database_url=None, samples=True)
    app = create_app(settings, f"postgresql://nobody@/nothing?host={tmp_path}")
    with TestClient(app, raise_server_exceptions=False) as away:
        answer = away.get("/tiles/crime/14/6890/5880.mvt")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_the_query_ends_when_the_client_leaves(
    slow_workspace: Path, city_database: str, address: str, serve: Callable[..., Any]
) -> None:
    settings = Settings(workspace=slow_workspace, database_url=None, samples=True)
    with serve(create_app(settings, city_database), city_database) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(f"GET {address} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            wait_until(lambda: sleeping(city_database) == 1)
        wait_until(lambda: sleeping(city_database) == 0)


def sleeping(database_url: str) -> int:
    """Queries of the slow recipe that run now."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
            " AND query LIKE '%pg_sleep(20)%' AND datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for less time than the slow query would take."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_same_tile_asked_for_many_times_at_once_is_the_same_bytes(
    client: TestClient, address: str, server: Any
) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        with urllib.request.urlopen(server.url + address) as answer:
            answers.append(answer.read())

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert set(answers) == {client.get(address).content}


@pytest.mark.parametrize("ending", ["png", "MVT", "mvtx", "json", "{ending}", "%00", "."])
def test_a_tile_of_another_ending_is_404_and_says_which_there_are(client: TestClient, ending: str) -> None:
    answer = client.get(f"/tiles/crime/14/0/0.{ending}")
    assert (answer.status_code, answer.json()["expected"]) == (404, ".mvt or .pbf")
