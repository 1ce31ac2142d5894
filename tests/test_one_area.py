"""One area, one answer: a circle or the shape of a feature leaves the same rows at every door, as in bare SQL."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

LAYERS = ("crime", "trees", "bike-paths", "districts", "sewage-sampling", "air-quality")
OFF = 2e-4  # by which part of its radius the edge of a circle may be off
EXTENT = 4096
OPERATORS = {"S_INTERSECTS": "ST_Intersects", "S_WITHIN": "ST_Within", "S_DISJOINT": "ST_Disjoint"}


@pytest.fixture(scope="module")
def connection(city_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(city_database, autocommit=True) as connection:
        yield connection


def count_at_doors(client: TestClient, layer: str, text: str) -> dict[str, int]:
    params = {"filter": text}
    page = client.get(f"/ogc/collections/{layer}/items", params=params | {"limit": "1", "f": "json"}).json()
    answer = client.get(f"/api/layers/{layer}/rows/marks", params=params)
    lines = client.get(f"/download/{layer}.geojsonl", params=params).text.splitlines()
    return {
        "items": page["numberMatched"],
        "summary": client.get(f"/api/layers/{layer}/summary", params=params | {"fields": ""}).json()["count"],
        "aggregate": client.get(f"/api/layers/{layer}/aggregate", params=params).json()["count"],
        "marks": answer.json()["count"],
        "download": len(lines),
    }


def count_in_tiles(client: TestClient, layer: str, text: str, zoom: int) -> int:
    bounds = client.get(f"/api/layers/{layer}").json()["bounds"]
    total = 0
    for tile in mercantile.tiles(*bounds, zooms=zoom):
        answer = client.get(f"/tiles/{layer}/{tile.z}/{tile.x}/{tile.y}.mvt", params={"filter": text})
        assert answer.status_code in (200, 204), answer.text
        if answer.status_code == 200:
            decoded = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
            places = [item["geometry"]["coordinates"] for item in decoded.get(layer, {"features": []})["features"]]
            total += sum(0 <= x < EXTENT and 0 <= y < EXTENT for x, y in places)
            bins = [item["properties"] for item in decoded.get(f"{layer}:bins", {"features": []})["features"]]
            total += sum(item["count"] for item in bins)
    return total


def find_table(connection: psycopg.Connection, layer: str) -> tuple[str, int]:
    table = f"layers.{layer.replace('-', '_')}"
    row = connection.execute(f"SELECT ST_SRID(geom) FROM {table} LIMIT 1").fetchone()  # type: ignore[call-overload]
    return table, row[0]


def count(connection: psycopg.Connection, query: str, *values: object) -> int:
    row = connection.execute(query, values).fetchone()  # type: ignore[call-overload]
    return int(row[0])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.slow
def test_random_circles_leave_the_rows_that_are_within_so_many_metres(
    client: TestClient, connection: psycopg.Connection, layer: str
) -> None:
    draw = random.Random(f"circles of {layer}")
    west, south, east, north = client.get(f"/api/layers/{layer}").json()["bounds"]
    table, _ = find_table(connection, layer)
    near = (
        f"SELECT count(*) FROM {table} WHERE ST_DWithin(ST_Transform(geom, 4326)::geography,"
        " ST_SetSRID(ST_MakePoint(%s, %s), 4326)::geography, %s)"
    )
    found = set()
    for _ in range(6):
        lon, lat, metres = draw.uniform(west, east), draw.uniform(south, north), 10 ** draw.uniform(2, 3.7)
        least, most = (count(connection, near, lon, lat, metres * (1 + part)) for part in (-OFF, OFF))
        doors = count_at_doors(client, layer, f"S_INTERSECTS(geometry,CIRCLE({lon!r},{lat!r},{metres!r}))")
        assert len(set(doors.values())) == 1, doors
        assert least <= doors["items"] <= most, (lon, lat, metres)
        found.add(doors["items"])
    assert len(found) > 1


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("other", ["districts", "bike-paths"])
@pytest.mark.slow
def test_random_features_leave_the_rows_that_bare_sql_finds(
    client: TestClient, connection: psycopg.Connection, layer: str, other: str
) -> None:
    draw = random.Random(f"{layer} in {other}")
    (table, srid), (areas, their_srid) = find_table(connection, layer), find_table(connection, other)
    column = "geom" if srid == their_srid else "geom_3857"
    fids = [row[0] for row in connection.execute(f"SELECT fid FROM {areas} ORDER BY fid")]  # type: ignore[call-overload]
    for name, function in OPERATORS.items():
        fid = draw.choice(fids)
        query = (
            f"SELECT count(*) FROM {table} AS t, {areas} AS a WHERE a.fid = %s AND {function}(t.{column}, a.{column})"
        )
        doors = count_at_doors(client, layer, f"{name}(geometry,FEATURE('{other}',{fid}))")
        assert set(doors.values()) == {count(connection, query, fid)}, (name, fid, doors)


@pytest.mark.parametrize("layer", ["crime", "sewage-sampling"])
def test_tiles_hold_the_rows_of_an_area_drawn_or_counted(
    client: TestClient, connection: psycopg.Connection, layer: str
) -> None:
    west, south, east, north = client.get(f"/api/layers/{layer}").json()["bounds"]
    circle = f"CIRCLE({(west + east) / 2!r},{(south + north) / 2!r},900)"
    fid = count(connection, "SELECT fid FROM layers.districts ORDER BY fid LIMIT 1")
    for area in (circle, f"FEATURE('districts',{fid})"):
        text = f"S_INTERSECTS(geometry,{area})"
        expected = client.get(f"/api/layers/{layer}/summary", params={"filter": text, "fields": ""}).json()["count"]
        assert [count_in_tiles(client, layer, text, zoom) for zoom in (10, 13)] == [expected] * 2


def test_text_and_json_mean_the_same(client: TestClient) -> None:
    def ask(**params: Any) -> int:
        answer = client.get("/api/layers/trees/summary", params=params | {"fields": ""})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["count"])

    west, south, east, north = client.get("/api/layers/trees").json()["bounds"]
    lon, lat = (west + east) / 2, (south + north) / 2
    fid = client.get("/ogc/collections/districts/items?limit=1&f=json").json()["features"][0]["id"]
    of_geometry = '{"property":"geometry"}'
    for text, document in [
        (f"CIRCLE({lon!r},{lat!r},800)", f'{{"op":"circle","args":[{lon!r},{lat!r},800]}}'),
        (f"FEATURE('districts',{fid})", f'{{"op":"feature","args":["districts",{fid}]}}'),
    ]:
        written = ask(filter=f"s_intersects({text.lower()}, geometry)")
        filter_json = f'{{"op":"s_intersects","args":[{of_geometry},{document}]}}'
        assert written == ask(**{"filter": filter_json, "filter-lang": "cql2-json"})
        assert 0 < written < ask()


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        ("CIRCLE(0,0,0)", "a radius above 0"),
        ("CIRCLE(0,0,-5)", "a radius above 0"),
        ("CIRCLE(0,0,1e300)", "a radius above 0"),
        ("CIRCLE(181,0,5)", "a longitude from"),
        ("CIRCLE(0,90,5)", "where the map ends"),
        ("CIRCLE(0,84,900000)", "where the map ends"),
        ("CIRCLE('a',0,5)", "3 numbers"),
        ("CIRCLE(height,0,5)", "3 numbers"),
        ("CIRCLE(1,2)", "3 numbers and not 2"),
        ("FEATURE('districts')", "the whole number of a feature"),
        ("FEATURE('districts',1.5)", "the whole number of a feature"),
        ("FEATURE('districts',99999999999999999999)", "the whole number of a feature"),
        ("FEATURE('districts',-1)", "the name of a layer that has rows"),
        ("FEATURE('nowhere',1)", "the name of a layer that has rows"),
        ("FEATURE('sewers''; DROP',1)", "the name of a layer that has rows"),
    ],
)
def test_an_area_that_is_none_is_refused_with_what_was_expected(client: TestClient, area: str, expected: str) -> None:
    params = {"filter": f"S_INTERSECTS(geometry,{area})"}
    for address in ("/api/layers/trees/summary", "/ogc/collections/trees/items", "/tiles/trees/12/0/0.mvt"):
        answer = client.get(address, params=params)
        assert answer.status_code == 400, address
        assert answer.json()["parameter"] == "filter"
        assert expected in answer.json()["expected"]


def test_a_filter_names_ten_features_at_most(client: TestClient) -> None:
    one = "S_INTERSECTS(geometry,FEATURE('districts',1))"
    answer = client.get("/api/layers/trees/summary", params={"filter": " OR ".join([one] * 11)})
    assert answer.status_code == 400
    assert "at most 10 features" in answer.json()["expected"]


def test_a_circle_across_the_antimeridian_has_both_its_sides(client: TestClient) -> None:
    params = {"filter": "S_DISJOINT(geometry,CIRCLE(180,0,100000))", "fields": ""}
    everything = client.get("/api/layers/trees/summary", params={"fields": ""}).json()["count"]
    assert client.get("/api/layers/trees/summary", params=params).json()["count"] == everything
