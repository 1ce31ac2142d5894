"""One feature among a million changes: its tile is new at once at every zoom, and all others come from memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import psycopg
import pytest
from fastapi.testclient import TestClient

from benchmarks.data import CENTRE, write_points
from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

ROWS = 1_000_000
LAYER = """\
title = "Reports"
license = "CC0-1.0"
source = "data/reports.csv"
key = "incident"
kind = "points"
time = "reported_at"
fields.category = { type = "text", filter = "choice" }
fields.reported_at = { type = "timestamp", filter = "range" }
"""
FILTERS = ["", "?filter=category='arson' AND reported_at >= DATE('2021-01-01')"]


def count(body: bytes) -> int:
    """What bins count, and features, in a tile."""
    layers = mapbox_vector_tile.decode(body) if body else {}
    bins = [item["properties"] for item in layers.get("reports:bins", {"features": []})["features"]]
    return sum(item["count"] for item in bins) + len(layers.get("reports", {"features": []})["features"])


def test_only_the_tiles_under_a_changed_feature_are_made_anew(
    tmp_path: Path, make_database: Callable[..., str], empty_template: str
) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers/reports.toml").write_text(LAYER, encoding="utf-8")
    write_points(tmp_path / "data/reports.csv", ROWS)
    url = make_database(template=empty_template)
    settings = Settings(workspace=tmp_path, database_url=None)
    load(read_catalog(settings).layer("reports"), url)
    lon, lat = CENTRE
    around = [
        tile
        for zoom in range(17)
        for tile in mercantile.tiles(
            lon - 40 / 2**zoom, lat - 40 / 2**zoom, lon + 40 / 2**zoom, lat + 40 / 2**zoom, zooms=zoom
        )
    ]
    app = create_app(settings, url)
    with TestClient(app) as client, psycopg.connect(url, autocommit=True) as connection:
        flights = app.state.tiles.flights

        def ask(tile: mercantile.Tile, query: str) -> Any:
            """Whatever is not old: on a busy machine the bytes of before come while new ones are made."""
            deadline = time.monotonic() + 30
            while True:
                answer = client.get(f"/tiles/reports/{tile.z}/{tile.x}/{tile.y}.mvt{query}")
                assert answer.status_code in (200, 204)
                if "x-tile-stale" not in answer.headers:
                    return answer
                assert time.monotonic() < deadline, "it stays old"

        before = {(tile, query): ask(tile, query) for tile in around for query in FILTERS}
        made = flights.counts.renders
        connection.execute(
            "INSERT INTO layers.reports (fid, source_key, category, reported_at, geom)"
            " VALUES (10000000, 'B1', 'arson', '2022-02-02T00:00:00Z', ST_Point(%s, %s, 4326))",
            [lon, lat],
        )
        touched = {mercantile.tile(lon, lat, zoom) for zoom in range(17)}
        deadline = time.monotonic() + 30
        while app.state.services.statuses["reports"].rows != ROWS + 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for (tile, query), old in before.items():
            if tile in touched:
                assert count(ask(tile, query).content) == count(old.content) + 1, (tile, query)
        remade = flights.counts.renders
        assert remade >= made + len(touched) * len(FILTERS)
        for (tile, query), old in before.items():
            reach = 360 / 2**tile.z / 60  # degrees: the buffer of a tile, and a little
            near = {
                mercantile.tile(lon + dx, lat + dy, tile.z) for dx in (-reach, 0, reach) for dy in (-reach, 0, reach)
            }
            if tile not in near:
                assert ask(tile, query).headers.get("etag") == old.headers.get("etag")
        assert flights.counts.renders == remade, "what the change does not touch is answered without a query"
