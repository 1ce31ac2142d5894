"""A PMTiles archive as a layer: the same tiles, its own TileJSON, and nothing that needs rows."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from mapbox_vector_tile import decode
from pmtiles.reader import MmapSource, all_tiles
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from geoserver import styling
from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.check import check_files
from geoserver.database.pool import Database
from geoserver.database.status import read_statuses
from geoserver.model import Tile
from geoserver.settings import Settings
from geoserver.tilesets import open_archive
from geoserver.tilesets.archive import ChangedError
from geoserver.tiling import Rowless, build_archive, parse_question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAYER = """
title = "Ready-made"
license = "CC0-1.0"
source = "data/trees.pmtiles"
kind = "tiles"
"""
METADATA = {"vector_layers": [{"id": "roads", "fields": {"class": "String"}}]}
PLACE = {"min_lon_e7": -286000000, "max_lon_e7": -285000000, "min_lat_e7": 451000000, "max_lat_e7": 452000000}


@pytest.fixture(scope="session")
def trees(city_settings: Settings, city_database: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a layer of the sample city."""
    target = tmp_path_factory.mktemp("archive") / "trees.pmtiles"

    async def work() -> None:
        database = Database(city_database, city_settings)
        await database.open()
        try:
            catalog = read_catalog(city_settings)
            layer, status = catalog.layer("trees"), (await read_statuses(database))["trees"]
            where = parse_question(layer, status, {}, {})
            await build_archive(database, catalog, layer, status, target, zooms=(8, 14), where=where)
        finally:
            await database.close()

    asyncio.run(work())
    return target


