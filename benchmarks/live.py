"""A layer that changes all the time: what its readers notice, what folding costs, and that nothing grows."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks import sql
from benchmarks.city import POINTS
from benchmarks.drive import Timing, measure
from benchmarks.frame import Row, Table
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings
from geoserver.database.connecting import connect
from geoserver.database.edits import LOCK
from geoserver.database.status import STATUS_QUERY, build_status
from geoserver.tiling import Subject, fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.frame import Context
    from geoserver.model import Layer

__all__ = ["run"]

_ZOOMS = (0, 8, 10, 11, 12, 13, 14, 15, 16)
_QUESTIONS = {
    "no filter": {},
    "a category": {"filter": "category = 'burglary'"},
    "a year": {"datetime": "2022-01-01/2022-12-31"},
    "both": {"filter": "category = 'burglary'", "datetime": "2022-01-01/2022-12-31"},
    "a number": {"filter": "amount > 900"},
}
_NOTED, _SLOWER = 10_000, 1.5  # rows of log that are not folded, and times that tiles may take then
_MOVED, _EVERY, _READERS = 300, 5.0, 20
_PAUSE = 0.1  # seconds for which each looks at a tile
_LIVE = 120  # times the seconds of a measurement: ten minutes by default
_RATE, _SHARE = 100, 0.2  # rows a second, and the part of a core that folding may take
_CALM = 2.0  # times its quiet p95 that a tile may take
_GROWN = 1.2  # times its size after a third of the time that a table may have at the end


def run(context: Context) -> list[Row]:
    """Tiles over notes that are not folded, folding at a hundred rows a second, then ten minutes of a live layer."""
    layer = context.load(POINTS)
    rows: list[Row] = []
    with context.step("live", "notes that are not folded"):
        rows += _measure_unfolded(context, layer)
    with context.step("live", "folding"):
        rows += _measure_folding(context, layer)
    with context.step("live", "rows that move"), _declared_live(context):
        rows += _measure_live(context, layer)
    return rows


@contextlib.contextmanager
def _declared_live(context: Context) -> Iterator[None]:
    """Inside, the layer's file says that its rows change all the time."""
    file = context.folder / "layers" / f"{POINTS}.toml"
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}\n[live]\n", encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


@contextlib.contextmanager
def _nobody_folds(context: Context) -> Iterator[psycopg.Connection]:
    """Inside, no server takes the turn to follow edits; it is this connection's."""
    with psycopg.connect(context.database_url, autocommit=True) as holding:
        holding.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield holding


