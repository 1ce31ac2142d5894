"""geoserver.to_3857: never null, never infinite, and of the same type as what goes in."""

from __future__ import annotations

import math

import pytest
from load_workspace import Workspace

EDGE = 20037508.342789244
SHAPES = [
    "POINT(0 90)",
    "POINT(10 -90)",
    "POINT(180 85.2)",
    "MULTIPOINT((0 90),(1 2))",
    "LINESTRING(0 80,10 90)",
    "LINESTRING(0 86,10 90)",
    "LINESTRING(0 0,0 89,10 89,10 0)",
    "MULTILINESTRING((0 86,10 90),(0 0,1 1))",
    "POLYGON((0 80,10 80,10 90,0 90,0 80))",
    "POLYGON((0 86,10 86,10 90,0 90,0 86))",
    "POLYGON((-180 -90,180 -90,180 -60,-180 -60,-180 -90))",
    "MULTIPOLYGON(((0 80,10 80,10 90,0 90,0 80)),((20 0,21 0,21 1,20 0)))",
]


@pytest.mark.parametrize("wkt", SHAPES)
def test_nothing_becomes_null_infinite_empty_or_of_another_type(workspace: Workspace, wkt: str) -> None:
    query = (
        "SELECT GeometryType(g), ST_IsEmpty(g), ST_IsValid(g), ST_XMin(g), ST_YMin(g), ST_XMax(g), ST_YMax(g)"
        " FROM (SELECT geoserver.to_3857(ST_GeomFromText(%s, 4326)) AS g) AS t"
    )
    kind, empty, valid, *edges = workspace.query(query, wkt)[0]
    assert kind == wkt.split("(", maxsplit=1)[0]
    assert not empty
    assert valid
    assert all(math.isfinite(edge) and abs(edge) <= EDGE + 1 for edge in edges)


def test_a_common_place_is_where_proj_puts_it(workspace: Workspace) -> None:
    query = (
        "SELECT ST_Distance(geoserver.to_3857(g), ST_Transform(g, 3857))"
        " FROM (VALUES ('SRID=4326;POINT(-28.6 45.2)'::geometry), ('SRID=25832;POINT(500000 5700000)')) AS t (g)"
    )
    assert all(distance < 1e-6 for (distance,) in workspace.query(query))


def test_web_mercator_stays_as_it_is(workspace: Workspace) -> None:
    query = "SELECT ST_AsText(geoserver.to_3857('SRID=3857;POINT(1 2)'::geometry))"
    assert workspace.query(query) == [("POINT(1 2)",)]


def test_a_polar_crs_comes_out_finite(workspace: Workspace) -> None:
    query = "SELECT ST_YMin(g), ST_YMax(g) FROM (SELECT geoserver.to_3857('SRID=3031;POINT(0 0)'::geometry) AS g) AS t"
    low, high = workspace.query(query)[0]
    assert low == high
    assert math.isclose(low, -EDGE, abs_tol=1)


def test_rows_at_the_pole_are_stored_with_a_place_on_the_map(workspace: Workspace) -> None:
    workspace.load(workspace.write("a.csv", "lon,lat\n0,90\n1,2\n"))
    assert workspace.rows("count(geom_3857)", order="1") == [(2,)]
