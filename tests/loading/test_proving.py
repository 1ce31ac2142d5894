"""`geoserver check` opens the sources: what it finds before a load, and which key of which file it names."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from load_workspace import Workspace, make_fields, make_layer

from geoserver.errors import LoadError
from geoserver.loading import prove_sources
from geoserver.model import Field, Readings

TREES = "id,Category,height,planted,lon,lat\n" + "".join(
    f"{n},oak,{n}.5,2024-01-{n % 28 + 1:02},{13.4 + n / 1000:.4f},{52.5 + n / 2000:.4f}\n" for n in range(1, 60)
)
METRES = "id,x,y\n" + "".join(f"{n},{390_000 + n * 10}.5,{5_820_000 + n * 10}.5\n" for n in range(1, 60))


class Folder:
    """Proves a layer over a file of the test's own; gives key and expectation of each finding."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prove(self, text: str | None = TREES, *, source: str = "a.csv", **layer: Any) -> dict[str, str]:
        if text is not None:
            (self.root / source).write_text(text)
        found = list(prove_sources([make_layer(self.root, source, **layer)]))
        assert all(problem.file.endswith("test-layer.toml") for problem in found)
        assert len({problem.key for problem in found}) == len(found)
        return {problem.key: problem.expected for problem in found}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_good_layer_has_no_finding(folder: Folder) -> None:
    fields = {"category": ("text", "Category"), "height": "number", "planted": "date"}
    assert folder.prove(fields=fields, key="id") == {}
    assert folder.prove(METRES, crs="EPSG:25833", key="id") == {}


def test_a_column_that_is_not_there_is_found_with_the_one_that_is_meant(folder: Folder) -> None:
    found = folder.prove(fields={"category": "text", "height": ("number", "heigth"), "bark": "text"}, key="ID")
    assert found.keys() == {"fields.category", "fields.height.column", "fields.bark", "key"}
    assert "a column of a.csv, which has none named 'category'; did you mean 'Category'?" in found["fields.category"]
    assert "did you mean 'height'?" in found["fields.height.column"]
    assert "did you mean" not in found["fields.bark"]
    assert "there are id, Category, height, planted, lon, lat" in found["fields.bark"]
    assert "did you mean 'id'?" in found["key"]


def test_layers_and_sheets_of_a_source_are_named(folder: Folder) -> None:
    frame = geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(13.4, 52.5)], crs=4326)
    for layer in ("trees", "benches"):
        frame.to_file(folder.root / "a.gpkg", layer=layer)
    found = folder.prove(None, source="a.gpkg")
    assert "set source_layer to one of 'trees', 'benches'" in found["source_layer"]
    found = folder.prove(None, source="a.gpkg", source_layer="Trees")
    assert "did you mean 'trees'?" in found["source_layer"]
    assert folder.prove(None, source="a.gpkg", source_layer="trees") == {}


def test_columns_with_positions_that_cannot_be_found_are_told_beside_other_typos(folder: Folder) -> None:
    found = folder.prove(TREES.replace("lon,lat", "east side,north side"), fields={"category": "text"})
    assert found.keys() == {"csv", "fields.category"}


def test_the_wrong_kind_names_the_right_one(folder: Folder) -> None:
    line = {"type": "LineString", "coordinates": [[13.4, 52.5], [13.5, 52.6]]}
    text = f'{{"type":"Feature","properties":{{}},"geometry":{line}}}'.replace("'", '"')
    assert "did you mean 'lines'?" in folder.prove(text, source="a.geojson", kind="polygons")["kind"]
    assert "did you mean 'points'?" in folder.prove(kind="polygons")["kind"]
    assert folder.prove(text, source="a.geojson", kind="lines") == {}


