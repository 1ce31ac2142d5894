"""Shapes that would end the process that hands them to GEOS: rejected rows, and nothing else."""

from __future__ import annotations

import json
import struct

import pyarrow as pa
import pyarrow.parquet
import pytest
import shapely
from load_workspace import Workspace

from geoserver.errors import LoadError
from geoserver.loading.geometry import EMPTY, UNREADABLE

DEEP = 60_000
GOOD = "POINT (13.4 52.5)"


def nest_wkt(depth: int, word: str = "GEOMETRYCOLLECTION") -> str:
    return f"{word} (" * depth + GOOD + ")" * depth


def nest_json(depth: int) -> str:
    start, end = '{"type":"GeometryCollection","geometries":[', "]}"
    return start * depth + '{"type":"Point","coordinates":[13.4,52.5]}' + end * depth


def nest_wkb(depth: int, kind: int = 7, order: str = "<") -> bytes:
    head = bytes([order == "<"]) + struct.pack(f"{order}II", kind, 1)
    return head * depth + shapely.to_wkb(shapely.Point(13.4, 52.5))


CELLS = {
    "collections": nest_wkt(DEEP),
    "collections that are not closed": "GEOMETRYCOLLECTION(" * 600_000,
    "collections with heights": "geometrycollection z (" * DEEP,
    "multi in multi": nest_wkt(DEEP, "MULTIPOLYGON"),
    "curves in curves": nest_wkt(DEEP, "COMPOUNDCURVE"),
    "surfaces in surfaces": nest_wkt(DEEP, "MULTISURFACE"),
    "brackets": "POLYGON" + "(" * 600_000,
    "JSON": nest_json(DEEP),
    "JSON that is not closed": '{"type":"GeometryCollection","geometries":[' * DEEP,
    "JSON of brackets": '{"type":"Point","coordinates":' + "[1," * 600_000,
    "JSON of objects": '{"a":' * 600_000,
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_with_a_deep_nest_is_a_rejected_row(workspace: Workspace, name: str) -> None:
    cell = '"' + CELLS[name].replace('"', '""') + '"'
    source = workspace.write("a.csv", f"wkt,n\n{GOOD},1\n{cell},2\n{GOOD},3\n")
    report = workspace.load(source, fields={"n": "integer"})
    assert (report.rows, report.reasons) == (2, {UNREADABLE: 1})
    assert workspace.rejects() == [(3, UNREADABLE)]


@pytest.mark.parametrize("kind", [4, 5, 6, 7, 9, 10, 11, 12, 1007, 0x80000007, 0x80000006])
@pytest.mark.parametrize("order", "<>")
def test_wkb_with_a_deep_nest_is_a_rejected_row(workspace: Workspace, kind: int, order: str) -> None:
    good = shapely.to_wkb(shapely.Point(13.4, 52.5))
    table = pa.table({"n": [1, 2, 3], "geometry": pa.array([good, nest_wkb(DEEP, kind, order), good], pa.binary())})
    pyarrow.parquet.write_table(table, workspace.root / "a.parquet")
    report = workspace.load("a.parquet", kind="points", fields={"n": "integer"}, crs="EPSG:4326")
    assert (report.rows, report.rejected) == (2, 1)
    assert [line for line, _ in workspace.rejects()] == [2]


def test_a_nest_that_people_make_is_read(workspace: Workspace) -> None:
    rows = [nest_wkt(3), nest_json(3)]
    cells = "\n".join('"' + row.replace('"', '""') + '"' for row in rows)
    assert workspace.load(workspace.write("a.csv", f"wkt\n{cells}\n"), kind="points").rows == 2


@pytest.mark.parametrize("kind", ["points", "lines", "polygons"])
def test_shapes_with_empty_parts_are_stored_or_rejected(workspace: Workspace, kind: str) -> None:
    shapes = [
        *("POINT EMPTY", "LINESTRING EMPTY", "POLYGON EMPTY", "MULTIPOINT EMPTY", "MULTILINESTRING EMPTY"),
        *("MULTIPOLYGON EMPTY", "GEOMETRYCOLLECTION EMPTY", "MULTIPOINT (EMPTY)", "MULTIPOINT (EMPTY, 1 2, EMPTY)"),
        *(
            "MULTILINESTRING ((0 0, 1 1), EMPTY)",
            "MULTILINESTRING (EMPTY, (0 0, 1 1), EMPTY)",
            "MULTILINESTRING (EMPTY)",
        ),
        *("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), EMPTY)", "MULTIPOLYGON (EMPTY, ((0 0, 1 1, 1 0, 0 1, 0 0)))"),
        *("POLYGON ((0 0, 1 0, 1 1, 0 0), EMPTY)", "POLYGON (EMPTY)", "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0), EMPTY))"),
        *(
            "GEOMETRYCOLLECTION (POINT EMPTY, LINESTRING (0 0, 1 1), POLYGON EMPTY)",
            "GEOMETRYCOLLECTION (MULTIPOINT (EMPTY))",
        ),
        *("GEOMETRYCOLLECTION (GEOMETRYCOLLECTION EMPTY, POINT (1 2))", "POINT Z EMPTY", "MULTIPOINT Z (EMPTY, 1 2 3)"),
        *(
            "LINESTRING (0 0, 0 0)",
            "LINESTRING (nan nan, 1 1)",
            "POLYGON ((0 0, 0 0, 0 0, 0 0))",
            "CIRCULARSTRING EMPTY",
        ),
        *("COMPOUNDCURVE EMPTY", "CURVEPOLYGON EMPTY", "MULTICURVE (EMPTY, (0 0, 1 1))", "MULTISURFACE EMPTY"),
        *(
            "MULTICURVE EMPTY",
            "CURVEPOLYGON (EMPTY)",
            "COMPOUNDCURVE (EMPTY, (0 0, 1 1))",
            "TIN EMPTY",
            "TRIANGLE EMPTY",
        ),
        *("POLYHEDRALSURFACE EMPTY", "POINT (1 2)", "LINESTRING (0 0, 1 1)", "POLYGON ((0 0, 1 0, 1 1, 0 0))"),
    ]
    text = "n;wkt\n" + "".join(f"{number};{shape}\n" for number, shape in enumerate(shapes))
    report = workspace.load(workspace.write("a.csv", text), kind=kind, fields={"n": "integer"}, crs="EPSG:4326")
    assert report.rows + report.rejected == len(shapes)
    assert report.reasons[EMPTY] > 5
    assert workspace.rows("bool_and(NOT ST_IsEmpty(geom) AND geom_3857 IS NOT NULL)", order="1") == [(True,)]


def test_curves_that_postgis_refuses_are_rejected_rows(workspace: Workspace) -> None:
    good = shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)]))
    arc = b"\x01" + struct.pack("<II6d", 8, 3, 0, 0, 1, 1, 2, 0)
    broken = b"\x01" + struct.pack("<II2d", 8, 1, 0, 0)
    table = pa.table({"geometry": pa.array([good, arc, broken, arc[:-9]], pa.binary())})
    pyarrow.parquet.write_table(table, workspace.root / "a.parquet")
    report = workspace.load("a.parquet", kind="lines", crs="EPSG:4326")
    assert (report.rows, report.rejected) == (2, 2)


def test_a_deep_nest_in_geojson_ends_in_one_line_and_leaves_the_old_rows(workspace: Workspace) -> None:
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    good = json.dumps({"type": "FeatureCollection", "features": [feature]})
    workspace.load(workspace.write("a.geojson", good))
    deep = json.dumps(feature).replace(json.dumps(feature["geometry"]), nest_json(DEEP))
    workspace.write("a.geojson", good[:-2] + "," + deep + "]}")
    with pytest.raises(LoadError, match=r"^a\.geojson: [^\n]*$"):
        workspace.load("a.geojson")
    assert workspace.count() == 1
