"""What a basemap is from afar: areas and lines of made-up files, merged, thinned and simplified for each zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from geoserver.basemap.afar import build_afar
from geoserver.basemap.sheets import FARTHEST

if TYPE_CHECKING:
    from pathlib import Path

MERGED = FARTHEST - 1  # the last zoom at which areas are merged
PIXEL = 40_075_016.685578488 / 512 / 2**MERGED  # metres
LINES = {"street": ("streets", "secondary"), "rail": ("railways", "rail")}


def box(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """A box measured in pixels of that zoom."""
    return shapely.box(west * PIXEL, south * PIXEL, east * PIXEL, north * PIXEL)


def line(*places: tuple[float, float]) -> shapely.Geometry:
    return shapely.LineString([(x * PIXEL, y * PIXEL) for x, y in places])


def write(folder: Path, name: str, things: list[tuple[str, shapely.Geometry]], **columns: list[Any]) -> None:
    table = {"class": [kind for kind, _ in things], "geometry": [shape.wkb for _, shape in things], **columns}
    pq.write_table(pa.table(table), folder / f"{name}.parquet")


def read(folder: Path, zoom: int = MERGED) -> dict[str, list[shapely.Geometry]]:
    found: dict[str, list[shapely.Geometry]] = {}
    for rows in build_afar(folder, lambda _phase, _done: None):
        for row in rows.to_pylist():
            if row["zoom"] == zoom:
                found.setdefault(row["class"], []).append(shapely.from_wkb(row["geometry"]))
    return found


def test_blocks_with_narrow_streets_between_them_are_one_area_from_afar(tmp_path: Path) -> None:
    blocks = [box(x, y, x + 3, y + 3) for x in (0, 4) for y in (0, 4)]
    write(tmp_path, "land", [("urban", block) for block in blocks])
    (whole,) = read(tmp_path)["urban"]
    assert whole.area / PIXEL**2 == pytest.approx(49, abs=3)


def test_areas_that_are_further_apart_or_of_another_class_stay_apart(tmp_path: Path) -> None:
    write(tmp_path, "land", [("urban", box(0, 0, 4, 4)), ("urban", box(8, 0, 12, 4)), ("industrial", box(0, 4, 4, 8))])
    found = read(tmp_path)
    assert {kind: len(shapes) for kind, shapes in found.items()} == {"urban": 2, "industrial": 1}


def test_areas_of_the_last_zoom_are_drawn_apart(tmp_path: Path) -> None:
    write(tmp_path, "land", [("urban", box(0, 0, 3, 3)), ("urban", box(4, 0, 7, 3))])
    assert sum(map(shapely.get_num_geometries, read(tmp_path, FARTHEST)["urban"])) == 2


def test_an_area_is_gone_where_it_is_no_more_than_two_pixels_wide_and_back_nearer(tmp_path: Path) -> None:
    write(tmp_path, "parks", [("park", box(0, 0, 6, 6))])
    assert [zoom for zoom in range(FARTHEST + 1) if read(tmp_path, zoom)] == [10, 11, 12]


def test_a_hole_that_cannot_be_seen_is_filled_and_another_kept(tmp_path: Path) -> None:
    holed = box(0, 0, 30, 30).difference(box(2, 2, 3.8, 3.8)).difference(box(10, 10, 20, 20))
    write(tmp_path, "parks", [("forest", holed)])
    (shape,) = read(tmp_path)["forest"]
    assert shapely.get_num_interior_rings(shape) == 1


def test_a_mole_too_thin_for_the_grid_of_a_tile_is_no_empty_row(tmp_path: Path) -> None:
    mole = box(0.01, 0.01, 900, 0.03)
    write(tmp_path, "land", [("ground", mole), ("ground", box(0, 10, 20, 30))])
    (shape,) = read(tmp_path)["ground"]
    assert shape.area / PIXEL**2 == pytest.approx(400, abs=5)
    write(tmp_path, "land", [("ground", mole)])
    assert list(build_afar(tmp_path, lambda _phase, _done: None)) == []


def test_land_keeps_its_straits_and_islets(tmp_path: Path) -> None:
    write(
        tmp_path,
        "land",
        [("ground", box(0, 0, 10, 10)), ("ground", box(11, 0, 20, 10)), ("ground", box(30, 0, 31.1, 1))],
    )
    assert len(read(tmp_path)["ground"]) == 3


def test_pieces_into_which_land_was_cut_are_one_again(tmp_path: Path) -> None:
    write(tmp_path, "land", [("ground", box(0, 0, 10, 10)), ("ground", box(10, 0, 20, 10))])
    assert len(read(tmp_path)["ground"]) == 1


@pytest.mark.parametrize("kind", LINES)
def test_tracks_that_run_close_side_by_side_are_one_line(tmp_path: Path, kind: str) -> None:
    name, of_class = LINES[kind]
    write(tmp_path, name, [(of_class, line((0, y), (40, y))) for y in (0.0, 0.05, 0.1)])
    found = [shape for shapes in read(tmp_path).values() for shape in shapes]
    assert sum(shape.length for shape in found) / PIXEL == pytest.approx(40, abs=1)


def test_short_ends_go_and_short_pieces_between_crossings_stay(tmp_path: Path) -> None:
    streets = [line((0, 0), (20, 0)), line((20, 0), (20, 2)), line((20, 2), (40, 2)), line((20, 2), (20, 30))]
    streets += [line((20, 0), (20, -30)), line((10, 0), (10, 2))]
    write(tmp_path, "streets", [("secondary", street) for street in streets])
    whole = shapely.union_all(read(tmp_path)["secondary"])
    assert whole.distance(shapely.Point(20 * PIXEL, 1 * PIXEL)) < PIXEL
    assert whole.distance(shapely.Point(10 * PIXEL, 2 * PIXEL)) > PIXEL


def test_main_streets_are_drawn_by_zoom_and_tunnels_not_at_all(tmp_path: Path) -> None:
    kinds = ["motorway", "primary", "secondary", "secondary"]
    things = [(kind, line((0, 100 * n), (1000, 100 * n))) for n, kind in enumerate(kinds)]
    write(tmp_path, "streets", things, tunnel=[False, None, False, True])
    drawn = {zoom: sorted(read(tmp_path, zoom)) for zoom in (5, 6, 9, 10)}
    assert drawn == {
        5: [],
        6: ["motorway"],
        9: ["motorway", "primary"],
        10: ["motorway", "primary", "secondary"],
    }
    assert len(read(tmp_path)["secondary"]) == 1


def test_without_anything_to_draw_there_is_no_row(tmp_path: Path) -> None:
    assert list(build_afar(tmp_path, lambda _phase, _done: None)) == []
