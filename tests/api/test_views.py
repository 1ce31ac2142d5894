"""All tiles of one view follow one plan, which TileJSON told for its filter; over HTTP, and across edits."""

from __future__ import annotations

import os
import random
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import mapbox_vector_tile
import mercantile
import psycopg
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_one_filter_random import draw_filter

from geoserver.app import create_app
from geoserver.settings import Settings
from geoserver.tiling import BUDGET, results
from geoserver.tiling.held import Points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXTENT = 4096
CASES = int(os.environ.get("GEOSERVER_PLAN_CASES", "300"))  # of the slow variant
FEW = "category='burglary' AND reported_at >= TIMESTAMP('2024-03-01T00:00:00Z')"


def read_plan(client: TestClient, layers: str, **params: str) -> tuple[dict[str, Any], str]:
    """The TileJSON, and its address of tiles without the host."""
    document = client.get(f"/tiles/{layers}.json", params=params).json()
    parts = urlsplit(document["tiles"][0])
    return document, f"{parts.path}?{parts.query}" if parts.query else parts.path


def read_tile(client: TestClient, address: str, tile: mercantile.Tile) -> dict[str, Any]:
    path = address
    for name in "zxy":
        path = path.replace(f"%7B{name}%7D", str(getattr(tile, name))).replace(f"{{{name}}}", str(getattr(tile, name)))
    answer = client.get(path)
    assert answer.status_code in (200, 204), answer.text
    assert len(answer.content) <= BUDGET
    decoded = (
        mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True}) if answer.content else {}
    )
    return dict(decoded)


def check_view(client: TestClient, layer: str, text: str, draw: random.Random) -> int:
    """Ask for all tiles of some zooms around the switch; gives the plan."""
    document, address = read_plan(client, layer, filter=text)
    start = document["features_from"]
    assert start == document["vector_layers"][0]["features_from"]
    assert address.endswith(f"&features-from={start}")
    points = client.get(f"/api/layers/{layer}").json()["kind"] == "points"
    count = client.get(f"/api/layers/{layer}/summary", params={"filter": text, "fields": ""}).json()["count"]
    near = {max(0, start - 1), start, start + 1, draw.randrange(13)}
    for zoom in sorted(zoom for zoom in near if zoom <= min(13, document["maxzoom"])):
        binned, drawn = 0, set()
        for tile in mercantile.tiles(*document["bounds"], zooms=zoom):
            decoded = read_tile(client, address, tile)
            if zoom >= start or points:  # larger lines and polygons are drawn beside the bins of the smaller ones
                assert decoded.keys() <= ({layer} if zoom >= start else {f"{layer}:bins"}), (zoom, start)
            for name, content in decoded.items():
                for item in content["features"]:
                    place = item["geometry"]["coordinates"]
                    if name != layer:
                        binned += item["properties"]["count"]
                    elif not points or (0 <= place[0] < EXTENT and 0 <= place[1] < EXTENT):
                        drawn.add(item["id"])
        assert binned + len(drawn) == count, (zoom, start)
    return int(start)


CASE = {
    "draw": st.randoms(use_true_random=False),
    "layer": st.sampled_from(["trees", "trees", "bike-paths", "districts"]),
}


def check_random_view(client: TestClient, layer: str, draw: random.Random) -> None:
    about = client.get(f"/api/layers/{layer}").json()
    check_view(client, layer, draw_filter(draw, about["fields"], about["bounds"]), draw)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**CASE)
def test_all_tiles_of_a_view_follow_the_plan_of_its_tilejson(
    client: TestClient, layer: str, draw: random.Random
) -> None:
    check_random_view(client, layer, draw)


@pytest.mark.slow
@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**CASE)
def test_all_tiles_of_many_views_follow_the_plan_of_their_tilejson(
    client: TestClient, layer: str, draw: random.Random
) -> None:
    check_random_view(client, layer, draw)


def test_few_rows_of_many_are_points_from_the_first_zoom(client: TestClient) -> None:
    own = client.get("/tiles/crime.json").json()["features_from"]
    assert own > 8
    assert check_view(client, "crime", FEW, random.Random(1)) == 0
    document, address = read_plan(client, "crime", filter="category <> 'burglary'")
    assert 0 < document["features_from"] <= own
    middle = mercantile.tile(*document["center"][:2], 5)
    assert read_tile(client, address, middle).keys() == {"crime:bins"}


