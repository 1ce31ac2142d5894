"""Beside fifty clients that ask costly filters: what `/healthz` and tiles from memory lose, and what stays behind.

The crowd is a process of its own that asks as quickly as it is answered, and is killed in the middle of its questions.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import uvloop

from benchmarks import sql
from benchmarks.city import POINTS
from benchmarks.drive import Client, Timing, fetch_all
from benchmarks.frame import Row, Table
from benchmarks.memory import read_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.frame import Context, Server

__all__ = ["run"]

CLIENTS = 50
TERMS = 120
SLOWER = 3.0  # times its quiet p95 that a cheap answer may take
ROOM = 100.0  # MB above idle
_PAUSE = 0.02  # seconds between two questions of the one who measures
_ROUNDS = 3  # of quiet and crowded in turn, so that a busy moment of the machine hits both
_DOORS = ("tiles", "summary", "ogc")


@dataclass
class Seen:
    """What one way of asking saw, by door."""

    health: Timing = field(default_factory=Timing)
    tile: Timing = field(default_factory=Timing)


def run(context: Context) -> list[Row]:
    """The same questions on a quiet server and beside the crowd, in turns; once with one address, once with fifty."""
    layer = context.load()
    tiles = sql.choose_tiles(context.database_url, layer, [10, 12, 13], 8)
    hot = [f"/tiles/{POINTS}/{tile.z}/{tile.x}/{tile.y}.mvt" for found in tiles.values() for tile in found]
    rows: list[Row] = []
    for addresses, who in ((1, f"{CLIENTS} at one address"), (CLIENTS, f"{CLIENTS} at their own")):
        with context.serve() as server:
            fetch_all(server.url, hot, "gzip")
            _measure(server.url, hot, 1.0)  # the first answers are slower
            arguments = [server.url, str(addresses), *(f"{tile.z}/{tile.x}/{tile.y}" for tile in tiles[12])]
            rows += _run_beside(context, server, who, hot, arguments)
    return rows


def _run_beside(context: Context, server: Server, who: str, hot: list[str], arguments: list[str]) -> list[Row]:
    quiet, crowded = Seen(), Seen()
    idle = read_memory(server)
    memory, asked = [idle], ""
    for _ in range(_ROUNDS):
        _measure(server.url, hot, context.seconds, quiet)
        with _crowd(server, memory, arguments) as crowd:
            time.sleep(2)
            _measure(server.url, hot, context.seconds, crowded)
        asked = crowd.said
    back = _await_ogc(server.url)
    left = _await_rest(context.database_url)
    context.note(f"crowd, {who}: filters of {TERMS} terms over {context.rows:,} points at three doors; {asked}")
    context.tables.append(_build_table(who, {"quiet": quiet, "beside": crowded}))
    probes = (("/healthz", quiet.health, crowded.health), ("hot tile", quiet.tile, crowded.tile))
    if failed := sum(beside.failed for _, _, beside in probes):
        context.note(f"crowd, {who}: {failed} cheap questions failed")
    return [
        *(
            Row("crowd", f"{name}, p95, beside {who}", beside.p95, "ms", before.p95, "quiet", at_most=SLOWER)
            for name, before, beside in probes
        ),
        Row("crowd", f"memory above idle, {who}", (max(memory) - idle) * 1.048576, "MB", at_most=ROOM),
        Row("crowd", f"OGC answers again after {who} left", back, "s"),
        Row("crowd", f"the last query ends after {who} left", left, "s"),
    ]


def _build_table(who: str, seen: dict[str, Seen]) -> Table:
    lines = [
        (f"{name}, {when}", f"{timing.p50:.2f}", f"{timing.p95:.2f}", f"{max(timing.samples):.1f}", str(timing.count))
        for when, found in seen.items()
        for name, timing in (("/healthz", found.health), ("hot tile", found.tile))
    ]
    return Table(f"Beside {who}: latency in ms", ("what", "p50", "p95", "longest", "answers"), lines)


def _measure(url: str, hot: list[str], seconds: float, seen: Seen | None = None) -> None:
    """Ask for health and a hot tile every `_PAUSE`, each on a connection of its own."""
    found = seen or Seen()

    async def probe(paths: list[str], timing: Timing) -> None:
        client, number, start = Client(url, "gzip"), 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            began = time.perf_counter()
            status, _ = await client.ask(paths[number % len(paths)])
            timing.samples.append((time.perf_counter() - began) * 1000)
            timing.failed += status not in (200, 204)
            timing.count, number = timing.count + 1, number + 1
            await asyncio.sleep(_PAUSE)
        client.close()

    async def both() -> None:
        await asyncio.gather(probe(["/healthz"], found.health), probe(hot, found.tile))

    uvloop.run(both())


@dataclass
class _Crowd:
    said: str = ""


@contextlib.contextmanager
def _crowd(server: Server, memory: list[float], arguments: list[str]) -> Iterator[_Crowd]:
    """The crowd beside what is done meanwhile; it is killed at the end, with every question open."""
    command = [sys.executable, "-m", "benchmarks.crowd", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            memory.append(read_memory(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    crowd = _Crowd()
    try:
        yield crowd
    finally:
        over.set()
        watcher.join()
        process.kill()
        lines = process.communicate()[0].splitlines()
        crowd.said = lines[-1] if lines else "none was answered"


def _await_ogc(url: str) -> float:
    """Seconds until one page of one feature is answered."""
    start = time.perf_counter()

    async def ask() -> int:
        client = Client(url, "")
        try:
            async with asyncio.timeout(120):
                return (await client.ask(f"/ogc/collections/{POINTS}/items?limit=1"))[0]
        finally:
            client.close()

    while uvloop.run(ask()) != 200:
        time.sleep(0.05)
    return time.perf_counter() - start


def _await_rest(database_url: str) -> float:
    """Seconds until the database works for nobody."""
    start = time.perf_counter()
    query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = 'geoserver'"
    with psycopg.connect(database_url, autocommit=True) as connection:
        while (connection.execute(query).fetchone() or (0,))[0]:
            time.sleep(0.05)
    return time.perf_counter() - start


def build_filter(number: int) -> str:
    """120 comparisons that no other question has."""
    return " OR ".join(
        f"(category = 'x{number:x}-{term:x}' AND reported_at >= TIMESTAMP('2022-01-{term % 28 + 1:02}T00:00:00Z'))"
        for term in range(TERMS // 2)
    )


def _ask_for_ever(url: str, addresses: int, tiles: list[str]) -> None:
    """Be the crowd: each client asks at one door, one question after the other, and says what came of it."""
    counts: dict[str, int] = {}

    async def work(number: int) -> None:
        client, at = Client(url, "gzip", f"127.0.0.{2 + number % addresses}"), 0
        door = _DOORS[number % len(_DOORS)]
        while True:
            asked = f"filter={quote(build_filter(number * 100_000 + at))}"
            path = {
                "tiles": f"/tiles/{POINTS}/{tiles[at % len(tiles)]}.mvt?{asked}",
                "summary": f"/api/layers/{POINTS}/summary?{asked}",
                "ogc": f"/ogc/collections/{POINTS}/items?limit=10&{asked}",
            }[door]
            at += 1
            status, _ = await client.ask(path)
            name = f"{door} {status}"
            counts[name] = counts.get(name, 0) + 1
            said = ", ".join(f"{key}: {count}" for key, count in sorted(counts.items()))
            print(f"answers in the last round by door and status: {said}", flush=True)

    async def all_of_them() -> None:
        await asyncio.gather(*(work(number) for number in range(CLIENTS)))

    uvloop.run(all_of_them())


if __name__ == "__main__":
    _ask_for_ever(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