def test_types_are_held_against_the_values(folder: Folder) -> None:
    found = folder.prove(fields={"height": "integer", "Category": "number", "planted": "timestamp"}, key="id")
    assert found.keys() == {"fields.height.type", "fields.Category.type"}
    assert "59 of 59 sampled values of 'height' are no integer, such as '1.5'" in found["fields.height.type"]
    assert "did you mean 'number'?" in found["fields.height.type"]
    assert "such as 'oak'; did you mean 'text'?" in found["fields.Category.type"]


def test_numbers_in_a_time_field_ask_for_their_unit(folder: Folder) -> None:
    text = "year,lon,lat\n" + "".join(f"{1980 + n},13.4{n:02},52.5\n" for n in range(20))
    assert 'say unit = "year" if it is one' in folder.prove(text, fields={"year": "date"})["fields.year.type"]


def test_a_few_bad_values_are_left_to_the_load(folder: Folder) -> None:
    assert folder.prove(TREES.replace(",3.5,", ",unknown,"), fields={"height": "number"}) == {}


def test_a_range_over_text_is_found_with_the_type_that_is_meant(folder: Folder) -> None:
    fields = {"height": Field("height", "Height", "text", filter="range")}
    (folder.root / "a.csv").write_text(TREES)
    layer = make_layer(folder.root, "a.csv")
    for name, likely in (("height", "did you mean type = 'number'?"), ("planted", "did you mean type = 'timestamp'?")):
        fields = {name: Field(name, name, "text", filter="range")}
        object.__setattr__(layer, "fields", fields)
        (found,) = prove_sources([layer])
        assert (found.key, likely in found.expected) == (f"fields.{name}.filter", True)
    object.__setattr__(layer, "fields", {"Category": Field("Category", "C", "text", filter="range")})
    (found,) = prove_sources([layer])
    assert "'choice' or 'search' filters text" in found.expected


def test_positions_are_held_against_the_crs(folder: Folder) -> None:
    found = folder.prove(crs="EPSG:25833")
    assert "look like degrees and not like metres of EPSG:25833; did you mean 'EPSG:4326'?" in found["crs"]
    assert "did you mean 'EPSG:4326'?" in folder.prove(crs="EPSG:3857")["crs"]
    assert "sampled positions are no longitude and latitude" in folder.prove(METRES)["crs"]
    assert "no longitude and latitude" in folder.prove(METRES, crs="EPSG:4326")["crs"]
    assert "outside the area of EPSG:27700" in folder.prove(METRES.replace(",58", ",98"), crs="EPSG:27700")["crs"]
    swapped = METRES.replace("x,y", "y,x")
    assert "fit EPSG:25833 with x and y swapped" in folder.prove(swapped, crs="EPSG:25833")["swap_axes"]
    assert folder.prove(swapped, crs="EPSG:25833", swap_axes=True) == {}
    far = TREES.replace(",13.4", ",113.4")
    assert "swap_axes" in folder.prove(far.replace("lon,lat", "lat,lon"))
    assert "a CRS such as EPSG:25832" in folder.prove(None, source=_write_without_crs(folder.root))["crs"]


def _write_without_crs(root: Path) -> str:
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(1, 2)]).to_file(root / "a.fgb")
    return "a.fgb"


def test_a_layer_far_from_the_others_is_found(folder: Folder) -> None:
    layers = []
    for name in ("one", "two", "three"):
        text = TREES if name != "three" else TREES.replace("lon,lat", "lat,lon")
        (folder.root / f"{name}.csv").write_text(text)
        layers.append(make_layer(folder.root, f"{name}.csv", id=name))
    (found,) = prove_sources(layers)
    assert found.key == "swap_axes"
    assert "positions near the other layers' (13.43, 52.52); these are around 52.52, 13.43" in found.expected
    assert list(prove_sources(layers[:2])) == []