def test_a_view_planned_by_packed_points_is_one_of_rows_where_it_draws_them(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_BLOCKS", 1e-6)  # as if rows were far away
    monkeypatch.setattr(results, "_POINT", 0.0)
    found: list[results.Result] = []
    read = results._read_cells

    async def watch(*what: Any) -> results.Result | None:
        answer = await read(*what)
        found.extend([answer] if answer else [])
        return answer

    monkeypatch.setattr(results, "_read_cells", watch)
    few = "category = 'burglary' AND reported_at >= TIMESTAMP('2023-02-01T00:00:00Z')"
    start = check_view(client, "crime", few, random.Random(4))
    (answer,) = found
    assert answer.few
    assert answer.features_from == start
    assert not isinstance(answer.held, Points)
    many, address = read_plan(client, "crime", filter="category <> 'burglary' AND reported_at >= DATE('2021-01-01')")
    assert many["features_from"] > 0
    tile = mercantile.tile(*many["center"][:2], 9)
    assert read_tile(client, address, tile).keys() == {"crime:bins"}


def test_without_the_parameter_the_layers_own_plan_holds(client: TestClient) -> None:
    document, address = read_plan(client, "crime")
    assert "features-from" not in address
    tile = mercantile.tile(*document["center"][:2], 9)
    plain = client.get(f"/tiles/crime/9/{tile.x}/{tile.y}.mvt", params={"filter": FEW}).content
    assert mapbox_vector_tile.decode(plain).keys() == {"crime:bins"}
    forged = client.get(f"/tiles/crime/9/{tile.x}/{tile.y}.mvt", params={"features-from": "0"}).content
    assert mapbox_vector_tile.decode(forged).keys() == {"crime:bins"}  # nothing is filtered, so it is no other plan


def test_each_of_several_layers_has_its_own_plan(client: TestClient) -> None:
    document, address = read_plan(client, "crime,sewage-sampling", bbox="-29,45,-28,46")
    plans = [item["features_from"] for item in document["vector_layers"] if "bins_of" not in item]
    assert address.endswith("&features-from=" + ",".join(map(str, plans)))
    assert document["features_from"] == max(plans)
    again, same = read_plan(client, "crime,sewage-sampling", bbox="-29,45,-28,46", **{"features-from": "3,1"})
    assert (same, again["features_from"]) == (address, document["features_from"])
    body = client.get("/tiles/crime,sewage-sampling.json?bbox=-29,45,-28,46&features%2Dfrom=3,1").json()
    assert body["tiles"][0].count("from=") == 1
    assert body["tiles"][0].endswith(address.rpartition("&")[2])


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "1,2", "²", "99999", "007", "23", "0x1", " 1"])
def test_a_plan_that_is_none_is_refused_by_name(client: TestClient, wrong: str) -> None:
    for path in ("/tiles/crime/3/3/2.mvt", "/tiles/crime.json"):
        answer = client.get(path, params={"features-from": wrong})
        assert answer.status_code == 400
        assert answer.json()["parameter"] == "features-from"


def test_a_plan_beyond_the_layers_own_is_the_layers_own(client: TestClient) -> None:
    document, _ = read_plan(client, "crime")
    tile = mercantile.tile(*document["center"][:2], document["features_from"])
    path = f"/tiles/crime/{tile.z}/{tile.x}/{tile.y}.mvt"
    own = client.get(path, params={"filter": FEW})
    later = client.get(path, params={"filter": FEW, "features-from": "22"})
    assert (own.content, own.headers["etag"]) == (later.content, later.headers["etag"])


def test_a_filter_that_takes_too_long_to_plan_has_the_layers_own_plan(
    make_database: Callable[..., str], city_template: str, tmp_path: Path
) -> None:
    url = make_database(template=city_template)
    app = create_app(Settings(workspace=tmp_path, database_url=None, samples=True, statement_timeout=1.5), url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        own = client.get("/tiles/crime.json").json()["features_from"]
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE layers.crime IN ACCESS EXCLUSIVE MODE")
            document, address = read_plan(client, "crime", filter=FEW)
        assert document["features_from"] == own
        assert address.endswith(f"features-from={own}")
        tile = mercantile.tile(*document["center"][:2], 9)
        assert read_tile(client, address, tile).keys() == {"crime:bins"}


def test_results_are_counted_and_let_go_by_an_edit(edited: tuple[TestClient, str]) -> None:
    client, url = edited

    def metric(name: str) -> float:
        (found,) = re.findall(rf"^geoserver_results_{name}\{{.*?\}} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found)

    document, address = read_plan(client, "crime", filter=FEW)
    read_plan(client, "crime", filter=FEW)
    read_tile(client, address, mercantile.tile(*document["center"][:2], 9))
    assert (metric("read_total"), metric("entries")) == (1, 1)
    assert metric("bytes") > 10_000
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE layers.crime SET category = category || '!' WHERE fid = 1")
    wait_for(client, "crime", document["version"])
    assert (metric("read_total"), metric("entries"), metric("bytes")) == (1, 0, 0)


# -- edits ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def edited(make_database: Callable[..., str], city_template: str, tmp_path: Path) -> Iterator[tuple[TestClient, str]]:
    """A server over a sample city that may be changed, and its database."""
    url = make_database(template=city_template)
    app = create_app(Settings(workspace=tmp_path, database_url=None, samples=True), url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client, url


def wait_for(client: TestClient, layer: str, version: str) -> None:
    """Until the server knows of an edit."""
    deadline = time.monotonic() + 30
    while client.get(f"/tiles/{layer}.json").json()["version"] == version:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def count_view(client: TestClient, address: str, bounds: list[float], zoom: int) -> int:
    total = 0
    for tile in mercantile.tiles(*bounds, zooms=zoom):
        for name, content in read_tile(client, address, tile).items():
            for item in content["features"]:
                place = item["geometry"]["coordinates"]
                inside = name.endswith(":bins") or (0 <= place[0] < EXTENT and 0 <= place[1] < EXTENT)
                total += inside * item["properties"].get("count", 1)
    return total


def test_after_an_edit_tiles_of_an_old_plan_are_right_and_small_and_the_new_plan_fits(
    edited: tuple[TestClient, str],
) -> None:
    client, url = edited
    document, old = read_plan(client, "crime", filter=FEW)
    assert document["features_from"] == 0
    before = count_view(client, old, document["bounds"], 9)
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO layers.crime (fid, source_key, category, reported_at, geom)"
            " SELECT fid + 1000000, 'new ' || fid, 'burglary', '2024-06-01', geom FROM layers.crime"
            " ORDER BY fid LIMIT 30000"
        )
    wait_for(client, "crime", document["version"])
    for zoom in (0, 9):
        assert count_view(client, old, document["bounds"], zoom) == before + 30_000
    assert check_view(client, "crime", FEW, random.Random(2)) > 0
    later, _ = read_plan(client, "crime", filter=FEW)
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM layers.crime WHERE fid > 1000000")
    wait_for(client, "crime", later["version"])
    assert check_view(client, "crime", FEW, random.Random(3)) == 0
    assert count_view(client, old, document["bounds"], 9) == before
