"""The work file makes archives that others read, however many tiles they hold."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pmtiles.reader import MmapSource, Reader, all_tiles
from pmtiles.tile import tileid_to_zxy, zxy_to_tileid

from geoserver.model import Bounds
from geoserver.tilesets import open_archive
from geoserver.tiling.workfile import Frame, WorkFile

if TYPE_CHECKING:
    from pathlib import Path

ROOT = 16_384 - 127  # bytes that the root directory may take, so that one read gives it with the header
METADATA = {"vector_layers": [{"id": "a", "fields": {}}]}
FRAME = Frame(METADATA, Bounds(-10.0, -5.0, 10.0, 5.0), (0.0, 0.0, 3))


def write(target: Path, tiles: dict[int, bytes]) -> None:
    work = WorkFile(target, {"the layer": "a"})
    order = list(tiles)
    random.shuffle(order)
    for tile_id in order:
        work.add(tile_id, tiles[tile_id])
    work.add(max(tiles) + 1, b"")
    assert work.finish(FRAME)[0] == len(tiles)


def test_an_archive_with_many_tiles_has_directories_below_its_root(tmp_path: Path) -> None:
    random.seed(3)
    ids = sorted(random.sample(range(zxy_to_tileid(10, 0, 0), zxy_to_tileid(10, 1023, 0)), 40_000))
    tiles = {tile_id: f"{random.randrange(30_000)}".encode() * random.randrange(1, 5) for tile_id in ids}
    write(tmp_path / "many.pmtiles", tiles)
    archive = open_archive(tmp_path / "many.pmtiles")
    assert archive.header["leaf_directory_length"] > 0
    assert archive.header["root_length"] <= ROOT
    with (tmp_path / "many.pmtiles").open("rb") as file:
        source = MmapSource(file)
        assert {zxy_to_tileid(*address): data for address, data in all_tiles(source)} == tiles
        assert Reader(source).get(*tileid_to_zxy(ids[777])) == tiles[ids[777]]
    assert archive.header["addressed_tiles_count"] == len(tiles)
    assert archive.header["tile_contents_count"] == len(set(tiles.values()))


def test_neighbours_with_one_content_are_one_entry_and_stored_once(tmp_path: Path) -> None:
    target = tmp_path / "sea.pmtiles"
    write(target, dict.fromkeys(range(100, 200), b"sea") | {300: b"land", 301: b"sea"})
    archive = open_archive(target)
    counts = [archive.header[key] for key in ("addressed_tiles_count", "tile_entries_count", "tile_contents_count")]
    assert counts == [102, 3, 2]
    assert archive.header["tile_data_length"] == len(b"sealand")


def test_the_order_in_which_tiles_were_made_leaves_no_trace(tmp_path: Path) -> None:
    tiles = {tile_id: f"{tile_id % 7}".encode() for tile_id in range(50, 500, 3)}
    write(tmp_path / "one.pmtiles", tiles)
    write(tmp_path / "two.pmtiles", tiles)
    assert (tmp_path / "one.pmtiles").read_bytes() == (tmp_path / "two.pmtiles").read_bytes()


def test_a_work_file_remembers_what_it_holds_and_where_nothing_comes(tmp_path: Path) -> None:
    target = tmp_path / "a.pmtiles"
    work = WorkFile(target, {"the layer": "a"})
    work.add(1, b"tile")
    work.add(2, b"")
    work.add(3, b"", barren=True)
    work.close()
    again = WorkFile(target, {"the layer": "a"})
    assert [again.find(tile_id) for tile_id in (1, 2, 3, 4)] == [True, True, False, None]
    assert (again.resumed, again.differs) == (3, [])
    again.close()
    other = WorkFile(target, {"the layer": "b"})
    assert (other.resumed, other.differs) == (0, ["the layer"])
    other.close()