def test_keys_are_held_against_the_rows(folder: Folder) -> None:
    found = folder.prove(key="Category")
    assert "of 59 sampled values of 'Category' 58 were there before" in found["key"]
    found = folder.prove(TREES.replace("\n1", "\n"), key="id")
    assert "are empty" in found["key"] or "were there before" in found["key"]
    found = folder.prove(None, source=_write_without_crs(folder.root), key="@id", crs="EPSG:4326")
    assert "its features have no ids of their own" in found["source"]


def test_readings_are_looked_at_too(folder: Folder) -> None:
    (folder.root / "r.csv").write_text("site,at,flow\n" + "1,2024-01-01,much\n" * 30)
    readings = Readings("r.csv", "Site", "at", make_fields({"at": "date", "flow": "number", "ph": "number"}))
    found = folder.prove(key="id", readings=readings)
    assert found.keys() == {"readings.key", "readings.fields.ph", "readings.fields.flow.type"}
    assert "did you mean 'site'?" in found["readings.key"]
    assert "sampled values of 'flow' are no number, such as 'much'" in found["readings.fields.flow.type"]


@pytest.mark.parametrize("text", ["", "<html><title>404</title></html>"])
def test_a_source_that_is_no_data_is_found(folder: Folder, text: str) -> None:
    assert "is empty" in folder.prove("")["source"]
    assert 'is a web page ("404")' in folder.prove("<html><title>404</title></html>")["source"]


def test_of_a_large_file_the_beginning_is_read(folder: Folder) -> None:
    rows = np.random.default_rng(1).random((300_000, 2)).round(9)
    text = "id,lon,lat\n" + "".join(f"{n},{13 + x},{52 + y}\n" for n, (x, y) in enumerate(rows))
    assert folder.prove(text, key="id", fields={"id": "integer"}) == {}


def test_tables_are_looked_at_where_there_is_a_database(workspace: Workspace) -> None:
    workspace.query('DROP TABLE IF EXISTS public."Old Trees"')
    workspace.query('CREATE TABLE public."Old Trees" (id int, "Kind" text, s geometry(Point, 4326))')
    workspace.query("INSERT INTO public.\"Old Trees\" VALUES (1, 'oak', 'SRID=4326;POINT(13.4 52.5)')")
    layer = make_layer(workspace.root, 'public."Old Trees"', fields=make_fields({"kind": "text"}), kind="lines")
    assert list(prove_sources([layer])) == []
    found = {problem.key: problem.expected for problem in prove_sources([layer], workspace.url)}
    assert "did you mean 'Kind'?" in found["fields.kind"]
    assert "did you mean 'points'?" in found["kind"]
    layer = make_layer(workspace.root, "public.old_trees")
    (problem,) = prove_sources([layer], workspace.url)
    assert problem.expected.endswith('; did you mean public."Old Trees"?')  # as a layer file says it


@pytest.mark.parametrize("source", ["public.Old Trees", 'public."Old Trees"', '"public"."Old Trees"'])
def test_a_table_may_have_blanks_and_capitals_in_its_name(workspace: Workspace, source: str) -> None:
    workspace.query('DROP TABLE IF EXISTS public."Old Trees"')
    workspace.query('CREATE TABLE public."Old Trees" ("Kind" text, s geometry(Point, 4326))')
    workspace.query("INSERT INTO public.\"Old Trees\" VALUES ('oak', 'SRID=4326;POINT(13.4 52.5)')")
    assert workspace.load(source, fields={"kind": ("text", "Kind")}).rows == 1


def test_a_table_name_may_hold_dots_and_quotes(workspace: Workspace) -> None:
    workspace.query('CREATE SCHEMA IF NOT EXISTS "my.schema"')
    workspace.query('DROP TABLE IF EXISTS "my.schema"."a ""b"".csv"')
    workspace.query('CREATE TABLE "my.schema"."a ""b"".csv" (s geometry(Point, 4326))')
    workspace.query('INSERT INTO "my.schema"."a ""b"".csv" VALUES (\'SRID=4326;POINT(13.4 52.5)\')')
    assert workspace.load('"my.schema"."a ""b"".csv"').rows == 1


