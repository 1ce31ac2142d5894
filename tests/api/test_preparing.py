"""A running server while a load prepares tiles behind the rows: it says so, counts right, and drops the first tiles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
from counted_tiles import LAYER, World, wait_for, write_workspace

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.loading import behind, load
from geoserver.loading.report import PREPARING
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

TILE = "/tiles/stops/0/0/0.mvt"


def count(body: bytes) -> int:
    return sum(item["properties"]["count"] for item in mapbox_vector_tile.decode(body)["stops:bins"]["features"])


def test_a_server_tells_of_a_layer_whose_tiles_are_being_prepared_and_counts_it_right(
    tmp_path: Path, empty_database: str, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind, "_OFTEN", 0)
    world = World(write_workspace(tmp_path), empty_database)
    file = world.workspace / "layers" / "stops.toml"
    file.write_text(LAYER.format(id="stops").replace('"counted"', '"points"') + "features_from = 12\n", "utf-8")
    (world.workspace / "layers" / "shops.toml").unlink()
    seen: list[tuple[list[dict[str, Any]], str]] = []
    tiles = []

    def read(path: str) -> Any:
        return json.loads(world.ask(path).body)

    def progress(done: int, total: int | None, phase: str) -> None:
        if phase == PREPARING:
            # The share is told after each step, and read by the server a moment later.
            wait_for(lambda: [item for item in read("/readyz")["preparing"] if item["done"] > 0 or not seen])
            ready = read("/readyz")
            seen.append((ready["preparing"], read("/api/layers/stops")["tiles"]))
            assert ready["status"] == "ready"
            tiles.append(world.ask(TILE))

    settings = Settings(workspace=world.workspace, database_url=None)
    with serve(create_app(settings, world.database_url), world.database_url) as server:
        world.url = server.url
        load(read_layer(file), world.database_url, progress=progress)
        wait_for(lambda: read("/readyz")["preparing"] == [])
        assert read("/api/layers/stops")["tiles"] == "ready"
        last = world.ask(TILE)
    assert [tell for _, tell in seen] == ["preparing"] * len(seen)
    assert {item["layer"] for preparing, _ in seen for item in preparing} == {"stops"}
    assert 0 <= seen[0][0][0]["done"] < seen[-1][0][0]["done"] < 1
    assert [count(tile.body) for tile in [*tiles, last]] == [144] * (len(tiles) + 1)
    assert mapbox_vector_tile.decode(last.body)["stops:bins"]["extent"] == 64
