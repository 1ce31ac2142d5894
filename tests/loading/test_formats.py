"""The same places in every format give the same rows; kinds of sources are found by being there."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import zipfile
from pathlib import Path

import geopandas
import pytest
import shapely
from load_workspace import Columns, Workspace

from geoserver.errors import LoadError
from geoserver.sources import Request, find_kind, read_kinds

ROOT = Path(__file__).parents[2]
NAMES = ["Ærø", "Łódź", "Þórshöfn", "plain"]
FRAME = geopandas.GeoDataFrame(
    {
        "name": NAMES,
        "height": [1.5, 2.0, None, -3.25],
        "number": [1, 2, 3, 4],
        "day": [dt.date(2024, 1, day) for day in (1, 2, 3, 4)],
    },
    geometry=shapely.points([[-28.6, 45.2], [-28.5, 45.1], [-28.4, 45.0], [-28.3, 44.9]]),
    crs="EPSG:4326",
)
FIELDS: Columns = {"name": "text", "height": "number", "number": "integer", "day": "date"}
EXPECTED = [
    (name, height, number, dt.date(2024, 1, number), x, y)
    for name, height, number, (x, y) in zip(
        NAMES,
        [1.5, 2.0, None, -3.25],
        [1, 2, 3, 4],
        [(-28.6, 45.2), (-28.5, 45.1), (-28.4, 45.0), (-28.3, 44.9)],
        strict=True,
    )
]
COLUMNS = "name, height, number, day, round(ST_X(geom)::numeric, 7)::float8, round(ST_Y(geom)::numeric, 7)::float8"


def write(path: Path) -> None:
    """Write the places in the format that the ending says."""
    match "".join(path.suffixes):
        case ".parquet":
            FRAME.to_parquet(path)
        case ".csv":
            table = FRAME.drop(columns="geometry").assign(lon=FRAME.geometry.x, lat=FRAME.geometry.y)
            table.to_csv(path, index=False)
        case ".xlsx":
            table = FRAME.assign(lon=FRAME.geometry.x, lat=FRAME.geometry.y, day=FRAME["day"].astype(str))
            table.set_geometry(geopandas.array.from_shapely([None] * len(FRAME))).to_file(path, driver="XLSX")
        case ".shp.zip":
            FRAME.to_file(path.parent / "places.shp", encoding="utf-8")
            with zipfile.ZipFile(path, "w") as archive:
                for part in path.parent.glob("places.*"):
                    if part.suffix != ".zip":
                        archive.write(part, f"folder/{part.name}")
        case ".kml":
            FRAME.to_file(path, driver="KML")
        case ".geojsonl":
            FRAME.to_file(path, driver="GeoJSONSeq")
        case _:
            FRAME.to_file(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "a.geojson",
        "a.geojsonl",
        "a.fgb",
        "a.gpkg",
        "a.shp",
        "a.shp.zip",
        "a.kml",
        "a.gml",
        "a.csv",
        "a.xlsx",
        "a.parquet",
    ],
)
def test_every_format_gives_the_same_rows(workspace: Workspace, name: str) -> None:
    write(workspace.root / name)
    report = workspace.load(name, fields=FIELDS if name != "a.kml" else {"name": ("text", "Name")})
    assert (report.rows, report.rejected) == (4, 0)
    if name == "a.kml":
        assert [row[0] for row in workspace.rows("name")] == NAMES
    else:
        assert sorted(workspace.rows(COLUMNS), key=lambda row: row[2]) == EXPECTED


def test_a_table_in_postgis_is_copied(workspace: Workspace) -> None:
    workspace.query("DROP TABLE IF EXISTS public.places")
    workspace.query(
        "CREATE TABLE public.places (name text, tall numeric, at timestamptz, s geometry(PointZ, 25832))".strip()
    )
    workspace.query(
        "INSERT INTO public.places VALUES"
        " ('Ærø', 1.5, '2024-01-01T00:00:00Z', 'SRID=25832;POINT Z (500000 6000000 9)'),"
        " ('b', NULL, NULL, NULL)"
    )
    fields: Columns = {"name": "text", "tall": "number", "at": "timestamp"}
    report = workspace.load("public.places", fields=fields)
    assert workspace.rows("name, tall, at::text, ST_AsEWKT(geom)") == [
        ("Ærø", 1.5, "2024-01-01 00:00:00+00", "SRID=25832;POINT(500000 6000000)")
    ]
    assert report.reasons == {"no position": 1}
    workspace.query("INSERT INTO public.places VALUES ('c', 1, NULL, 'SRID=25832;POINT Z (500000 6000000 9)')")
    assert workspace.load("public.places", fields=fields).rows == 2, "a table is always copied anew"


@pytest.mark.parametrize(
    ("source", "message"),
    [("public.nowhere", "there is no such table"), ("geoserver.rejects", "has no geometry column")],
)
def test_a_table_that_cannot_be_a_layer_is_an_error(workspace: Workspace, source: str, message: str) -> None:
    with pytest.raises(LoadError, match=f"{source}: {message}"):
        workspace.load(source)


@pytest.mark.parametrize(
    "name", ["a.geojson", "a.gpkg", "a.fgb", "a.parquet", "a.xlsx", "a.zip", "a.kml", "a.gml", "a.shp"]
)
def test_a_broken_file_is_an_error_that_names_it(workspace: Workspace, name: str) -> None:
    workspace.write(name, b"this is not what the ending says" * 10)
    with pytest.raises(LoadError, match=f"^{name}: "):
        workspace.load(name)


def test_a_file_that_breaks_off_in_the_middle_leaves_the_old_rows(workspace: Workspace) -> None:
    write(workspace.root / "a.geojson")
    workspace.load("a.geojson")
    whole = (workspace.root / "a.geojson").read_bytes()
    workspace.write("a.geojson", whole[: len(whole) // 2])
    with pytest.raises(LoadError, match=r"a\.geojson: "):
        workspace.load("a.geojson")
    assert workspace.count() == 4


def test_a_shapefile_in_windows_encoding_keeps_its_letters(workspace: Workspace) -> None:
    FRAME.iloc[:1].to_file(workspace.root / "a.shp", encoding="cp1252")
    (workspace.root / "a.cpg").unlink(missing_ok=True)
    workspace.load("a.shp", fields={"name": "text"})
    assert workspace.rows("name") == [("Ærø",)]


def test_every_kind_has_a_name_and_endings_of_its_own() -> None:
    kinds = read_kinds()
    assert {kind.name for kind in kinds} >= {"csv", "parquet", "table", "vector", "xlsx"}
    suffixes = [suffix for kind in kinds for suffix in kind.suffixes]
    assert len(suffixes) == len(set(suffixes))
    for suffix in suffixes:
        assert suffix in find_kind(Request(f"a{suffix}", Path(f"A{suffix.upper()}"), ())).suffixes


def test_to_import_loading_does_not_bring_gdal_or_pandas_into_a_server() -> None:
    code = "import sys, geoserver.loading; print({'pandas', 'pyogrio', 'geopandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


def test_a_line_of_a_sequence_that_is_no_feature_is_a_rejected_row(workspace: Workspace) -> None:
    one = '{"type":"Feature","properties":{"name":"a"},"geometry":{"type":"Point","coordinates":[13.4,52.5]}}'
    lines = [one, '{"type":"Feature","properties":{"na', "", one, "no JSON", '{"name":"b"}', one]
    report = workspace.load(workspace.write("a.geojsonl", "\n".join(lines) + "\n"), fields={"name": "text"})
    assert (report.rows, report.rejected) == (3, 3)
    assert workspace.rejects() == [(line, "is no feature in JSON") for line in (2, 5, 6)]