@pytest.fixture(scope="session")
def workspace(trees: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ready-made")
    for name in ("layers", "data", "styles"):
        (folder / name).mkdir()
    shutil.copy(trees, folder / "data" / "trees.pmtiles")
    (folder / "layers" / "ready-made.toml").write_text(LAYER)
    return folder


@pytest.fixture(scope="session")
def ready_made(workspace: Path, city_database: str) -> Iterator[TestClient]:
    """A server over the sample city and, beside it, the archive as a layer."""
    settings = Settings(workspace=workspace, database_url=None, samples=True)
    with TestClient(create_app(settings, city_database), raise_server_exceptions=False) as running:
        yield running


def write(path: Path, tiles: dict[Tile, bytes], metadata: Any = METADATA, **header: Any) -> Path:
    """An archive by the library's own writer."""
    with path.open("wb") as file:
        writer = Writer(file)
        for tile in sorted(tiles, key=lambda tile: zxy_to_tileid(tile.z, tile.x, tile.y)):
            writer.write_tile(zxy_to_tileid(tile.z, tile.x, tile.y), tiles[tile])
        writer.finalize({"tile_type": TileType.MVT, "tile_compression": Compression.NONE, **PLACE, **header}, metadata)
        writer.tile_f.close()
    return path


def list_tiles(path: Path) -> dict[Tile, bytes]:
    with path.open("rb") as file:
        return {Tile(*address): gzip.decompress(data) for address, data in all_tiles(MmapSource(file))}


# -- serving ----------------------------------------------------------------------------------------------------------


def test_every_tile_is_that_of_the_layer_which_the_archive_was_built_from(ready_made: TestClient, trees: Path) -> None:
    tiles = list_tiles(trees)
    assert len(tiles) > 50
    for tile in tiles:
        address = f"{tile.z}/{tile.x}/{tile.y}.mvt"
        served = ready_made.get(f"/tiles/ready-made/{address}")
        assert served.status_code == 200
        assert served.content == ready_made.get(f"/tiles/trees/{address}").content
        assert served.content == tiles[tile]


def test_beside_the_tiles_of_the_archive_there_are_empty_ones(ready_made: TestClient) -> None:
    assert ready_made.get("/tiles/ready-made/14/0/0.mvt").status_code == 204
    assert ready_made.get("/tiles/ready-made/15/0/0.mvt").status_code == 400
    assert ready_made.get("/tiles/ready-made/7/0/0.mvt").json()["expected"] == "a whole number from 8 to 14"


def test_its_tilejson_is_that_of_the_archive(ready_made: TestClient) -> None:
    built, served = ready_made.get("/tiles/trees.json").json(), ready_made.get("/tiles/ready-made.json").json()
    assert served["tiles"] == ["http://testserver/tiles/ready-made/{z}/{x}/{y}.mvt"]
    assert (served["minzoom"], served["maxzoom"]) == (8, 14)
    assert served["bounds"] == pytest.approx(built["bounds"], abs=1e-6)
    assert [item["id"] for item in served["vector_layers"]] == [item["id"] for item in built["vector_layers"]]
    assert served["vector_layers"][0]["fields"] == built["vector_layers"][0]["fields"]
    assert served["features_from"] == built["features_from"]


def test_it_stands_in_one_tile_with_layers_that_have_rows(ready_made: TestClient, trees: Path) -> None:
    tile = max(list_tiles(trees), key=lambda tile: tile.z)
    both = ready_made.get(f"/tiles/crime,ready-made/{tile.z}/{tile.x}/{tile.y}.mvt")
    assert {"trees"} <= decode(both.content).keys()
    assert ready_made.get("/tiles/crime,ready-made.json").status_code == 200


@pytest.mark.parametrize("query", ["filter=height>3", "bbox=1,2,3,4", "datetime=2024", "species=oak"])
def test_a_filter_is_refused_with_the_reason(ready_made: TestClient, query: str) -> None:
    for path in ("/tiles/ready-made/9/0/0.mvt", "/tiles/ready-made.json"):
        answer = ready_made.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert answer.json()["parameter"] == query.partition("=")[0]
        assert "ready-made and stay as they are" in answer.json()["expected"]


def test_the_layer_is_listed_without_a_count_and_with_no_links_to_rows(ready_made: TestClient) -> None:
    listed = {item["id"]: item for item in ready_made.get("/api/layers").json()["layers"]}
    entry = listed["ready-made"]
    assert (entry["kind"], entry["count"], entry["features_from"]) == ("tiles", None, listed["trees"]["features_from"])
    assert entry["bounds"] == pytest.approx(listed["trees"]["bounds"], abs=1e-6)
    assert {link["rel"] for link in entry["links"]} == {"self", "tiles", "alternate", "license"}
    detail = ready_made.get("/api/layers/ready-made").json()
    assert (detail["fields"], detail["parameters"]) == ([], [])


@pytest.mark.parametrize("path", ["summary", "features/1", "features/1/readings", "rejects"])
def test_what_needs_rows_is_404(ready_made: TestClient, path: str) -> None:
    answer = ready_made.get(f"/api/layers/ready-made/{path}")
    assert answer.status_code == 404
    assert "tiles and nothing else" in answer.json()["expected"]


def test_it_is_no_ogc_collection(ready_made: TestClient) -> None:
    found = ready_made.get("/ogc/collections?f=json").json()["collections"]
    assert "trees" in {item["id"] for item in found}
    assert "ready-made" not in {item["id"] for item in found}
    assert ready_made.get("/ogc/collections/ready-made?f=json").status_code == 404
    assert ready_made.get("/ogc/collections/ready-made/items?f=json").status_code == 404


def test_the_server_is_ready_with_it_and_the_style_draws_it(ready_made: TestClient) -> None:
    assert ready_made.get("/readyz").json()["status"] == "ready"
    style = ready_made.get("/styles/light.json?layers=ready-made").json()
    assert style["sources"]["ready-made"]["url"] == "http://testserver/tiles/ready-made.json"


def test_a_basemap_of_ones_own_is_drawn_by_a_style_that_names_the_layers_of_the_archive(
    workspace: Path, city_database: str, tmp_path: Path
) -> None:
    for name in ("layers", "data", "styles"):
        (tmp_path / name).mkdir()
    write(tmp_path / "data" / "city.pmtiles", {Tile(0, 0, 0): b"\x1a\x00"})
    text = LAYER.replace("trees", "city") + "basemap = true\n"
    (tmp_path / "layers" / "own-map.toml").write_text(text)
    (tmp_path / "styles" / "light.json").write_text(
        '{"version": 8, "sources": {"city": {"type": "vector", "url": "/tiles/own-map.json"}}, "layers": ['
        '{"id": "roads", "type": "line", "source": "city", "source-layer": "roads",'
        ' "filter": ["==", ["get", "class"], "main"]}]}'
    )
    settings = Settings(workspace=tmp_path, database_url=None)
    catalog = read_catalog(settings)
    assert [str(problem) for problem in [*check_files(settings, catalog), *styling.check(catalog)]] == []
    with TestClient(create_app(settings, city_database), raise_server_exceptions=False) as running:
        style = running.get("/styles/light.json").json()
        assert style["sources"]["city"]["url"] == "http://testserver/tiles/own-map.json"
        assert [item["id"] for item in style["layers"]] == ["roads"]
        assert running.get("/tiles/own-map.json").json()["vector_layers"] == METADATA["vector_layers"]
        assert running.get("/tiles/own-map/0/0/0.mvt").content == b"\x1a\x00"
        assert running.get("/api/layers").json()["layers"][0]["basemap"] is True


@pytest.mark.slow
def test_without_a_database_its_tiles_are_served(workspace: Path, trees: Path, tmp_path: Path) -> None:
    settings = Settings(workspace=workspace, database_url=None)
    app = create_app(settings, f"postgresql://nobody@/nothing?host={tmp_path}")
    tile = min(list_tiles(trees), key=lambda tile: tile.z)
    with TestClient(app, raise_server_exceptions=False) as away:
        assert away.get(f"/tiles/ready-made/{tile.z}/{tile.x}/{tile.y}.mvt").status_code == 200


def test_a_replaced_archive_is_served_soon_and_changes_the_etag(city_database: str, tmp_path: Path) -> None:
    for name in ("layers", "data"):
        (tmp_path / name).mkdir()
    path = write(tmp_path / "data" / "trees.pmtiles", {Tile(0, 0, 0): b"one"})
    (tmp_path / "layers" / "ready-made.toml").write_text(LAYER)
    settings = Settings(workspace=tmp_path, database_url=None)
    with TestClient(create_app(settings, city_database), raise_server_exceptions=False) as running:
        before = running.get("/tiles/ready-made/0/0/0.mvt")
        assert before.content == b"one"
        assert (
            running.get("/tiles/ready-made/0/0/0.mvt", headers={"if-none-match": before.headers["etag"]}).status_code
            == 304
        )
        write(tmp_path / "new", {Tile(0, 0, 0): b"two"}).replace(path)
        deadline = time.monotonic() + 20
        while (after := running.get("/tiles/ready-made/0/0/0.mvt")).content != b"two":
            assert after.content == b"one"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert after.headers["etag"] != before.headers["etag"]
        path.unlink()
        deadline = time.monotonic() + 20
        while running.get("/readyz").json()["status"] != "degraded":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert running.get("/tiles/ready-made/0/0/0.mvt").content == b"two"


# -- archives that are not as they should be --------------------------------------------------------------------------


def test_a_file_that_is_written_to_while_it_is_open_is_not_read_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pmtiles", {Tile(0, 0, 0): b"one"})
    archive = open_archive(path)
    assert archive.read(Tile(0, 0, 0)) == b"one"
    with path.open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"two!")
    with pytest.raises(ChangedError):
        archive.read(Tile(0, 0, 0))


