"""Memory of the server after it has answered very many different tiles, beside what its cache may hold."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from benchmarks import sql
from benchmarks.data import CATEGORIES
from benchmarks.drive import ask_each
from benchmarks.frame import Row
from benchmarks.shapes import SURFACES, USES
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.frame import Context, Server

__all__ = ["read_memory", "run"]

ROOM = 150  # MiB beside the cache
_SEED = 11
_ZOOMS = {9: 0.01, 11: 0.02, 12: 0.04, 13: 0.08, 14: 0.15, 15: 0.2, 16: 0.5}  # shares: most tiles are deep ones
_QUARTERS = [f"{year}-{first:02}/{year}-{first + 2:02}" for year in range(2020, 2025) for first in (1, 4, 7, 10)]
_YEARS = [f"{year}/{year + 4}" for year in range(1950, 2025, 5)]
_FILTERS = {
    "points": ("category", CATEGORIES, _QUARTERS),
    "buildings": ("use", USES, _YEARS),
    "streets": ("surface", SURFACES, _YEARS),
}


def run(context: Context) -> list[Row]:
    """Resident memory of the server's processes, before and after."""
    paths = _choose_paths(context)
    with context.serve(*_FILTERS) as server:
        before = read_memory(server)
        failed = ask_each(server.url, paths, connections=context.concurrency, encoding="gzip")
        after = read_memory(server)
    if failed:
        context.note(f"memory: {failed} of {len(paths):,} tiles were refused")
    cache = _read_cache_size()
    if cache is None:
        context.note("memory: the server has no cache, so it may hold the room beside the cache alone")
    name = f"server after {len(paths):,} different tiles, cache {cache or 0} MiB"
    return [
        Row("memory", "server before the first tile", before, "MiB"),
        Row("memory", name, after, "MiB", at_most=(cache or 0) + ROOM),
    ]


def _choose_paths(context: Context) -> list[str]:
    """So many different addresses: tiles by density, one in ten without a filter."""
    random = np.random.default_rng(_SEED)
    tiles = {
        name: sql.choose_tiles(context.database_url, context.load(name), list(_ZOOMS), 20_000) for name in _FILTERS
    }
    found: dict[str, None] = {}
    tries = 0
    while len(found) < context.different_tiles and tries < 20 * context.different_tiles:
        name = ("points", "points", "buildings", "streets")[random.integers(4)]
        zoom = int(random.choice(list(_ZOOMS), p=list(_ZOOMS.values())))
        tile = tiles[name][zoom][random.integers(len(tiles[name][zoom]))]
        found[f"/tiles/{name}/{tile.z}/{tile.x}/{tile.y}.mvt{_draw_question(random, name)}"] = None
        tries += 1
    if len(found) < context.different_tiles:
        context.note(f"memory: these data have no more than {len(found):,} different tiles and filters")
    return list(found)


def _draw_question(random: np.random.Generator, name: str) -> str:
    field, values, times = _FILTERS[name]
    if random.random() < 0.1:
        return ""
    value, time = random.choice(values), random.choice(times)
    return f"?{field}={quote(str(value))}&datetime={time}"


def read_memory(server: Server) -> float:
    """Memory that the server's process and its children hold, in MiB; pages that they share are counted once.

    Where one began or ended meanwhile its pages would be counted twice or not at all, so all are read again.
    """
    while True:
        with contextlib.suppress(OSError):  # one ended while it was looked at
            pids = list(_walk(server.pid))
            shares = sum(map(_read_share, pids))
            if pids == list(_walk(server.pid)):
                return shares / 1024


def _walk(pid: int) -> Iterator[int]:
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            yield from _walk(int(child))


def _read_share(pid: int) -> int:
    """KiB of resident memory, of what is shared the process's part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _read_cache_size() -> int | None:
    """The setting of the server that was measured, in MiB; None where it has no cache."""
    field = Settings.model_fields.get("tile_cache_mb")
    return int(os.environ.get("GEOSERVER_TILE_CACHE_MB", field.default)) if field else None
