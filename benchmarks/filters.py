"""Filters that leave few rows and many: a cold tile beside the same tile unfiltered, and what the first question costs.

As the page does it, TileJSON is asked for under the filter first, and its address of the tiles is used. A filter is a
category and a stretch of time, found in the data so that about so many rows are left.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import orjson
import psycopg
import uvloop
from psycopg.sql import SQL, Identifier

from benchmarks import sql
from benchmarks.city import BIG, POINTS
from benchmarks.drive import Client, Timing, fetch_all, measure
from benchmarks.frame import Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.frame import Context
    from geoserver.model import Layer, Tile

__all__ = ["Window", "find_windows", "run"]

LEFT = (10, 1_000, 5_000, 100_000)  # rows
ZOOMS = range(9, 15)
_FIRST_ZOOM = 12  # of the tile that is asked for after TileJSON
_TILES = 48  # per zoom
_ROUNDS = 2  # filtered and unfiltered take turns, so that a busy moment of the machine hits both
_NEW = 16  # filters never asked before, for each way of asking first
_ENCODING = "gzip"


@dataclass(frozen=True)
class Window:
    """One category from one second until another, and how many rows that leaves."""

    category: str
    start: int
    end: int
    rows: int

    @property
    def question(self) -> str:
        """As the page asks."""
        start, end = (f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}" for second in (self.start, self.end))
        times = f"reported_at >= TIMESTAMP('{start}') AND reported_at < TIMESTAMP('{end}')"
        return f"filter={quote(f"category IN ('{self.category}') AND {times}", safe='')}"

    @property
    def condition(self) -> str:
        """The same in SQL, without colons, which pgbench would take for variables."""
        times = f"reported_at >= to_timestamp({self.start}) AND reported_at < to_timestamp({self.end})"
        return f"category = '{self.category}' AND {times}"


def run(context: Context) -> list[Row]:
    """Tiles of each filter, then filters that nobody has asked; over ten times the points too where they are wanted."""
    names = (POINTS, BIG) if context.big else (POINTS,)
    layers = [context.load(name) for name in names]
    rows: list[Row] = []
    with context.serve(*names, cold=True) as server:
        for layer in layers:
            measure(server.url, [f"/tiles/{layer.id}/0/0/0.mvt", f"/tiles/{layer.id}.json"], seconds=0.5)
            for left in LEFT:
                with context.step("filters", f"{layer.id}, some {left:,} rows left"):
                    rows += _measure_filter(context, layer, server.url, left)
    return rows


def _measure_filter(context: Context, layer: Layer, url: str, left: int) -> list[Row]:
    windows = _read_windows(context.database_url, layer, left)
    if not windows:
        context.note(f"filters: {layer.id} has too few rows for filters that leave {left:,}")
        return []
    first = _measure_first(context, layer, url, windows[1:])
    return [*first, *_measure_tiles(context, layer, url, windows[0])]


def _read_windows(database_url: str, layer: Layer, left: int) -> list[Window]:
    """Windows in the rarest category that has room for them, the one nearest to that number of rows first."""
    table = Identifier("layers", layer.table)
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            SQL("SELECT category FROM {} GROUP BY 1 HAVING count(*) >= %s ORDER BY count(*), 1 LIMIT 1").format(table),
            [2 * left],
        ).fetchone()
        if found is None:
            return []
        seconds = connection.execute(
            SQL("SELECT extract(epoch FROM reported_at)::bigint FROM {} WHERE category = %s ORDER BY 1").format(table),
            found,
        ).fetchall()
    return find_windows(found[0], np.array(seconds, dtype=np.int64)[:, 0], left, 2 * _NEW + 1)


def find_windows(category: str, seconds: np.ndarray, left: int, number: int) -> list[Window]:
    """So many windows of one length that differ, by the sorted times of the category's rows; the nearest one first."""
    length = int(np.median(seconds[left:] - seconds[:-left]))
    windows = []
    for start in np.linspace(seconds[0], seconds[-1] - length, number).astype(int):
        first, last = np.searchsorted(seconds, [start, start + length])
        if last > first:
            windows.append(Window(category, int(start), int(start + length), int(last - first)))
    return sorted(windows, key=lambda window: abs(window.rows - left))


