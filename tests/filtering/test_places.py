"""Boxes and coordinate reference systems: what is inside, whichever way round the axes and the earth go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pyproj import Transformer

from geoserver.errors import BadParameterError

if TYPE_CHECKING:
    from .conftest import Row, Zoo

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
HERE = (-28.65, 45.15, -28.55, 45.25)


def inside(row: Row) -> bool:
    return HERE[0] <= row["x"] <= HERE[2] and HERE[1] <= row["y"] <= HERE[3]


def joined(*numbers: float) -> str:
    return ",".join(map(repr, numbers))


@pytest.mark.parametrize(
    ("bbox", "crs"),
    [
        (joined(*HERE), None),
        (joined(*HERE), CRS84),
        (joined(*HERE), "http://www.opengis.net/def/crs/OGC/0/CRS84h"),
        (joined(HERE[0], HERE[1], 0, HERE[2], HERE[3], 100), None),
        (joined(HERE[1], HERE[0], HERE[3], HERE[2]), EPSG + "4326"),
        (joined(HERE[1], HERE[0], HERE[3], HERE[2]), "EPSG:4326"),
        (joined(HERE[1], HERE[0], HERE[3], HERE[2]), "[EPSG:4326]"),
        (joined(HERE[1], HERE[0], HERE[3], HERE[2]), "urn:ogc:def:crs:EPSG::4326"),
    ],
)
def test_a_bbox_selects_what_lies_in_it_in_the_axis_order_of_its_crs(
    zoo: Zoo, utm_zoo: Zoo, bbox: str, crs: str | None
) -> None:
    expected = zoo.those(inside)
    assert expected
    assert zoo.ids(bbox=bbox, bbox_crs=crs) == expected
    assert utm_zoo.ids(bbox=bbox, bbox_crs=crs) == expected


@pytest.mark.parametrize("code", [3857, 32626, 3395])
def test_a_projected_bbox_selects_what_lies_in_it(zoo: Zoo, utm_zoo: Zoo, code: int) -> None:
    project = Transformer.from_crs(4326, code, always_xy=True).transform
    (west, south), (east, north) = project(HERE[0], HERE[1]), project(HERE[2], HERE[3])

    def within(row: Row) -> bool:
        x, y = project(row["x"], row["y"])
        return west <= x <= east and south <= y <= north

    request: dict[str, Any] = {"bbox": joined(west, south, east, north), "bbox_crs": f"{EPSG}{code}"}
    expected = utm_zoo.those(within)
    assert expected
    assert zoo.ids(**request) == expected
    assert utm_zoo.ids(**request) == expected


def test_a_box_across_the_antimeridian_takes_both_sides_and_nothing_between(zoo: Zoo) -> None:
    far = zoo.those(lambda row: abs(row["x"]) > 179)
    assert zoo.ids(bbox="179,-90,-179,90") == far
    assert zoo.ids(filter="S_INTERSECTS(geom, BBOX(179,-90,-179,90))") == far
    assert zoo.ids(bbox="179.9,-90,-179.9,90") == set()
    assert zoo.ids(bbox="180,-90,-179,90") == zoo.those(lambda row: row["x"] < -179)
    assert zoo.ids(bbox="179,-90,-180,90") == zoo.those(lambda row: row["x"] > 179)
    assert zoo.ids(filter="S_WITHIN(geom, BBOX(180,45,-180,45))") == set()


def test_the_whole_earth_selects_every_feature_of_a_projected_layer(utm_zoo: Zoo) -> None:
    assert utm_zoo.ids(bbox="-180,-90,180,90") == {row["fid"] for row in utm_zoo.rows}


def test_points_on_the_edge_of_a_box_are_in_it(zoo: Zoo) -> None:
    row = zoo.rows[0]
    assert row["fid"] in zoo.ids(bbox=joined(row["x"], row["y"], row["x"] + 0.01, row["y"] + 0.01))
    assert row["fid"] in zoo.ids(bbox=joined(row["x"], row["y"], row["x"], row["y"]))


def test_a_filter_is_read_in_its_own_crs(zoo: Zoo, utm_zoo: Zoo) -> None:
    west, south, east, north = HERE
    shape = f"POLYGON(({south} {west},{south} {east},{north} {east},{north} {west},{south} {west}))"
    for request in (
        {"filter": f"S_INTERSECTS(geom, {shape})", "filter_crs": EPSG + "4326"},
        {"filter": f"S_INTERSECTS(geom, BBOX({south},{west},{north},{east}))", "filter_crs": EPSG + "4326"},
    ):
        assert zoo.ids(**request) == zoo.those(inside)
        assert utm_zoo.ids(**request) == zoo.those(inside)


def test_bbox_and_filter_may_have_different_crs(utm_zoo: Zoo) -> None:
    both = utm_zoo.ids(
        bbox=joined(HERE[1], HERE[0], HERE[3], HERE[2]),
        bbox_crs="EPSG:4326",
        filter=f"S_INTERSECTS(geom, BBOX({joined(*HERE)}))",
    )
    assert both == utm_zoo.those(inside)


@pytest.mark.parametrize(
    ("parameter", "request_"),
    [
        ("bbox", {"bbox": "1,2,3"}),
        ("bbox", {"bbox": "1,2,3,4,5"}),
        ("bbox", {"bbox": "a,b,c,d"}),
        ("bbox", {"bbox": "1,2,3,"}),
        ("bbox", {"bbox": "1,2,3,nan"}),
        ("bbox", {"bbox": "1,2,3,inf"}),
        ("bbox", {"bbox": "1,2,3,1e400"}),
        ("bbox", {"bbox": "1,2,3,4'"}),
        ("bbox", {"bbox": "0,10,1,5"}),
        ("bbox", {"bbox": "0,0,181,5"}),
        ("bbox", {"bbox": "0,-91,1,5"}),
        ("bbox", {"bbox": "-28,45,-27,46", "bbox_crs": EPSG + "4326" + "0"}),
        ("bbox", {"bbox": "100,45,110,46", "bbox_crs": "EPSG:4326"}),
        ("bbox", {"bbox": "500,0,400,5", "bbox_crs": "EPSG:3857"}),
        ("bbox", {"bbox": "1e11,1e11,2e11,2e11", "bbox_crs": "EPSG:25832"}),
        ("bbox", {"bbox": "1," * 10_000}),
        ("bbox-crs", {"bbox": "1,2,3,4", "bbox_crs": "nonsense"}),
        ("bbox-crs", {"bbox": "1,2,3,4", "bbox_crs": "EPSG:999999"}),
        ("bbox-crs", {"bbox": "1,2,3,4", "bbox_crs": "EPSG:5773"}),
        ("bbox-crs", {"bbox": "1,2,3,4", "bbox_crs": "+proj=longlat"}),
        ("bbox-crs", {"bbox": "1,2,3,4", "bbox_crs": EPSG + "4326'"}),
        ("filter-crs", {"filter": "n=1", "filter_crs": "4326"}),
        ("filter", {"filter": "S_INTERSECTS(geom, POINT(100 45))", "filter_crs": "EPSG:4326"}),
    ],
)
def test_a_wrong_box_or_crs_is_refused(zoo: Zoo, utm_zoo: Zoo, parameter: str, request_: dict[str, str]) -> None:
    for table in (zoo, utm_zoo):
        with pytest.raises(BadParameterError) as caught:
            table.build(**request_)
        assert caught.value.parameter in (parameter, f"{parameter}-crs")


def test_a_spatial_filter_uses_the_index(zoo: Zoo) -> None:
    where = zoo.build(bbox=joined(*HERE))
    connection = zoo.connection
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL enable_seqscan = off")
        text = where.sql.as_string(connection)
        plan = connection.execute(f"EXPLAIN SELECT fid FROM layers.zoo WHERE {text}", where.params).fetchall()
    assert any("Index Scan" in line or "Bitmap Index Scan" in line for (line,) in plan)
