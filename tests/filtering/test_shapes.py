"""Geometry literals that could end a process or a request: each is refused, in both languages, before GEOS sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import shapely

from geoserver.errors import BadParameterError
from geoserver.filtering.shapes import ShapeError, read_geojson, read_wkt
from geoserver.filtering.syntax import SPATIAL

if TYPE_CHECKING:
    from .conftest import Zoo


def nested(levels: int) -> str:
    return "GEOMETRYCOLLECTION(" * levels + "POINT(0 0)" + ")" * levels


def nested_json(levels: int) -> str:
    return (
        '{"type":"GeometryCollection","geometries":[' * levels + '{"type":"Point","coordinates":[0,0]}' + "]}" * levels
    )


WKT = [
    "MULTILINESTRING((0 0,1 1),EMPTY)",
    "MULTILINESTRING(EMPTY,(0 0,1 1))",
    "MULTIPOINT((0 0),EMPTY)",
    "MULTIPOINT(EMPTY)",
    "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),EMPTY)",
    "MULTIPOLYGON(((0 0,1 0,1 1,0 0),EMPTY))",
    "POLYGON(EMPTY)",
    "POLYGON((0 0,9 0,9 9,0 0),EMPTY)",
    "GEOMETRYCOLLECTION(POINT(0 0),LINESTRING EMPTY)",
    "GEOMETRYCOLLECTION(GEOMETRYCOLLECTION EMPTY)",
    "GEOMETRYCOLLECTION(POINT(0 0),MULTILINESTRING((0 0,1 1),EMPTY))",
    "POINT EMPTY",
    "POINT Z EMPTY",
    "GEOMETRYCOLLECTION EMPTY",
    "POINT()",
    "POINT(,)",
    "POINT(1)",
    "POINT(1 2 3 4 5)",
    "POINT(1 2,3 4)",
    "POINT((1 2))",
    "LINESTRING(0 0)",
    "LINESTRING(0 0,)",
    "LINESTRING((0 0,1 1))",
    "LINESTRING(0 0,0 0)",
    "POLYGON((0 0,1 0,0 0))",
    "POLYGON((0 0,1 0,1 1,0 1))",
    "POLYGON((0 0,0 0,0 0,0 0))",
    "POLYGON((0 0,1 1,2 2,0 0))",
    "POLYGON(0 0,1 0,1 1,0 0)",
    "POLYGON((0 0,1 1,1 0,0 1,0 0))",
    "POLYGON((0 0,9 0,9 9,0 9,0 0),(20 20,21 20,21 21,20 20))",
    "MULTIPOLYGON(((0 0,9 0,9 9,0 9,0 0)),((1 1,8 1,8 8,1 8,1 1)))",
    "POINT(1e999 0)",
    "POINT(1e308 1e308)",
    "POINT(-1e12 0)",
    "POINT(NaN 0)",
    "POINT(0 inf)",
    "POINT(0 -Infinity)",
    "POINT(0x10 0)",
    "POINT(1e 0)",
    "POINT(1_0 0)",
    "SRID=4326;POINT(0 0)",
    "CIRCULARSTRING(0 0,1 1,2 0)",
    "CURVEPOLYGON(CIRCULARSTRING(0 0,1 1,2 0,1 -1,0 0))",
    "COMPOUNDCURVE((0 0,1 1))",
    "TIN(((0 0,1 0,0 1,0 0)))",
    "GEOMETRYCOLLECTION(TRIANGLE((0 0,1 0,0 1,0 0)))",
    "POINT(0 0) POINT(1 1)",
    "POINT(0 0",
    "POINT 0 0)",
    nested(9),
    nested(199),
    nested(700),
]


@pytest.mark.parametrize("crs", [None, "EPSG:3035", "EPSG:4326"])
@pytest.mark.parametrize("shape", WKT, ids=[text[:60] for text in WKT])
def test_well_known_text_that_is_no_sound_geometry_is_refused(zoo: Zoo, utm_zoo: Zoo, shape: str, crs: str) -> None:
    for table in (zoo, utm_zoo):
        with pytest.raises(BadParameterError) as caught:
            table.build(filter=f"S_INTERSECTS(geometry,{shape})", filter_crs=crs)
        assert caught.value.parameter == "filter"


JSON: list[Any] = [
    {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], []]},
    {"type": "MultiPoint", "coordinates": [[0, 0], []]},
    {"type": "MultiPoint", "coordinates": []},
    {"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]], []]},
    {"type": "Polygon", "coordinates": [[]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
    {"type": "Point", "coordinates": []},
    {"type": "Point", "coordinates": [0]},
    {"type": "Point", "coordinates": [0, None]},
    {"type": "Point", "coordinates": [0, True]},
    {"type": "Point", "coordinates": ["0", "0"]},
    {"type": "Point", "coordinates": [[0, 0]]},
    {"type": "Point", "coordinates": {"x": 0}},
    {"type": "Point", "coordinates": None},
    {"type": "Point", "coordinates": [1e308, 0]},
    {"type": "Point", "coordinates": [2**64, 0]},
    {"type": "LineString", "coordinates": [[0, 0]]},
    {"type": "LineString", "coordinates": [0, 0]},
    {"type": "GeometryCollection", "geometries": []},
    {"type": "GeometryCollection", "geometries": [{}]},
    {"type": "GeometryCollection", "geometries": [5]},
    {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": []}]},
    {"type": "GeometryCollection", "geometries": {"type": "Point", "coordinates": [0, 0]}},
    {"type": "GeometryCollection", "coordinates": [[0, 0]]},
    {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}},
    {"type": ["Point"], "coordinates": [0, 0]},
    {"type": "point", "coordinates": [0, 0]},
]


@pytest.mark.parametrize("crs", [None, "EPSG:3035"])
@pytest.mark.parametrize("shape", [json.dumps(item) for item in JSON] + [nested_json(n) for n in (9, 60, 210, 300)])
def test_geojson_that_is_no_sound_geometry_is_refused(zoo: Zoo, utm_zoo: Zoo, shape: str, crs: str) -> None:
    text = f'{{"op":"s_intersects","args":[{{"property":"geometry"}},{shape}]}}'
    for table in (zoo, utm_zoo):
        with pytest.raises(BadParameterError) as caught:
            table.build(filter=text, filter_lang="cql2-json", filter_crs=crs)
        assert caught.value.parameter == "filter"


@pytest.mark.parametrize("levels", [100, 250, 300, 1_000, 7_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"op":"not","args":[', "]}"), ('{"a":', "}")])
def test_json_of_any_depth_is_refused(zoo: Zoo, levels: int, opening: str, closing: str) -> None:
    text = opening * levels + "1" + closing * levels
    for shown in (text, f'{{"op":"=","args":[{text},1]}}', f'{{"type":"Point","coordinates":{text}}}'):
        with pytest.raises(BadParameterError):
            zoo.build(filter=shown, filter_lang="cql2-json")


SOUND = [
    ("POINT(1 2)", None),
    ("point z (1 2 3)", "POINT(1 2)"),
    ("POINT ZM(1 2 3 4)", "POINT(1 2)"),
    ("POINT M (1 2 3)", "POINT(1 2)"),
    ("POINT(+1. -.5e0)", "POINT(1 -0.5)"),
    ("MULTIPOINT(1 2,3 4)", "MULTIPOINT((1 2),(3 4))"),
    ("MULTIPOINT((1 2),(3 4))", None),
    ("LINESTRING(1 2,3 4)", None),
    ("MULTILINESTRING((1 2,3 4),(5 6,7 8,9 10))", None),
    ("POLYGON((0 0,9 0,9 9,0 9,0 0),(1 1,2 1,2 2,1 1))", None),
    ("MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))", None),
    ("GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(1 2,3 4))", None),
    (
        "GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 2)),MULTIPOINT(1 2))",
        "GEOMETRYCOLLECTION(POINT(1 2),MULTIPOINT((1 2)))",
    ),
]


@pytest.mark.parametrize(("text", "same"), SOUND)
def test_a_sound_geometry_is_read_as_geos_reads_it(text: str, same: str | None) -> None:
    expected = shapely.from_wkt(same or text)
    assert shapely.from_wkb(read_wkt(text)).equals_exact(expected)
    assert shapely.from_wkb(read_geojson(json.loads(shapely.to_geojson(expected)))).equals_exact(expected)


def test_a_geometry_of_too_many_vertices_is_refused() -> None:
    with pytest.raises(ShapeError, match="vertices"):
        read_wkt("LINESTRING(" + ",".join(f"{n} 0" for n in range(10_001)) + ")")


@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:3857", "EPSG:25832", "EPSG:2154"])
@pytest.mark.parametrize(
    "shape",
    [
        "LINESTRING(4000000 3000000,4000000 3000000.000000001)",
        "LINESTRING(0 0,5e-324 5e-324)",
        "LINESTRING(0 5e-324,5e-324 0,1e-300 0)",
        "MULTIPOINT(4000000 3000000,4000000 3000000)",
        "LINESTRING(" + ",".join(f"{4000000 + n % 2} {3000000 + n}" for n in range(900)) + ")",
        "LINESTRING(" + ",".join(f"{(n % 2) * 4000000} {n}" for n in range(900)) + ")",
    ],
    ids=["short", "denormal", "denormals", "twice", "zigzag", "wide zigzag"],
)
def test_edges_are_cut_into_a_bounded_number_of_pieces(utm_zoo: Zoo, shape: str, crs: str) -> None:
    try:
        where = utm_zoo.build(filter=f"S_INTERSECTS(geometry,{shape})", filter_crs=crs)
    except BadParameterError:
        return  # outside the area of the CRS
    sizes = [len(value) for value in where.params.values() if isinstance(value, bytes)]
    assert max(sizes) < 16 * 15_000


@pytest.mark.parametrize("name", sorted(SPATIAL))
def test_every_predicate_runs_with_the_largest_shapes_that_a_crs_has(zoo: Zoo, utm_zoo: Zoo, name: str) -> None:
    for table in (zoo, utm_zoo):
        for shape in (
            "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))",
            "LINESTRING(-180 -90,180 90)",
            "POLYGON((-180 89.991,180 89.999,0 90,-180 89.991))",
            "MULTIPOINT(-180 -90,180 90)",
        ):
            table.ids(filter=f"{name}(geometry,{shape})")


def test_a_crs_that_has_no_places_on_the_surface_is_refused(zoo: Zoo) -> None:
    for code in (4978, 5800, 5773, 5819):
        with pytest.raises(BadParameterError) as caught:
            zoo.build(filter="S_INTERSECTS(geometry,POINT(0 0))", filter_crs=f"EPSG:{code}")
        assert caught.value.parameter == "filter-crs"
