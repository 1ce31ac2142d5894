"""Geometries as files hold them: repaired, promoted or rejected by the rules in docs/loading.md."""

from __future__ import annotations

import json
from typing import Any

import pytest
from load_workspace import Workspace

from geoserver.errors import LoadError

SQUARE = [[0.5, 0.5], [0.5, 1.5], [1.5, 1.5], [1.5, 0.5], [0.5, 0.5]]
BOWTIE = [[0.5, 0.5], [1.5, 1.5], [1.5, 0.5], [0.5, 1.5], [0.5, 0.5]]


def collection(*geometries: dict[str, Any] | None) -> str:
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]
    return json.dumps({"type": "FeatureCollection", "features": features})


def shape(kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


def load(workspace: Workspace, kind: str, *geometries: dict[str, Any] | None) -> Any:
    return workspace.load(workspace.write("a.geojson", collection(*geometries)), kind=kind)


def test_a_missing_and_an_empty_geometry_are_rejected(workspace: Workspace) -> None:
    report = load(workspace, "polygons", shape("Polygon", [SQUARE]), None, shape("Polygon", []))
    assert report.rows == 1
    assert report.reasons == {"no position": 1, "empty geometry": 1}
    assert workspace.rejects() == [(2, "no position"), (3, "empty geometry")]


def test_an_invalid_polygon_is_repaired_and_counted(workspace: Workspace) -> None:
    report = load(workspace, "polygons", shape("Polygon", [BOWTIE]))
    assert report.notes == {"invalid geometry repaired": 1}
    assert workspace.rows("ST_IsValid(geom), GeometryType(geom), ST_Area(geom)") == [(True, "MULTIPOLYGON", 0.5)]


def test_a_polygon_that_collapses_is_rejected(workspace: Workspace) -> None:
    flat = [[0.5, 0.5], [1.5, 1.5], [0.5, 0.5], [0.5, 0.5]]
    report = load(workspace, "polygons", shape("Polygon", [SQUARE]), shape("Polygon", [flat]))
    assert report.reasons == {"geometry cannot be repaired": 1}


@pytest.mark.parametrize(
    ("kind", "single", "multi", "name"),
    [
        ("lines", shape("LineString", SQUARE[:3]), shape("MultiLineString", [SQUARE[:3]]), "MULTILINESTRING"),
        ("polygons", shape("Polygon", [SQUARE]), shape("MultiPolygon", [[SQUARE]]), "MULTIPOLYGON"),
        ("points", shape("Point", [1, 2]), shape("MultiPoint", [[1, 2], [3, 4]]), "MULTIPOINT"),
    ],
)
def test_single_and_multi_together_become_multi(
    workspace: Workspace, kind: str, single: dict[str, Any], multi: dict[str, Any], name: str
) -> None:
    load(workspace, kind, single, multi)
    assert workspace.rows("GeometryType(geom), GeometryType(geom_3857)") == [(name, name)] * 2
    assert workspace.query("SELECT geometry_type FROM geoserver.layers") == [(name,)]


@pytest.mark.slow
def test_a_multi_after_many_singles_promotes_the_rows_before(workspace: Workspace) -> None:
    singles = [shape("LineString", [[n / 1e4, 1], [1, 2]]) for n in range(40_000)]
    report = load(workspace, "lines", *singles, shape("MultiLineString", [SQUARE[:3], [[3, 3], [4, 4]]]))
    assert report.rows == 40_001
    assert workspace.rows("DISTINCT GeometryType(geom)", order="1") == [("MULTILINESTRING",)]
    assert workspace.rows("count(geom_3857)", order="1") == [(40_001,)]


def test_a_multipoint_of_one_point_is_a_point(workspace: Workspace) -> None:
    load(workspace, "points", shape("MultiPoint", [[1, 2]]))
    assert workspace.rows("ST_AsText(geom)") == [("POINT(1 2)",)]


def test_a_family_that_does_not_fit_the_layer_is_rejected(workspace: Workspace) -> None:
    report = load(
        workspace, "lines", shape("LineString", SQUARE[:2]), shape("Point", [1, 2]), shape("Polygon", [SQUARE])
    )
    assert report.reasons == {
        "is a point; the layer holds lines": 1,
        "is a polygon; the layer holds lines": 1,
    }


def test_fitting_parts_are_taken_out_of_a_collection(workspace: Workspace) -> None:
    inner = {"type": "GeometryCollection", "geometries": [shape("LineString", SQUARE[:2])]}
    mixed = {"type": "GeometryCollection", "geometries": [shape("Point", [1, 2]), inner]}
    report = load(workspace, "lines", mixed, {"type": "GeometryCollection", "geometries": [shape("Point", [1, 2])]})
    assert workspace.rows("GeometryType(geom)") == [("LINESTRING",)]
    assert report.reasons == {"collection without lines": 1}
    assert report.notes == {"lines taken out of a collection": 1}


def test_heights_are_dropped(workspace: Workspace) -> None:
    load(workspace, "lines", shape("LineString", [[1, 2, 30], [3, 4, 40]]))
    assert workspace.rows("ST_AsText(geom)") == [("LINESTRING(1 2,3 4)",)]


def test_a_row_outside_the_crs_is_rejected_and_swapped_axes_are_named(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "x,y\n391000,5820000\n5820000,391000\n9000000,9000000\n")
    report = workspace.load(source, crs="EPSG:25833")
    assert report.rows == 1
    assert workspace.rejects() == [
        (3, "outside the area of EPSG:25833, but inside with x and y swapped"),
        (4, "outside the area of EPSG:25833"),
    ]


def test_swapped_and_sign_turned_degrees_show_against_the_other_rows(workspace: Workspace) -> None:
    rows = [f"{-28.6 + n / 1000},{45.2 + n / 1000}" for n in range(50)]
    source = workspace.write("a.csv", "\n".join(["lon,lat", *rows, "45.21,-28.61", "28.61,45.21", "2.3,48.9"]) + "\n")
    report = workspace.load(source)
    assert workspace.rejects() == [
        (52, "far from the other rows, but among them with x and y swapped"),
        (53, "far from the other rows, but among them with a sign turned"),
    ]
    assert report.rows == 51, "what is merely far away is no mistake"


@pytest.mark.parametrize("value", ["inf", "1e999", "200"])
def test_an_impossible_longitude_is_rejected(workspace: Workspace, value: str) -> None:
    report = workspace.load(workspace.write("a.csv", f"lon,lat\n1,2\n{value},2\n1,3\n"))
    assert (report.rows, report.rejected) == (2, 1)


def test_a_file_of_which_no_row_can_be_stored_is_an_error_with_the_reasons(workspace: Workspace) -> None:
    with pytest.raises(LoadError, match="not one of 2 rows can be stored: 2 x no position"):
        load(workspace, "points", None, None)


def test_a_crs_that_postgis_does_not_know_is_stored_as_longitude_and_latitude(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "x,y\n0,1000\n1000,0\n")
    report = workspace.load(source, crs="+proj=laea +lat_0=52 +lon_0=10 +datum=WGS84 +units=m")
    assert workspace.query("SELECT srid FROM geoserver.layers") == [(4326,)]
    x, y = workspace.rows("ST_X(geom), ST_Y(geom)")[0]
    assert (round(x, 6), round(y, 3)) == (10.0, 52.009)
    assert report.rows == 2


def test_bounds_are_longitude_and_latitude_whatever_the_crs(workspace: Workspace) -> None:
    workspace.load(workspace.write("a.csv", "x,y\n391000,5820000\n392000,5821000\n"), crs="EPSG:25833")
    west, south, east, north = workspace.query("SELECT west, south, east, north FROM geoserver.layers")[0]
    assert 13.39 < west < east < 13.42
    assert 52.51 < south < north < 52.54