def _measure_tiles(context: Context, layer: Layer, url: str, window: Window) -> Iterator[Row]:
    """Per zoom the tiles in which the filter's rows lie, under the filter and without it."""
    document = orjson.loads(fetch_all(url, [f"/tiles/{layer.id}.json?{window.question}"])[0])
    filtered, plain = _read_template(document), f"/tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt"
    zooms = [zoom for zoom in ZOOMS if zoom in context.zooms]
    lines: list[tuple[str, ...]] = []
    for zoom, tiles in sql.choose_tiles(context.database_url, layer, zooms, _TILES, window.condition).items():
        ours, other = Timing(), Timing()
        for _ in range(_ROUNDS):
            ours += _measure(context, url, filtered, tiles)
            other += _measure(context, url, plain, tiles)
        what = f"{layer.id} z{zoom}, {window.rows:,} rows left, cold, p95"
        if ours.failed + other.failed:
            context.note(f"filters: {what}: {ours.failed} filtered and {other.failed} unfiltered requests failed")
        yield Row("filters", what, ours.p95, "ms", other.p95, "the same tiles unfiltered", at_most=1)
        cells = (f"{timing.p50:.3g} / {timing.p95:.3g}, {timing.largest / 1000:,.1f}" for timing in (ours, other))
        lines.append((f"z{zoom}", str(len(set(tiles))), *cells))
    title = f"{layer.id}, {window.rows:,} rows left by {window.condition}; features from z{document['features_from']}"
    header = ("zoom", "tiles", "filtered: p50 / p95, ms, largest, kB in gzip", "unfiltered")
    context.tables.append(Table(title, header, lines))


def _measure(context: Context, url: str, template: str, tiles: Sequence[Tile]) -> Timing:
    return measure(url, [_fill(template, tile) for tile in tiles], seconds=context.seconds / 5, encoding=_ENCODING)


def _measure_first(context: Context, layer: Layer, url: str, windows: Sequence[Window]) -> Iterator[Row]:
    """Filters that nobody has asked: TileJSON and then a tile; a tile at once; and the tile by plain SQL."""
    asks = [_First(window, _find_fullest(context.database_url, layer, window)) for window in windows]
    plan, both, tile = uvloop.run(_ask_first(url, layer, asks))
    statements = [sql.build_tile(layer, ask.tile.z, ask.window.condition) for ask in asks]
    plain = sql.measure_each(context.database_url, statements, [ask.tile for ask in asks])
    rows = sorted(window.rows for window in windows)
    what, name = f"{layer.id}, {rows[0]:,} to {rows[-1]:,} rows left, first asked", f"z{_FIRST_ZOOM} tile"
    yield Row("filters", f"{what}: TileJSON and {name}", both.p50, "ms", plain.p50, f"plain ST_AsMVT, {name}")
    yield Row("filters", f"{what}: TileJSON", plan.p50, "ms", tile.p50, f"{name} of such a filter, cold", at_most=1)


@dataclass(frozen=True)
class _First:
    """A filter that is new, and the tile in which most of its rows lie."""

    window: Window
    tile: Tile


def _find_fullest(database_url: str, layer: Layer, window: Window) -> Tile:
    return sql.choose_tiles(database_url, layer, [_FIRST_ZOOM], 1, window.condition)[_FIRST_ZOOM][0]


async def _ask_first(url: str, layer: Layer, asks: Sequence[_First]) -> tuple[Timing, Timing, Timing]:
    """TileJSON alone, TileJSON with the tile after it, and a tile of which no TileJSON was asked for, in turns."""
    client = Client(url, "")
    plan, both, tile = Timing(), Timing(), Timing()
    for planned, direct in zip(asks[::2], asks[1::2], strict=False):
        start = time.perf_counter()
        document = orjson.loads(await _ask(client, f"/tiles/{layer.id}.json?{planned.window.question}"))
        plan.samples.append((time.perf_counter() - start) * 1000)
        await _ask(client, _fill(_read_template(document), planned.tile))
        both.samples.append((time.perf_counter() - start) * 1000)
        path = f"/tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt?{direct.window.question}{_read_plan(document)}"
        start = time.perf_counter()
        await _ask(client, _fill(path, direct.tile))
        tile.samples.append((time.perf_counter() - start) * 1000)
    client.close()
    return plan, both, tile


async def _ask(client: Client, path: str) -> bytes:
    status, body = await client.ask(path)
    if status not in (200, 204):
        raise RuntimeError(f"{path}: status {status}: {body[:200]!r}")
    return body


def _read_template(document: dict[str, Any]) -> str:
    """Path and question of the tiles' address in TileJSON, with {z}, {x} and {y}."""
    parts = urlsplit(document["tiles"][0])
    return f"{parts.path}?{parts.query}"


def _read_plan(document: dict[str, Any]) -> str:
    """The plan that the tiles' address carries, for a filter that is much like this one; nothing where it has none."""
    found = parse_qs(urlsplit(document["tiles"][0]).query).get("features-from", [])
    return f"&features-from={found[0]}" if found else ""


def _fill(template: str, tile: Tile) -> str:
    for axis in ("z", "x", "y"):
        template = template.replace(f"{{{axis}}}", str(getattr(tile, axis)))
    return template
