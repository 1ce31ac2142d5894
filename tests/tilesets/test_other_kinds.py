"""A kind of tiles that the house does not know: one file in `tiling/sources/`, here of pictures."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.catalog.rowless import read_kinds
from geoserver.check import check_files
from geoserver.database.pool import Database
from geoserver.errors import SetupError
from geoserver.filtering import Where
from geoserver.settings import Settings
from geoserver.tiling import build_archive, open_layer, sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHEQUERS = """
import struct
import zlib

from geoserver.catalog import source_path
from geoserver.catalog.rowless import OF_FUNCTIONS, OF_ROWS, Rules
from geoserver.database.status import LayerStatus
from geoserver.errors import CatalogError
from geoserver.tiling.sources.base import RowlessSource, TileContent, build_common, digest


class Chequers(RowlessSource):
    pictures = True

    def open(self, layer):
        path = source_path(layer)
        if not path.is_file():
            raise CatalogError(str(layer.file), "source", f"a file; there is none at {path}")
        changed = path.stat().st_mtime
        return layer, LayerStatus(**build_common(layer, int(changed), changed, None))

    def sign(self, layer):
        return source_path(layer).stat().st_mtime_ns

    def content(self, status):
        return TileContent("image/png", ("png",), shrinks=False)

    def list_layers(self, status):
        return []

    def version(self, catalog, layer, status):
        return digest(layer.id, status.loaded_at)

    async def render(self, database, catalog, layer, status, tile, *, drawing):
        shade = bytes([0, 255 * ((tile.x + tile.y) % 2)])
        parts = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(shade)), (b"IEND", b"")
        chunks = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
                  for name, body in parts)
        return b"\\x89PNG\\r\\n\\x1a\\n" + b"".join(chunks)


KIND = "chequers"
SOURCE = Chequers()
RULES = Rules(idle=OF_ROWS | OF_FUNCTIONS | {"fields"}, why="it has no rows", what="a chequered board",
              endings=(".board",))
"""
LAYER = """
title = "Air photo"
license = "CC0-1.0"
source = "data/a.board"
kind = "chequers"
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A workspace with one such layer, while there is the file of its kind."""
    for name in ("kinds", "layers", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "kinds" / "chequers.py").write_text(CHEQUERS)
    (tmp_path / "layers" / "photo.toml").write_text(LAYER)
    (tmp_path / "data" / "a.board").write_text("")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path / "kinds")])
    read_kinds.cache_clear()
    yield Settings(workspace=tmp_path, database_url=None)
    read_kinds.cache_clear()
    sys.modules.pop(f"{sources.__name__}.chequers", None)


def test_a_kind_of_tiles_is_one_file(settings: Settings, empty_database: str) -> None:
    catalog = read_catalog(settings)
    assert check_files(settings, catalog) == []
    assert not catalog.layers["photo"].has_rows
    with TestClient(create_app(settings, empty_database), base_url="http://127.0.0.1") as client:
        document = client.get("/tiles/photo.json").json()
        (address,) = document["tiles"]
        assert address.endswith("/tiles/photo/{z}/{x}/{y}.png")
        assert document["vector_layers"] == []
        tile = client.get("/tiles/photo/3/1/2.png", headers={"Accept-Encoding": "gzip"})
        assert (tile.status_code, tile.headers["content-type"]) == (200, "image/png")
        assert "content-encoding" not in tile.headers
        assert tile.content.startswith(b"\x89PNG")
        same = {"If-None-Match": tile.headers["etag"]}
        assert client.get("/tiles/photo/3/1/2.png", headers=same).status_code == 304
        assert client.get("/tiles/photo/3/1/2.png?x=1").status_code == 400
        assert client.get("/tiles/photo/3/1/2.mvt").status_code == 404
        told = client.get("/api/layers/photo").json()
        assert (told["kind"], told["geometry"], told["count"]) == ("chequers", None, None)
        assert told["legend"] == []
        assert client.get("/readyz").status_code == 200
        style = client.get("/styles/photo.json").json()
        assert style["sources"]["photo"]["type"] == "raster"
        drawn = client.get("/styles/dark.json?layers=photo").json()["layers"]
        assert [item["type"] for item in drawn if item.get("source") == "photo"] == ["raster"]
        assert drawn[-1]["type"] == "symbol"  # under the labels


def test_an_archive_is_built_of_vector_tiles_only(settings: Settings) -> None:
    catalog = read_catalog(settings)
    layer, status = open_layer(catalog.layers["photo"])
    database = Database("", settings)  # of which nothing is asked
    target = settings.workspace / "a.pmtiles"
    building = build_archive(database, catalog, layer, status, target, zooms=(0, 1), where=Where())
    with pytest.raises(SetupError, match="The tiles of layer photo are no vector tiles"):
        asyncio.run(building)
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (("a.board", "a.csv"), "source", 'a file *.board, because kind = "chequers"'),
        (('"chequers"', '"points"'), "kind", '"chequers", because the source is a chequered board'),
        (
            ('board"\nkind = "chequers"', 'csv"\nkind = "chequer"'),
            "kind",
            "a recipe in tiles/, or `chequers`, `function` or `tiles`",
        ),
        (('kind = "chequers"', 'kind = "chequers"\ntime = "at"'), "time", "it has no rows"),
        (('kind = "chequers"', 'kind = "chequers"\nbasemap = "ours"'), "basemap", "true or false"),
    ],
)
def test_its_layer_files_are_proved_by_its_own_rules(
    settings: Settings, change: tuple[str, str], key: str, words: str
) -> None:
    file = settings.workspace / "layers" / "photo.toml"
    file.write_text(LAYER.replace(*change))
    problem = read_catalog(settings).problems[0]
    assert problem.key == key
    assert words in problem.expected
