"""Every format goes out and comes back in through the loader: the same rows, values and positions."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import math
import zipfile
from typing import TYPE_CHECKING, Any

import psycopg
import pyogrio
import pytest
import python_calamine as calamine
import xlsxwriter
from load_workspace import make_layer
from psycopg.rows import dict_row

from geoserver.database.connecting import connect
from geoserver.database.exports import Rows
from geoserver.database.status import STATUS_QUERY, LayerStatus, build_status
from geoserver.filtering import build
from geoserver.formats import apart, columns, find_format, shapefile, sheet
from geoserver.formats.asking import Asked, build_extract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from load_workspace import Workspace

    from geoserver.model import Layer

FIELDS: Mapping[str, Any] = {
    "name": "text",
    "a_rather_long_name": "text",
    "a_rather_long_number": "integer",
    "share": "number",
    "solved": "boolean",
    "day": "date",
    "moment": "timestamp",
}
TEXTS = [
    *(
        "plain",
        None,
        'quo"te',
        "new\nline",
        "two\r\nlines",
        "a;b,c\td",
        "emoji 🚲 🏳️",
        "العربية",
        "עברית",
        "日本語",
        "'",
    ),
    *("'", "=1+1", "'=2", "''@SUM(A1)", "-5 apples", "+", "\uff1d1", "'quoted'", "x" * 250, "<b>&amp;</b>"),
    *(
        "C:\\path\\n",
        "{brace}",
        "50 %",
        "%s",
        '{"json": [1]}',
        "\\N",
        "\\.",
        "1,5",
        "true",
        "2024-01-01",
        "é" * 100,
        "]]>",
        "0012",
    ),
]
WHOLE = [None, 0, -1, 2**53 + 1, -(2**53) - 1, 2**62 + 1, 2**63 - 2, -(10**17) - 1, 10**15, 7]
SHARES = [None, 0.1, -1e-9, 1e300, math.nan, math.inf, -math.inf, 1 / 3, 123456789.123456789, -0.5, 5e-324]
DAYS = [None, *("0001-01-01", "1752-09-14", "1899-12-31", "1900-02-28", "2024-02-29", "9999-12-31", "1969-12-31")]
DAYS += ["infinity", "-infinity", "0044-03-15 BC"]
MOMENTS = [
    None,
    *("1752-09-14T12:00Z", "1969-12-31T23:59:59.999Z", "2024-02-29T12:34:56.789Z", "infinity", "-infinity"),
]
MOMENTS += ["9999-12-31T23:59:59Z", "0001-01-01T00:00Z", "20000-01-01T00:00Z"]
COUNT = 99
TRUTH = (True, False, None)
OTHERS = [WHOLE, SHARES, TRUTH, DAYS, MOMENTS]
COLUMNS = ", ".join(FIELDS)
POINTS = [f"POINT({13 + i / 1000:.6f} {52 + i / 700:.6f})" for i in range(COUNT)]
LINES = [
    f"LINESTRING({13 + i / 1000} 52, 13.5 {52 + i / 1000})"
    if i % 2
    else f"MULTILINESTRING((1 2, 3 4.5), (5 6, 7 {i / 100}, 8 8))"
    for i in range(COUNT)
]
AREAS = [
    f"POLYGON((0 0, {1 + i / 100} 0, 0 {1 + i / 100}, 0 0), (0.1 0.1, 0.2 0.1, 0.1 0.2, 0.1 0.1))"
    if i % 2
    else f"MULTIPOLYGON(((0 0, 1 0, 0 1, 0 0)), ((10 10, {11 + i / 10} 10, 10 11, 10 10)))"
    for i in range(COUNT)
]
ONE = f"{COLUMNS},geometry\na,b,1,1.5,true,2024-01-01,2024-01-01T00:00:00Z,"
ADD = f"""INSERT INTO layers.test_layer (fid, {COLUMNS}, geom)
    VALUES (%s, %s, %s, %s, %s, %s, %s::date, %s::timestamptz, MANY(ST_GeomFromText(%s, 4326)))"""
SEEN = ", ".join(
    f"CASE WHEN {name} >= '0001-01-01' AND {name} < '10000-01-01' THEN {name} END"
    if kind in ("date", "timestamp")
    else f"CASE WHEN {name} > '-infinity' AND {name} < 'infinity' THEN {name} END"
    if kind == "number"
    else name
    for name, kind in FIELDS.items()
)
# What some programs call fields; docs/downloads.md tells of it.
MORE: Mapping[str, dict[str, Any]] = {
    "xlsx": {"source_layer": "Test"},
    "gpx": {"fields": {name: (kind, f"ogr_{name}") for name, kind in FIELDS.items()}},
    "kml": {"fields": {**FIELDS, "name": ("text", "name2")}},
    "shp.zip": {
        "fields": {
            **FIELDS,
            "a_rather_long_name": ("text", "a_rather_l"),
            "a_rather_long_number": ("integer", "a_rather_1"),
        }
    },
}
ALL = ["csv", "xlsx", "geojson", "geojsonl", "gpkg", "shp.zip", "kml", "gpx", "fgb", "parquet"]


def fill(workspace: Workspace, kind: str, shapes: list[str]) -> tuple[Layer, LayerStatus]:
    """A loaded layer whose rows hold all that rows may hold."""
    source = workspace.write("one.csv", f'{ONE}"{shapes[0]}"\n')
    workspace.load(source, kind=kind, fields=FIELDS)
    rows = [
        (1000 + i, TEXTS[i % len(TEXTS)], f"row {i:02}", *(each[i % len(each)] for each in OTHERS), shapes[i])
        for i in range(COUNT)
    ]
    with psycopg.connect(workspace.url, row_factory=dict_row, autocommit=True) as connection:
        connection.execute("DELETE FROM layers.test_layer")
        # Empty shapes are refused, but may be there from before.
        connection.execute('ALTER TABLE layers.test_layer DROP CONSTRAINT "geom has finite coordinates"')
        with connection.cursor() as cursor:
            cursor.executemany(ADD.replace("MANY", "" if kind == "points" else "ST_Multi").encode(), rows)
        found = connection.execute(STATUS_QUERY).fetchone()
    assert found is not None
    return make_layer(workspace.root, source, kind=kind, fields=FIELDS), build_status(found)


def write_file(workspace: Workspace, layer: Layer, status: LayerStatus, name: str, **asked: Any) -> str:
    """Export in a format; gives the name of the file in the workspace."""
    chosen = find_format(layer, status, name)
    extract = build_extract(layer, status, chosen, build(layer, status), Asked(**asked))

    async def collect() -> bytes:
        export = await apart.start(workspace.url, chosen, extract)
        try:
            return b"".join([block async for block in export.blocks()])
        finally:
            export.close()

    return workspace.write(f"out.{name}", asyncio.run(collect()))


def read_rows(workspace: Workspace) -> list[Any]:
    shape = "ST_AsText(ST_ForcePolygonCCW(ST_Multi(geom)), 6)"
    return workspace.rows(f"{SEEN}, {shape}", order="a_rather_long_name")


def find_differences(found: list[Any], expected: list[Any], name: str) -> list[str]:
    assert len(found) == len(expected) > COUNT / 2
    return [
        f"{column}: {a!r}, not {b!r}"
        for row, other in zip(found, expected, strict=True)
        for column, a, b in zip([*FIELDS, "geometry"], row, other, strict=True)
        if not is_as_near_as(name, a, b)
    ]


def is_as_near_as(name: str, found: object, expected: object) -> bool:
    """Whether a value came back as well as the format holds it."""
    match found, expected:
        case float(), float() if name in ("xlsx", "shp.zip"):
            return (name == "shp.zip" and abs(expected) > 1e22) or math.isclose(
                found, expected, rel_tol=1e-14, abs_tol=1e-15
            )
        case int(), int() if name == "gpx" and abs(expected) >= 2**31:
            return True
        case str(), str() if name == "gpx":
            return found == expected.replace("\r\n", " ").replace("\n", " ")
        case dt.datetime(), dt.datetime() if name in ("gpkg", "fgb") and expected.year < 1970:
            return found == expected.replace(microsecond=0)
    return found == expected


@pytest.mark.parametrize("name", ALL)
def test_points_come_back_as_they_went_out(workspace: Workspace, name: str) -> None:
    layer, status = fill(workspace, "points", POINTS)
    expected = read_rows(workspace)
    more = MORE.get(name, {}) | ({"source_layer": "waypoints"} if name == "gpx" else {})
    workspace.load(write_file(workspace, layer, status, name), force=True, **{"fields": FIELDS, **more})
    found = find_differences(read_rows(workspace), expected, name)
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize("kind", ["lines", "polygons"])
@pytest.mark.parametrize("name", ["csv", "geojson", "gpkg", "shp.zip", "kml", "fgb", "parquet"])
def test_lines_and_areas_of_several_parts_come_back_as_they_went_out(
    workspace: Workspace, name: str, kind: str
) -> None:
    layer, status = fill(workspace, kind, LINES if kind == "lines" else AREAS)
    expected = read_rows(workspace)
    more = MORE.get(name, {})
    workspace.load(write_file(workspace, layer, status, name), kind=kind, force=True, **{"fields": FIELDS, **more})
    found = find_differences(read_rows(workspace), expected, name)
    assert not found, "\n".join(found[:20])


def test_tracks_have_a_segment_for_each_part_of_a_line(workspace: Workspace) -> None:
    layer, status = fill(workspace, "lines", LINES)
    expected = read_rows(workspace)
    more = {**MORE["gpx"], "source_layer": "tracks"}
    workspace.load(write_file(workspace, layer, status, "gpx"), kind="lines", force=True, **more)
    found = find_differences(read_rows(workspace), expected, "gpx")
    assert not found, "\n".join(found[:20])


def test_csv_as_spreadsheets_of_a_language_want_it_comes_back_too(workspace: Workspace) -> None:
    layer, status = fill(workspace, "points", POINTS)
    expected = read_rows(workspace)
    name = write_file(workspace, layer, status, "csv", decimal=",")
    text = (workspace.root / name).read_bytes()
    assert text.startswith("\ufefffid;name;".encode())
    assert b";0,1;" in text
    workspace.load(name, fields=FIELDS, force=True)
    assert find_differences(read_rows(workspace), expected, "csv") == []


def test_no_text_of_a_csv_begins_as_a_formula(workspace: Workspace) -> None:
    layer, status = fill(workspace, "points", POINTS)
    text = (workspace.root / write_file(workspace, layer, status, "csv", fields="name")).read_text(encoding="utf-8")
    cells = {row[1] for row in csv.reader(text.splitlines())}
    assert {"'=1+1", "''=2", "'''@SUM(A1)", "'-5 apples", "'+", "'\uff1d1", "'quoted'", "'"} <= cells
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\uff1d")]


MIXED = [
    (
        POINTS[i],
        LINES[i],
        AREAS[i],
        "MULTIPOINT((1 1), (2 2))",
        "POINT EMPTY",
        "GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(2 2, 3 3))",
    )[i % 6]
    for i in range(COUNT)
]


@pytest.mark.parametrize("name", ["csv", "geojson", "gpkg", "kml", "parquet", "geojsonl"])
def test_shapes_of_all_kinds_come_back_as_they_went_out(workspace: Workspace, name: str) -> None:
    layer, status = fill(workspace, "anything", MIXED)
    expected = [row for row in read_rows(workspace) if "EMPTY" not in row[-1]]
    report = workspace.load(
        write_file(workspace, layer, status, name),
        kind="anything",
        force=True,
        **{"fields": FIELDS, **MORE.get(name, {})},
    )
    found = find_differences(read_rows(workspace), expected, name)
    assert not found, "\n".join(found[:20])
    assert report.rejected == COUNT - len(expected)  # what has no place cannot be served, and is told


def test_a_shapefile_has_a_file_for_each_kind_of_shape(workspace: Workspace) -> None:
    layer, status = fill(workspace, "anything", MIXED)
    name = write_file(workspace, layer, status, "shp.zip")
    with zipfile.ZipFile(workspace.root / name) as archive:
        archive.extractall(workspace.root / "out")
        names = archive.namelist()
    counts = {
        kind: pyogrio.read_info(workspace.root / "out" / f"test-layer-{kind}.shp")["features"]
        for kind in ("points", "lines", "polygons")
    }
    assert sum(counts.values()) == len([shape for shape in MIXED if "COLLECTION" not in shape])
    assert "README.txt" in names


def test_what_does_not_fit_into_a_sheet_is_in_the_next_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, status = fill(workspace, "points", POINTS)
    extract = build_extract(layer, status, find_format(layer, status, "xlsx"), build(layer, status), Asked())
    monkeypatch.setattr(sheet, "MOST_ROWS", 40)
    path = workspace.root / "many.xlsx"
    with connect(workspace.url) as connection, xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        assert sheet._Writer(book, extract).write(Rows(connection, lambda: None)) == COUNT
    read = calamine.load_workbook(str(path))
    tables = [read.get_sheet_by_name(name).to_python() for name in read.sheet_names]
    assert read.sheet_names == ["Test", "Test 2", "Test 3"]
    assert [len(table) - 1 for table in tables] == [40, 40, 19]
    assert all(table[0] == tables[0][0] for table in tables)
    assert [row[2] for table in tables for row in table[1:]] == [f"row {i:02}" for i in range(COUNT)]


def test_a_shape_that_is_too_long_for_a_cell_is_left_out_rather_than_cut(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, status = fill(workspace, "polygons", AREAS)
    chosen = find_format(layer, status, "xlsx")
    assert any("left out" in text for text in chosen.told(layer, status))
    extract = build_extract(layer, status, chosen, build(layer, status), Asked(fields=""))
    monkeypatch.setattr(sheet, "_MOST_TEXT", 70)
    path = workspace.root / "long.xlsx"
    with connect(workspace.url) as connection, xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        assert sheet._Writer(book, extract).write(Rows(connection, lambda: None)) == COUNT
    shapes = [row[-1] for row in calamine.load_workbook(str(path)).get_sheet_by_index(0).to_python()[1:]]
    whole = [text for (text,) in workspace.rows("ST_AsText(geom)")]
    assert shapes == [text if len(text) <= 70 else "" for text in whole]
    assert 0 < shapes.count("") < COUNT


def test_what_does_not_fit_into_a_shapefile_is_in_the_next_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, status = fill(workspace, "points", POINTS)
    extract = build_extract(layer, status, find_format(layer, status, "shp.zip"), build(layer, status), Asked())
    monkeypatch.setattr(shapefile, "_MOST", 20_000)
    monkeypatch.setattr(columns, "_BLOCK", 1_500)
    fitting = shapefile._Fitting(shapefile.shorten_names([*FIELDS]), {"a_rather_long_number"})
    with connect(workspace.url) as connection, zipfile.ZipFile(workspace.root / "many.zip", "w") as archive:
        assert shapefile._write_part(extract, Rows(connection, lambda: None), workspace.root, archive, fitting) == COUNT
        names = sorted(name for name in archive.namelist() if name.endswith(".dbf"))
        archive.extractall(workspace.root / "out")
    assert len(names) > 2
    assert names[0] == "test-layer-2.dbf"
    counts = [pyogrio.read_info(workspace.root / "out" / name)["features"] for name in names]
    assert sum(counts) == COUNT
    assert min(counts) > 0


def test_short_names_are_ten_bytes_and_each_is_one_fields() -> None:
    names = ["reported_at_day", "reported_at_hour", "reported_a", "größe_der_fläche", "ok"]
    names += [f"population_{i}" for i in range(12)]
    short = shapefile.shorten_names(names)
    assert set(short) == {name for name in names if len(name.encode()) > 10}
    made = [short.get(name, name).lower() for name in names]
    assert len(set(made)) == len(names)
    assert all(len(name.encode()) <= 10 for name in made)