def test_a_crs_that_only_the_database_knows_is_kept(workspace: Workspace) -> None:
    workspace.query("DROP TABLE IF EXISTS public.local")
    workspace.query("DELETE FROM spatial_ref_sys WHERE srid = 900914")
    workspace.query(
        "INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, proj4text) VALUES (900914, 'city', 900914,"
        " '+proj=tmerc +lat_0=52 +lon_0=13 +k=1 +x_0=40000 +y_0=10000 +ellps=bessel +units=m +no_defs')"
    )
    workspace.query("CREATE TABLE public.local (s geometry(Point, 900914))")
    workspace.query("INSERT INTO public.local VALUES ('SRID=900914;POINT(67000 66000)')")
    report = workspace.load("public.local")
    assert report.rows == 1
    ((text, x, y),) = workspace.rows("ST_AsEWKT(geom), ST_X(ST_Transform(geom, 4326)), ST_Y(ST_Transform(geom, 4326))")
    assert text == "SRID=900914;POINT(67000 66000)"
    assert (round(x, 1), round(y, 1)) == (13.4, 52.5)


def test_names_that_look_the_same_are_no_finding(folder: Folder) -> None:
    apart = unicodedata.normalize("NFD", "Höhe")
    assert folder.prove(f"id,{apart},lon,lat\n1,2.5,13.4,52.5\n", fields={"height": ("number", "Höhe")}, key="id") == {}
    assert folder.prove("id,Höhe,lon,lat\n1,2.5,13.4,52.5\n", fields={"height": ("number", apart)}, key="id") == {}


def test_the_header_that_is_proved_is_the_one_that_a_load_finds(folder: Folder) -> None:
    two = "Place,,Measured,\nlon,lat,pm10,no2\n13.4,52.5,20,10\n13.5,52.6,21,11\n"
    assert folder.prove(two, fields={"pm10": "number", "no2": "number"}) == {}


def test_rows_wider_than_the_header_are_found_before_a_load(folder: Folder) -> None:
    found = folder.prove("id,lon,lat\n" + "1,13.4,52,5\n" * 20)
    assert "of 20 sampled 20 are not: 4 values where the header has 3" in found["source"]


def test_a_collection_without_features_is_no_finding_and_loads_as_an_empty_layer(workspace: Workspace) -> None:
    source = workspace.write("a.geojson", '{"type":"FeatureCollection","features":[]}')
    assert list(prove_sources([make_layer(workspace.root, source, fields={"name": "text"})])) == []
    assert workspace.load(source, fields={"name": "text"}, key="name").rows == 0


def test_a_table_made_by_a_query_has_the_crs_of_its_shapes(workspace: Workspace) -> None:
    workspace.query("DROP TABLE IF EXISTS public.made")
    workspace.query("CREATE TABLE public.made AS SELECT ST_SetSRID(ST_MakePoint(390000, 5820000), 25833) AS s")
    assert list(prove_sources([make_layer(workspace.root, "public.made")], workspace.url)) == []
    assert workspace.load("public.made").rows == 1
    assert workspace.rows("ST_AsEWKT(geom)") == [("SRID=25833;POINT(390000 5820000)",)]
    workspace.query("INSERT INTO public.made VALUES ('SRID=4326;POINT(13.4 52.5)')")
    with pytest.raises(LoadError, match=r"shapes in 's' have several SRIDs \(4326, 25833\)"):
        workspace.load("public.made")


def test_axes_that_are_swapped_in_most_rows_name_the_setting(workspace: Workspace) -> None:
    source = workspace.write("a.csv", METRES.replace("x,y", "y,x"))
    with pytest.raises(LoadError, match="set swap_axes = true in the layer file"):
        workspace.load(source, crs="EPSG:25833")
    assert workspace.load(source, crs="EPSG:25833", swap_axes=True).rows == 59
