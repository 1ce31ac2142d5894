"""Tiles over HTTP beside the same SQL through psycopg alone: same tiles in the same order, as many connections."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

import mercantile
import numpy as np
import psycopg
import uvloop
from psycopg.sql import SQL

from benchmarks.frame import Context, Row
from geoserver.catalog import read_catalog
from geoserver.model import Tile
from geoserver.settings import Settings
from geoserver.tiling.postgis import build_values
from geoserver.tiling.recipes import build_statement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["run"]

ZOOMS = (14, 15, 16)
_TILES = 200  # per zoom
_ROUNDS = 3  # ours and the reference take turns, so that a busy moment of the machine hits both

type Ask = Callable[[Tile], Awaitable[int]]


def run(context: Context) -> list[Row]:
    """Throughput per zoom, all bytes read; gzip as browsers ask for it, and without."""
    with context.serve() as server:
        return uvloop.run(_run(context, server.url))


async def _run(context: Context, url: str) -> list[Row]:
    rows = []
    for zoom in ZOOMS:
        tiles = await _choose_tiles(context, zoom)
        ways = {
            "sql": lambda: _open_sql(context),
            "http": lambda: _open_http(url, ""),
            "gzip": lambda: _open_http(url, "gzip"),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        size = 0.0
        for _ in range(_ROUNDS):
            for name, opener in ways.items():
                rate, mean = await _measure(opener, tiles, context)
                rates[name].append(rate)
                size = mean if name == "sql" else size
        sql, http, gzip = (float(np.median(rates[name])) for name in ways)
        context.note(f"tiles: z{zoom}: {len(tiles)} tiles of {size / 1000:.0f} kB on average")
        against = "the same SQL by psycopg"
        rows += [
            Row("tiles", f"z{zoom} over HTTP, gzip", gzip, "tiles/s", sql, against, at_least=0.5),
            Row("tiles", f"z{zoom} over HTTP, identity", http, "tiles/s", sql, against),
        ]
    return rows


async def _choose_tiles(context: Context, zoom: int) -> list[Tile]:
    """Tiles that people look at: those of points drawn at random, each once."""
    statement = SQL("SELECT ST_X(geom), ST_Y(geom) FROM layers.points WHERE fid %% 997 = 0 ORDER BY md5(fid::text)")
    async with await psycopg.AsyncConnection.connect(context.database_url) as connection:
        places = await (await connection.execute(statement, {})).fetchall()
    found = dict.fromkeys(mercantile.tile(lon, lat, zoom) for lon, lat in places)
    return [Tile(tile.z, tile.x, tile.y) for tile in itertools.islice(found, _TILES)]


async def _measure(
    opener: Callable[[], Awaitable[Ask]], tiles: Sequence[Tile], context: Context
) -> tuple[float, float]:
    """Tiles per second and mean bytes over all connections, after one warm-up second."""
    asks = [await opener() for _ in range(context.concurrency)]
    await _drive(asks, tiles, 1.0)
    return await _drive(asks, tiles, context.seconds)


async def _drive(asks: Sequence[Ask], tiles: Sequence[Tile], seconds: float) -> tuple[float, float]:
    upcoming = itertools.cycle(tiles)
    start = time.perf_counter()
    count = size = 0

    async def work(ask: Ask) -> None:
        nonlocal count, size
        while time.perf_counter() - start < seconds:
            size += await ask(next(upcoming))
            count += 1

    await asyncio.gather(*(work(ask) for ask in asks))
    return count / (time.perf_counter() - start), size / max(count, 1)


async def _open_sql(context: Context) -> Ask:
    """The limit: the statement that the server runs, on one connection, with nothing around it."""
    catalog = read_catalog(Settings(workspace=context.folder))
    layer = catalog.layers["points"]
    statement = build_statement(catalog.recipes[layer.kind], layer, SQL("TRUE")).as_string(None)
    options = "-c timezone=UTC -c jit=off"  # as in the server's pool
    connection = await psycopg.AsyncConnection.connect(context.database_url, autocommit=True, options=options)
    cursor = connection.cursor(binary=True)

    async def ask(tile: Tile) -> int:
        await cursor.execute(statement.encode(), build_values(tile))
        row = await cursor.fetchone()
        return len(row[0]) if row else 0

    return ask


async def _open_http(url: str, encoding: str) -> Ask:
    """A keep-alive connection with as little client as can be."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**22)

    async def ask(tile: Tile) -> int:
        path = f"/tiles/points/{tile.z}/{tile.x}/{tile.y}.mvt"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: {encoding}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith((b"http/1.1 200", b"http/1.1 204")):
            raise RuntimeError(f"{path}: {head[:40]!r}")
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        return len(await reader.readexactly(length))

    return ask