def _fold(context: Context, layer: Layer) -> float:
    """Fold what is noted; gives the seconds that it took."""
    with connect(context.database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            statuses = [build_status(row) for row in cursor.execute(STATUS_QUERY)]
        connection.rollback()
        (status,) = (status for status in statuses if status.id == layer.id)
        recipes = read_catalog(read_settings(context.folder)).recipes
        start = time.perf_counter()
        fold(connection, layer.id, Subject(recipes, layer, status.plan, status.geometry_type))
        return time.perf_counter() - start


def _measure_unfolded(context: Context, layer: Layer) -> list[Row]:
    """Tiles that are made, over the zooms, filtered and not: each kind of question has one figure."""
    tiles = [
        tile for found in sql.choose_tiles(context.database_url, layer, list(_ZOOMS), 6).values() for tile in found
    ]
    paths = {
        name: [f"/tiles/{layer.id}/{tile.z}/{tile.x}/{tile.y}.mvt?{urlencode(question)}" for tile in tiles]
        for name, question in _QUESTIONS.items()
    }
    with _nobody_folds(context) as holding:
        _fold(context, layer)
        with context.serve(cold=True) as server:
            folded = {name: _ask_all(server.url, some) for name, some in paths.items()}
            _edit(context, layer)
            holding.execute("SELECT geoserver.tell_edits(NULL)")
            time.sleep(3)  # its state is read again
            noted = {name: _ask_all(server.url, some) for name, some in paths.items()}
        seconds = _fold(context, layer)
    context.note(f"live: folding {_NOTED:,} rows of log among {context.rows:,} took {seconds:.1f} s")
    rows = [
        Row("live", f"tiles over {_NOTED:,} rows of log, {name}", noted[name].mean, "ms", folded[name].mean, "folded")
        for name in paths
    ]
    every, before = (Timing([one for timing in each.values() for one in timing.samples]) for each in (noted, folded))
    name = f"tiles over {_NOTED:,} rows of log, all of these"
    return [*rows, Row("live", name, every.mean, "ms", before.mean, "folded", at_most=_SLOWER)]


def _ask_all(url: str, paths: list[str]) -> Timing:
    measure(url, paths, seconds=0, least=len(paths))
    timing = measure(url, paths, seconds=0, least=3 * len(paths))
    if timing.failed:
        raise RuntimeError(f"{timing.failed} tiles failed")
    return timing


def _edit(context: Context, layer: Layer) -> None:
    """Move half as many rows as are to be noted, a hundred at a time: each is noted where it was and where it is."""
    draw = random.Random(7)
    statement = SQL("UPDATE {} SET geom = ST_Translate(geom, 0.0003, 0.0002) WHERE fid = ANY(%s)").format(
        Identifier("layers", layer.table)
    )
    with psycopg.connect(context.database_url, autocommit=True, options="-c timezone=UTC") as connection:
        for some in itertools.batched(draw.sample(range(1, context.rows), _NOTED // 2), 100):
            connection.execute(statement, [list(some)])


class _Moving:
    """An editor who moves so many rows again and again, in pauses, for as long as this is open."""

    def __init__(self, context: Context, layer: Layer, rows: int, every: float) -> None:
        self._url, self._table, self._rows, self._every = context.database_url, layer.table, rows, every
        self._most = context.rows
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        draw = random.Random(11)
        statement = SQL(
            "UPDATE {} SET geom = ST_Translate(geom, 0.002 * (random() - 0.5), 0.002 * (random() - 0.5)),"
            " reported_at = now() WHERE fid = ANY(%s)"
        ).format(Identifier("layers", self._table))
        with psycopg.connect(self._url, autocommit=True, options="-c timezone=UTC") as connection:
            fids = draw.sample(range(1, self._most), 3_000)
            for turn in itertools.count():
                start = time.monotonic()
                some = [fids[(turn * self._rows + at) % len(fids)] for at in range(self._rows)]
                connection.execute(statement, [some])
                if self._over.wait(max(0.0, self._every - (time.monotonic() - start))):
                    return

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _measure_folding(context: Context, layer: Layer) -> list[Row]:
    """What the machine does beside, at a hundred rows a second, with folding and without."""
    used: dict[str, float] = {}
    held: contextlib.AbstractContextManager[object]
    for name, held in (("without", _nobody_folds(context)), ("with", contextlib.nullcontext())):
        with held, context.serve(), _Moving(context, layer, _RATE, 1.0):
            time.sleep(2)
            before, start = _read_busy(), time.monotonic()
            time.sleep(max(20.0, 6 * context.seconds))
            used[name] = (_read_busy() - before) / (time.monotonic() - start)
        _fold(context, layer)
    name = f"folding at {_RATE} rows a second, cores ({used['with']:.2f} less {used['without']:.2f})"
    return [Row("live", name, used["with"] - used["without"], "cores", at_most=_SHARE)]


def _read_busy() -> float:
    """Seconds for which the machine's cores have worked."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:])
    return (user + nice + system) / 100


def _measure_live(context: Context, layer: Layer) -> list[Row]:
    """Twenty readers look at tiles of a view; three hundred rows move every five seconds."""
    found = sql.choose_tiles(context.database_url, layer, [10, 12, 13, 14, 15], 12)
    places = [f"/tiles/{layer.id}/{tile.z}/{tile.x}/{tile.y}.mvt" for tiles in found.values() for tile in tiles]
    paths = [f"{place}?{urlencode(_QUESTIONS[name])}" for name in ("no filter", "a category") for place in places]
    seconds = _LIVE * context.seconds
    lines = []
    with context.serve() as server:
        quiet = _read_tiles(server.url, paths, min(30.0, seconds))
        busy = Timing()
        with _Moving(context, layer, _MOVED, _EVERY):
            for part in range(6):
                busy += measure(server.url, paths, connections=_READERS, seconds=seconds / 6, pause=_PAUSE)
                sizes = _read_sizes(context, layer)
                lines.append((f"{(part + 1) * seconds / 6:.0f} s", *(f"{size / 1e6:.1f}" for size in sizes.values())))
                if part == 1:
                    early = sizes
    with context.serve(cold=True) as server:
        calm = _read_tiles(server.url, paths, min(30.0, seconds))
        with _Moving(context, layer, _MOVED, _EVERY):
            made = _read_tiles(server.url, paths, min(60.0, seconds))
    rows = [
        Row("live", "tile p95 while rows move", busy.p95, "ms", quiet.p95, "quiet", at_most=_CALM),
        Row("live", "tile p50 while rows move", busy.p50, "ms", quiet.p50, "quiet"),
        Row("live", "tile p95 while rows move, no tile kept", made.p95, "ms", calm.p95, "quiet", at_most=_CALM),
        *(
            Row("live", f"{name} at the end", size / 1e6, "MB", early[name] / 1e6, "after a third", at_most=_GROWN)
            for name, size in sizes.items()
        ),
    ]
    header = ("after", *sizes)
    title = f"Sizes while {_MOVED} of {context.rows:,} rows move every {_EVERY:.0f} s, MB"
    context.tables.append(Table(title, header, tuple(lines)))
    return rows


def _read_tiles(url: str, paths: list[str], seconds: float) -> Timing:
    measure(url, paths, connections=_READERS, seconds=3)
    return measure(url, paths, connections=_READERS, seconds=seconds, pause=_PAUSE)


def _read_sizes(context: Context, layer: Layer) -> dict[str, int]:
    query = (
        "SELECT pg_table_size(%(t)s), pg_indexes_size(%(t)s), pg_total_relation_size(%(t)s || '__packed'),"
        " pg_total_relation_size(%(t)s || '__delta'), pg_total_relation_size(%(t)s || '__bins'),"
        " pg_total_relation_size('geoserver.edits')"
    )
    with psycopg.connect(context.database_url, autocommit=True) as connection:
        row = connection.execute(query, {"t": f"layers.{layer.table}"}).fetchone()
    assert row is not None
    return dict(zip(("table", "indexes", "packed points", "log of points", "ready tiles", "notes"), row, strict=True))