def test_it_reads_what_the_library_writes_with_directories_below_the_root(tmp_path: Path) -> None:
    random.seed(1)
    tiles = {
        Tile(9, x, y): bytes([random.randrange(256)]) * random.randrange(1, 9) for x in range(180) for y in range(180)
    }
    archive = open_archive(write(tmp_path / "many.pmtiles", tiles))
    assert archive.header["leaf_directory_length"] > 0
    assert {tile for tile in tiles if archive.read(tile) != tiles[tile]} == set()
    assert archive.read(Tile(9, 300, 300)) == b""
    assert archive.read(Tile(3, 0, 0)) == b""


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"tile_type": TileType.PNG}, "vector tiles (MVT); the tiles in this one are of type PNG"),
        ({"tile_type": TileType.WEBP}, "type WEBP"),
        ({"tile_compression": Compression.BROTLI}, "tile compression gzip or none; that of this one is brotli"),
        ({"tile_compression": Compression.ZSTD}, "zstd"),
    ],
)
def test_what_it_cannot_show_is_refused_by_name(tmp_path: Path, header: dict[str, Any], words: str) -> None:
    path = write(tmp_path / "a.pmtiles", {Tile(0, 0, 0): b"x"}, **header)
    with pytest.raises(ValueError, match="archive") as refused:
        open_archive(path)
    assert words in str(refused.value)


@pytest.mark.parametrize("metadata", [{}, [], {"vector_layers": "roads"}, {"vector_layers": [{"id": 7}]}])
def test_an_archive_that_does_not_say_what_is_in_it_is_refused(tmp_path: Path, metadata: Any) -> None:
    path = write(tmp_path / "a.pmtiles", {Tile(0, 0, 0): b"x"}, metadata)
    with pytest.raises(ValueError, match="vector_layers"):
        open_archive(path)


def test_a_truncated_archive_is_refused_at_every_length(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.pmtiles", {Tile(1, x, 0): b"tile" * 20 for x in range(2)}).read_bytes()
    path = tmp_path / "cut.pmtiles"
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="archive"):
            open_archive(path)


def test_bytes_at_random_do_no_harm(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.pmtiles", {Tile(4, x, y): b"tile" for x in range(9) for y in range(x)}).read_bytes()
    random.seed(2)
    path = tmp_path / "broken.pmtiles"
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(random.randrange(1, 6)):
            broken[random.randrange(len(broken))] = random.randrange(256)
        path.write_bytes(broken)
        try:
            archive = open_archive(path)
            for x in range(9):
                archive.read(Tile(4, x, 0))
        except ValueError:
            pass


def test_a_tile_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 200_000_000)
    path = write(tmp_path / "bomb.pmtiles", {Tile(0, 0, 0): bomb}, tile_compression=Compression.GZIP)
    archive = open_archive(path)
    with pytest.raises(ValueError, match="more than"):
        archive.read(Tile(0, 0, 0))


