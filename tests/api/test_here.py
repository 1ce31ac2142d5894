"""`/api/here`: what is within so many metres of a place."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEAREST = """
SELECT fid, ST_Distance(ST_Transform(geom, 4326)::geography, ST_SetSRID(ST_MakePoint({lon}, {lat}), 4326)::geography)
  FROM layers.{table} WHERE {condition} ORDER BY 2, 1 LIMIT 1
"""


@pytest.fixture(scope="module")
def connection(city_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(city_database, autocommit=True) as connection:
        yield connection


def ask(client: TestClient, **params: Any) -> dict[str, Any]:
    answer = client.get("/api/here", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def draw_places(client: TestClient, count: int) -> list[tuple[float, float]]:
    west, south, east, north = client.get("/api/layers/districts").json()["bounds"]
    draw = random.Random("here")
    return [(round(draw.uniform(west, east), 6), round(draw.uniform(south, north), 6)) for _ in range(count)]


@pytest.mark.slow
def test_all_layers_but_the_basemap_count_what_a_circle_touches_and_name_the_nearest(
    client: TestClient, connection: psycopg.Connection
) -> None:
    listed = [layer for layer in client.get("/api/layers").json()["layers"] if not layer.get("basemap")]
    rich = [layer["id"] for layer in listed if layer["count"] is not None]
    found = 0
    for lon, lat in draw_places(client, 3):
        told = ask(client, at=f"{lon},{lat}", radius=700)
        assert told["at"] == [lon, lat]
        assert told["radius"] == 700
        assert [item["layer"] for item in told["layers"]] == rich
        for item in told["layers"]:
            params = {"filter": f"S_INTERSECTS(geometry,CIRCLE({lon},{lat},700))", "fields": ""}
            assert item["count"] == client.get(f"/api/layers/{item['layer']}/summary", params=params).json()["count"]
            table = item["layer"].replace("-", "_")
            query = NEAREST.format(lon=lon, lat=lat, table=table, condition="TRUE")
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            if item["count"]:
                assert item["nearest"]["fid"] == row[0]
                assert item["nearest"]["distance"] == pytest.approx(row[1], abs=0.06)
                found += 1
            else:
                assert item["nearest"] is None
                assert row[1] > 699
    assert found > 5


def test_each_layer_has_a_filter_of_its_own_and_all_have_the_time(
    client: TestClient, connection: psycopg.Connection
) -> None:
    ((lon, lat),) = draw_places(client, 1)
    condition = "category = 'burglary' AND reported_at >= '2024-01-01' AND reported_at < '2025-01-01'"
    own = {"filter.crime": "category='burglary'", "filter.trees": "height > 15", "datetime": "2024"}
    told = ask(client, at=f"{lon},{lat}", radius=3000, layers="trees,crime", **own)
    trees, crime = told["layers"]
    assert (trees["layer"], crime["layer"]) == ("trees", "crime")
    params = {"filter": f"category='burglary' AND S_INTERSECTS(geometry,CIRCLE({lon},{lat},3000))", "datetime": "2024"}
    assert crime["count"] == client.get("/api/layers/crime/summary", params=params).json()["count"] > 0
    row = connection.execute(NEAREST.format(lon=lon, lat=lat, table="crime", condition=condition).encode()).fetchone()
    assert row is not None
    assert crime["nearest"]["fid"] == row[0]
    assert crime["nearest"]["title"]


def test_a_place_inside_an_area_is_no_metre_away_from_it(client: TestClient) -> None:
    about = client.get("/api/layers/districts").json()
    west, south, east, north = about["bounds"]
    middle = f"{(west + east) / 2},{(south + north) / 2}"
    (told,) = ask(client, at=middle, radius=1, layers="districts")["layers"]
    assert told["nearest"]["distance"] == 0
    title = told["nearest"]["title"]
    feature = client.get(f"/api/layers/districts/features/{told['nearest']['fid']}").json()
    assert title in feature["properties"].values()


def test_an_answer_is_revalidated_and_head_tells_as_much(client: TestClient) -> None:
    address = "/api/here?at=-28.6,45.15&layers=trees"
    first = client.get(address)
    assert first.json()["radius"] == 500
    again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(address).headers["etag"] == first.headers["etag"]
    assert client.get(address + "&radius=501").headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("query", "parameter", "expected"),
    [
        ("", "at", "longitude and latitude"),
        ("at=1", "at", "longitude and latitude"),
        ("at=181,0", "at", "longitude and latitude"),
        ("at=nan,0", "at", "longitude and latitude"),
        ("at=0,0&radius=0", "radius", "a number from 1 to 100,000"),
        ("at=0,0&radius=-1", "radius", "a number from 1 to 100,000"),
        ("at=0,0&radius=100001", "radius", "a number from 1 to 100,000"),
        ("at=0,0&radius=x", "radius", "a number from 1 to 100,000"),
        ("at=0,89", "radius", "where the map ends"),
        ("at=0,0&layers=nothing", "layers", "trees"),
        ("at=0,0&layers=trees,trees", "layers", "different layers"),
        ("at=0,0&layers=trees&filter.crime=1=1", "filter.crime", "filter. and one of the layers trees"),
        ("at=0,0&layers=trees&filter.trees=nothing=1", "filter.trees", "one of the queryables"),
        ("at=0,0&layers=trees&filter.trees=height%20%3E%20%27a%27", "filter.trees", "a number"),
        ("at=0,0&layers=trees&datetime=soon", "datetime", ""),
        ("at=0,0&at=1,1", "at", "only once"),
        ("at=0,0&nothing=1", "nothing", "one of the parameters at, radius"),
    ],
)
def test_what_is_wrong_is_named(client: TestClient, query: str, parameter: str, expected: str) -> None:
    answer = client.get(f"/api/here?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["parameter"] == parameter
    assert expected in answer.json()["expected"]


@pytest.mark.slow
def test_what_takes_too_long_is_told_and_may_be_asked_again(client: TestClient, city_database: str) -> None:
    with psycopg.connect(city_database) as other:
        other.execute("LOCK TABLE layers.trees IN ACCESS EXCLUSIVE MODE")
        answer = client.get("/api/here?at=-28.6,45.15&radius=77&layers=trees")
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/api/here?at=-28.6,45.15&radius=77&layers=trees").status_code == 200


ATOLLS = """title = "Atolls"
license = "CC0-1.0"
source = "{name}.csv"
kind = "{kind}"
{more}
[csv]
geometry = "shape"
[fields.name]
type = "text"
"""
ACROSS = {  # near the antimeridian, on both sides
    "islets": ("points", "", ["POINT(-179.99 -17)", "POINT(179.95 -17)", "POINT(-179.9 -17)", "POINT(10 -17)"]),
    "marks": ("points", 'crs = "EPSG:3460"', ["POINT(2014720 4000000)", "POINT(1990000 4000000)"]),
    "reefs": ("lines", "", ["LINESTRING(-179.99 -17.1, -179.99 -16.9)", "LINESTRING(179.95 -17, 179.96 -17)"]),
    "lagoons": ("polygons", "", ["POLYGON((-179.99 -17.1, -179.99 -16.9, -179.9 -16.9, -179.99 -17.1))"]),
}


@pytest.fixture(scope="module")
def atolls(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[tuple[TestClient, str]]:
    folder, url = tmp_path_factory.mktemp("atolls"), make_database(template=empty_template)
    (folder / "layers").mkdir()
    for name, (kind, more, shapes) in ACROSS.items():
        (folder / "layers" / f"{name}.toml").write_text(ATOLLS.format(name=name, kind=kind, more=more))
        lines = [f'{name} {number},"{shape}"' for number, shape in enumerate(shapes, 1)]
        (folder / f"{name}.csv").write_text("\n".join(["name,shape", *lines]))
    settings = Settings(workspace=folder, database_url=None)
    for layer in read_catalog(settings).layers.values():
        load(layer, url)
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client, url


@pytest.mark.parametrize("lon", [179.99, 180, -180, -179.995, 179.954])
@pytest.mark.parametrize("radius", [500, 2_500, 20_000, 100_000])
def test_the_antimeridian_is_a_line_like_any_other(atolls: tuple[TestClient, str], lon: float, radius: float) -> None:
    client, url = atolls
    told = ask(client, at=f"{lon},-17", radius=radius)
    assert [item["layer"] for item in told["layers"]] == sorted(ACROSS)
    with psycopg.connect(url) as connection:
        for item in told["layers"]:
            table = item["layer"]
            query = (
                "SELECT fid, ST_Distance(g::geography, p::geography) AS metres FROM"
                f" (SELECT fid, ST_Transform(geom, 4326) AS g, ST_SetSRID(ST_MakePoint({lon}, -17), 4326) AS p"
                f" FROM layers.{table}) AS t ORDER BY 2"
            )
            rows = connection.execute(query.encode()).fetchall()
            within = [row for row in rows if row[1] <= radius]
            assert item["count"] == len(within), table
            filter_ = f"S_INTERSECTS(geometry,CIRCLE({lon},-17,{radius}))"
            summary = client.get(f"/api/layers/{table}/summary", params={"filter": filter_, "fields": ""})
            assert summary.json()["count"] == len(within), table
            if not within:
                assert item["nearest"] is None
                continue
            nearest = item["nearest"]
            assert (nearest["fid"], nearest["distance"]) == (rows[0][0], pytest.approx(rows[0][1], abs=0.06)), table
            off = (nearest["at"][0] - lon + 180) % 360 - 180
            away = math.hypot(off * math.cos(math.radians(17)), nearest["at"][1] + 17) * 111_195
            assert away == pytest.approx(nearest["distance"], rel=0.01, abs=1), table
