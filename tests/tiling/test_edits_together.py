"""Many editors at once, a worker that folds all the time, loads in between: tiles and counts are those of the rows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mercantile
import psycopg
import pytest
import shapely
from decoded import said
from psycopg.rows import dict_row
from psycopg.types.json import Json
from random_rows import draw_row, draw_shape

from geoserver import editing
from geoserver.catalog import Catalog, read_catalog
from geoserver.database.pool import Database
from geoserver.database.status import STATUS_QUERY, LayerStatus, build_status, read_statuses
from geoserver.editing import Editing
from geoserver.filtering import build
from geoserver.loading import load
from geoserver.model import Field, Layer, Tile
from geoserver.settings import Settings
from geoserver.tasks import Keeper
from geoserver.tiling import Subject, preparing, render
from geoserver.tiling.counted import encode, parse_counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIELDS = {
    "name": Field("name", "Name", "text", filter="choice"),
    "size": Field("size", "Size", "integer"),
    "at": Field("at", "At", "timestamp"),
}
FILTERS = (
    "",
    "name = 'oak' OR name IS NULL",
    "at >= TIMESTAMP('2022-01-01T00:00:00Z')",
    "name IN ('oak', 'elm') AND at < TIMESTAMP('2023-01-01T00:00:00Z')",
    "size < 50",
)
ADD = (
    "INSERT INTO layers.{table} ({fid}name, size, at, geom) SELECT {value}name, size, at, ST_GeomFromWKB(%s, 4326)"
    " FROM json_populate_record(NULL::layers.{table}, %s)"
)
EDITS = {
    "insert": ADD,
    "change": "UPDATE layers.{table} SET name = 'elm', size = 7 WHERE {some}",
    "later": "UPDATE layers.{table} SET at = at + interval '40 days' WHERE {some}",
    "move": "UPDATE layers.{table} SET geom = ST_Translate(geom, 0.003, 0.001) WHERE {some}",
    "delete": "DELETE FROM layers.{table} WHERE {some}",
    "upsert": "INSERT INTO layers.{table} (fid, name, geom) SELECT fid, 'yew', geom FROM layers.{table}"
    " WHERE {some} ON CONFLICT (fid) DO UPDATE SET name = excluded.name",
    "merge": "MERGE INTO layers.{table} AS t USING (SELECT fid, geom FROM layers.{table} WHERE {some}"
    " UNION ALL SELECT -1, ST_GeomFromWKB(%s, 4326)) AS s ON t.fid = s.fid"
    " WHEN MATCHED AND t.fid %% 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET name = 'fig'"
    " WHEN NOT MATCHED THEN INSERT (name, geom) VALUES ('bay', s.geom)",
    "truncate": "TRUNCATE layers.{table}",
    "all": "DELETE FROM layers.{table}",
}
# What an editor may meet beside others, and then does again: who waits for each other, equal ids, a table just swapped.
MET = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UniqueViolation,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.UndefinedTable,
)


@dataclass
class Ground:
    """One loaded layer, whoever edits it, and who follows that."""

    url: str
    layer: Layer
    catalog: Catalog
    runner: asyncio.Runner
    database: Database
    draw: random.Random
    status: LayerStatus
    done: Counter[str] = field(default_factory=Counter)

    @property
    def table(self) -> str:
        return self.layer.table

    def refresh(self) -> None:
        self.status = self.runner.run(read_statuses(self.database))[self.layer.id]

    def find(self, layer_id: str) -> Subject | None:
        """What the worker is to fold by."""
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True) as own:
            (status,) = [build_status(row) for row in own.execute(STATUS_QUERY) if row["id"] == layer_id]
        return Subject(self.catalog.recipes, self.layer, status.plan, status.geometry_type)

    def load(self) -> None:
        load(self.layer, self.url, force=True, recipes=self.catalog.recipes)

    def edit(self, seed: str, transactions: int) -> None:
        """So many transactions over a connection of its own."""
        draw = random.Random(seed)
        with psycopg.connect(self.url, options="-c timezone=UTC -c deadlock_timeout=20ms", autocommit=True) as own:
            for _ in range(transactions):
                with contextlib.suppress(*MET), own.transaction():
                    for _ in range(draw.randint(1, 3)):
                        with own.transaction(force_rollback=draw.random() < 0.2):
                            self._edit_once(draw, own)
                    self.done["transactions"] += 1

    def edit_together(self, editors: int, transactions: int, *, loading: bool = False) -> None:
        with ThreadPoolExecutor(editors + 1) as pool:
            work = [pool.submit(self.edit, str(self.draw.random()), transactions) for _ in range(editors)]
            if loading:
                work.append(pool.submit(self.load))
            for one in work:
                one.result()

    def _edit_once(self, draw: random.Random, own: psycopg.Connection) -> None:
        table, kind = self.table, self.layer.kind
        some = f"fid IN (SELECT fid FROM layers.{table} ORDER BY md5(fid::text || %s) LIMIT %s)"
        chosen = [str(draw.random()), draw.randint(1, 5)]
        new = (draw_shape(draw, kind).wkb, Json(draw_row(draw)))
        what = draw.choices(
            ["insert", "given", "change", "later", "move", "delete", "upsert", "copy", "merge", "truncate", "all"],
            [6, 2, 3, 3, 4, 3, 2, 2, 2, 0.15, 0.15],
        )[0]
        self.done[what] += 1
        match what:
            case "given":
                own.execute(ADD.format(table=table, fid="fid, ", value="%s, "), [draw.randrange(10**4, 10**9), *new])
            case "copy":
                with own.cursor() as cursor, cursor.copy(f"COPY layers.{table} (name, at, geom) FROM STDIN") as copy:
                    for _ in range(draw.randint(1, 9)):
                        copy.write_row(["oak", "2022-03-03", f"SRID=4326;{draw_shape(draw, kind).wkt}"])
            case "insert" | "merge":
                values = new if what == "insert" else [*chosen, new[0]]
                own.execute(EDITS[what].format(table=table, some=some, fid="", value=""), values)
            case _:
                own.execute(EDITS[what].format(table=table, some=some), chosen if "{some}" in EDITS[what] else None)

    def compare(self, most: int) -> None:
        """Count, bounds and tiles of zooms 0 to 16 (of each zoom `most`) are those that the rows alone make."""
        self.refresh()
        with psycopg.connect(self.url, autocommit=True) as own:
            boxes = own.execute(
                f"SELECT ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom) FROM layers.{self.table}"
            ).fetchall()
        assert self.status.rows == len(boxes)
        bounds = self.status.bounds
        assert (bounds is None) == (not boxes)
        for west, south, east, north in boxes:
            assert bounds is not None
            assert bounds.west <= west <= east <= bounds.east
            assert bounds.south <= south <= north <= bounds.north
        by_rows = replace(self.status, plan=replace(self.status.plan, block=-1, prebuilt=-1))
        for zoom in range(17):
            tiles = sorted({(t.x, t.y) for box in boxes for t in mercantile.tiles(*box, zoom)})
            for tile in (Tile(zoom, *place) for place in self.draw.sample(tiles, min(most, len(tiles)))):
                for text in FILTERS:
                    where = build(self.layer, self.status, filter=text)
                    now, then = (
                        self.runner.run(render(self.database, self.catalog, self.layer, each, tile, where=where))
                        for each in (self.status, by_rows)
                    )
                    assert said(now) == said(then), (tile, text)

    def compare_ready(self) -> None:
        """Once nothing is noted any more: each ready tile as it is kept is what the rows make."""
        self.refresh()
        by_rows = replace(self.status, plan=replace(self.status.plan, block=-1, prebuilt=-1))
        with psycopg.connect(self.url, autocommit=True) as own:
            if own.execute("SELECT to_regclass(%s)", [f"layers.{self.table}__bins"]).fetchone() == (None,):
                return
            ready = own.execute(f"SELECT z, x, y, tile, counted FROM layers.{self.table}__bins").fetchall()
        where = build(self.layer, self.status)
        for z, x, y, body, counted in ready:
            if body is None and counted is None:
                continue
            made = self.runner.run(render(self.database, self.catalog, self.layer, by_rows, Tile(z, x, y), where=where))
            kept = body or encode(self.layer, self.status.plan, parse_counted(counted), self.status.plan.zooms[z].cells)
            assert said(kept) == said(made), (z, x, y)

    def await_folded(self) -> None:
        """Until the worker has worked in all that is noted."""
        deadline = time.monotonic() + 30
        with psycopg.connect(self.url, autocommit=True) as own:
            while own.execute("SELECT count(*) FROM geoserver.edits").fetchone() != (0,):
                assert time.monotonic() < deadline, "notes are not folded"
                time.sleep(0.05)


@contextlib.contextmanager
def following(ground: Ground) -> Iterator[None]:
    """The worker of a server runs; what goes wrong in it is raised at the end."""
    loop = asyncio.new_event_loop()
    keeper = Keeper()
    task = loop.create_task(Editing(ground.url, ground.find, list, keeper).run())
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(_run, loop, task)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(task.cancel)
            ended.result()
            assert keeper.problems == {}


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with contextlib.closing(loop), contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)


@pytest.fixture
def make_ground(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Ground]]:
    """Makes a loaded layer of random rows, some tiles of which are kept ready."""
    monkeypatch.setattr(preparing, "_HEAVY", 100)
    for name, value in (("_WAIT", 0.1), ("_LOOK", 0.05), ("_SHARE", 1)):  # it folds nearly all the time
        monkeypatch.setattr(editing, name, value)
    settings = Settings(workspace=tmp_path, database_url=empty_database)
    with contextlib.ExitStack() as stack:

        def make(kind: str, rows: int, seed: str) -> Ground:
            draw = random.Random(seed)
            features = [
                {"type": "Feature", "geometry": shapely.geometry.mapping(draw_shape(draw, kind)), "properties": row}
                for row in (draw_row(draw) for _ in range(rows))
            ]
            source = tmp_path / "rows.geojson"
            source.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
            keys: dict[str, Any] = {"features_from": 12} if kind == "points" else {}
            layer = Layer(
                id="edited-together",
                title="Edited",
                description="",
                theme="",
                license="CC0-1.0",
                attribution="",
                source=str(source),
                kind=kind,
                geometry=kind,
                file=tmp_path / "layers" / "edited-together.toml",
                fields=FIELDS,
                time="at",
                facet="name",
                tile_fields=("name",),
                maxzoom=16,
                **keys,
            )
            catalog = read_catalog(settings)
            runner = stack.enter_context(asyncio.Runner())
            database = Database(empty_database, settings)
            runner.run(database.open())
            stack.callback(lambda: runner.run(database.close()))
            load(layer, empty_database, recipes=catalog.recipes)
            status = runner.run(read_statuses(database))[layer.id]
            assert status.plan.prebuilt >= 0
            return Ground(empty_database, layer, catalog, runner, database, draw, status)

        yield make


@pytest.mark.parametrize(("kind", "editors"), [("points", 1), ("points", 10), ("lines", 10), ("polygons", 1)])
def test_what_some_edit_while_it_is_folded_is_what_a_rebuild_makes(
    make_ground: Callable[..., Ground], kind: str, editors: int
) -> None:
    ground = make_ground(kind, 400 if kind == "points" else 150, f"together {kind} {editors}")
    with following(ground):
        for loading in (False, True):
            ground.edit_together(editors, 30 // editors, loading=loading)
            ground.compare(1)
        ground.await_folded()
        ground.compare(1)
    ground.compare_ready()
    assert ground.done["transactions"] > 30


@pytest.mark.slow
@pytest.mark.parametrize("editors", [1, 10])
@pytest.mark.parametrize("kind", ["points", "lines", "polygons"])
def test_what_many_edit_for_long_while_it_is_folded_and_loaded_is_what_a_rebuild_makes(
    make_ground: Callable[..., Ground], kind: str, editors: int
) -> None:
    ground = make_ground(kind, 1500 if kind == "points" else 400, f"long together {kind} {editors}")
    with following(ground):
        for round_ in range(12):
            ground.edit_together(editors, 200 // editors, loading=round_ % 3 == 1)
            ground.compare(6)
            if round_ % 4 == 3:
                ground.await_folded()
                ground.compare(6)
                ground.compare_ready()
    assert ground.done["transactions"] > 1000