def test_a_damaged_tile_is_503_and_the_others_are_served(city_database: str, tmp_path: Path) -> None:
    for name in ("layers", "data"):
        (tmp_path / name).mkdir()
    tiles = {Tile(1, 0, 0): b"no gzip at all", Tile(1, 1, 0): gzip.compress(b"good")}
    write(tmp_path / "data" / "trees.pmtiles", tiles, tile_compression=Compression.GZIP)
    (tmp_path / "layers" / "ready-made.toml").write_text(LAYER)
    settings = Settings(workspace=tmp_path, database_url=None)
    with TestClient(create_app(settings, city_database), raise_server_exceptions=False) as running:
        damaged = running.get("/tiles/ready-made/1/0/0.mvt")
        assert damaged.status_code == 503
        assert "cannot be read at this tile" in damaged.json()["detail"]
        assert running.get("/tiles/ready-made/1/1/0.mvt").content == b"good"


def test_a_layer_with_a_broken_archive_says_so_and_the_others_are_served(city_database: str, tmp_path: Path) -> None:
    for name in ("layers", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "trees.pmtiles").write_bytes(b"PMTiles\x03 and then something else")
    (tmp_path / "layers" / "ready-made.toml").write_text(LAYER)
    settings = Settings(workspace=tmp_path, database_url=None, samples=True)
    assert [problem.key for problem in check_files(settings, read_catalog(settings))] == ["source"]
    with TestClient(create_app(settings, city_database), raise_server_exceptions=False) as running:
        assert running.get("/tiles/ready-made.json").status_code == 404
        assert running.get("/tiles/trees.json").status_code == 200
        ready = running.get("/readyz").json()
        assert (ready["status"], ready["notLoaded"]) == ("degraded", ["ready-made"])
        assert "begin as one" in ready["problems"][0]["expected"]
        assert running.get("/api/layers").status_code == 200


def test_an_archive_that_is_let_go_closes_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pmtiles", {Tile(0, 0, 0): b"x"})
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        open_archive(path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


# -- layer files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (lambda text: text.replace(".pmtiles", ".geojson"), "source", "a file *.pmtiles"),
        (lambda text: text.replace('"tiles"', '"points"'), "kind", '"tiles"'),
        (lambda text: text + 'time = "at"\n', "time", "the archive says it all"),
        (lambda text: text + 'fields.a = { type = "text" }\n', "fields", "the archive says it all"),
        (lambda text: text + "max_age = 3\n", "max_age", "the archive says it all"),
        (lambda text: text.replace('"tiles"', '"tile"'), "kind", '"tiles"'),
    ],
)
def test_a_wrong_layer_file_names_key_and_expectation(
    tmp_path: Path, change: Callable[[str], str], key: str, words: str
) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "ready-made.toml").write_text(change(LAYER))
    (problem,) = read_catalog(Settings(workspace=tmp_path, database_url=None)).problems
    assert problem.key == key
    assert words in problem.expected


def test_the_zooms_of_the_layer_file_narrow_those_of_the_archive(trees: Path, tmp_path: Path) -> None:
    for name in ("layers", "data"):
        (tmp_path / name).mkdir()
    shutil.copy(trees, tmp_path / "data" / "trees.pmtiles")
    (tmp_path / "layers" / "ready-made.toml").write_text(LAYER + "minzoom = 3\nmaxzoom = 12\n")
    rowless = Rowless()
    assert rowless.refresh(read_catalog(Settings(workspace=tmp_path, database_url=None)))
    layer, _ = rowless.held["ready-made"]
    assert (layer.minzoom, layer.maxzoom) == (8, 12)
    assert not rowless.refresh(read_catalog(Settings(workspace=tmp_path, database_url=None)))


def test_an_archive_that_is_gone_goes_on_for_those_alone_who_may_see_its_layer_by_now(
    trees: Path, tmp_path: Path
) -> None:
    for name in ("layers", "data"):
        (tmp_path / name).mkdir()
    archive = tmp_path / "data" / "trees.pmtiles"
    shutil.copy(trees, archive)
    file, rowless = tmp_path / "layers" / "ready-made.toml", Rowless()
    file.write_text(LAYER)
    settings = Settings(workspace=tmp_path, database_url=None)
    assert rowless.refresh(read_catalog(settings))
    archive.unlink()
    file.write_text(f'access = "restricted"\n{LAYER}')
    assert rowless.refresh(read_catalog(settings))
    held = rowless.held["ready-made"]
    assert held[0].access == "restricted"
    rowless.refresh(read_catalog(settings))
    assert rowless.held["ready-made"] is held
