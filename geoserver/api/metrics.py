"""What each worker has done, on a board of numbers that all workers share, and the same for Prometheus.

A worker writes its own row every second and before it is asked; whichever worker is asked tells of all.
"""

from __future__ import annotations

import asyncio
import os
import time
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from geoserver.tiling.flights import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from geoserver.api.following import Following
    from geoserver.api.tile_server import TileServer

__all__ = ["CONTENT_TYPE_LATEST", "Board", "Meter"]

_ANSWERS = ("hit", "miss", "stale")
_COUNTERS = {
    "tile_renders_failed": "Tiles that could not be made: cut by time, or the database was away.",
    "tiles_evicted": "Tiles that fell out of the cache because it was full.",
    "tiles_invalidated": "Tiles in the cache that a change of rows made stale.",
    "results_read": "What filters leave that was read to plan tiles or to make them from.",
    "questions_refused": "Questions that were told to come back because too many were waiting.",
    "process_cpu_seconds": "Processor time that the worker has used.",
}
_GAUGES = {
    "tile_cache_bytes": "Bytes of the tiles in the cache, with keys and overhead.",
    "tile_cache_entries": "Tiles in the cache, of one layer or of several in one.",
    "results_bytes": "Bytes of what filters leave, kept to make tiles from.",
    "results_entries": "Filters of which that is kept.",
    "tile_renders_running": "Tiles that are being made now.",
    "questions_waiting": "Questions that wait for their turn to be read, or for the database or a thread.",
    "streams": "Streams of changes that are open.",
    "process_resident_memory_bytes": "Memory that the worker holds.",
}
_WIDTH = len(_ANSWERS) + len(_COUNTERS) + len(_GAUGES) + 2 + len(BUCKETS)
_EVERY = 1.0  # seconds


class Board:
    """A row of numbers for each worker, in memory that the processes share; handed to them when they are made."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._cells = RawArray("d", workers * _WIDTH)

    def write(self, worker: int, values: list[float]) -> None:
        self._cells[worker * _WIDTH : (worker + 1) * _WIDTH] = values

    def read(self, worker: int) -> list[float]:
        return list(self._cells[worker * _WIDTH : (worker + 1) * _WIDTH])


class Meter:
    """Writes one worker's row, and tells of all; a collector for `prometheus_client`."""

    def __init__(self, tiles: TileServer, following: Following, board: Board | None = None, worker: int = 0) -> None:
        self.board = board or Board(1)
        self._tiles = tiles
        self._following = following
        self._worker = worker
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def run(self) -> None:
        """Write every second, until cancelled."""
        while True:
            self.write()
            await asyncio.sleep(_EVERY)

    def write(self) -> None:
        """Put this worker's numbers on the board."""
        tiles, made = self._tiles, self._tiles.flights.counts
        turns = tiles.questions.all_turns
        refused, waiting = sum(each.refused for each in turns), sum(each.waiting for each in turns)
        cached = tiles.cache.counts
        results = tiles.results
        counters = [made.failed, cached.evicted, cached.invalidated, results.read, refused, time.process_time()]
        kept = [tiles.cache.bytes, len(tiles.cache), results.bytes, len(results)]
        gauges = [*kept, len(tiles.flights), waiting, len(self._following), _read_memory()]
        answers = [tiles.hits, tiles.misses, tiles.stale]
        self.board.write(self._worker, [*answers, *counters, *gauges, made.renders, made.seconds, *made.buckets])

    def render(self) -> bytes:
        """Prometheus' text; beside the board what its library knows of this process, if it is the only one."""
        self.write()
        own = generate_latest(self._registry)
        return own + generate_latest(REGISTRY) if self.board.workers == 1 else own

    def describe(self) -> list[Metric]:
        """Nothing before it is asked, as `prometheus_client` allows."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every number with a label that names the worker, counted from 1."""
        rows = [(str(worker + 1), self.board.read(worker)) for worker in range(self.board.workers)]
        answers = CounterMetricFamily(
            "geoserver_tile_answers", "Tiles answered: from memory, made, or old.", labels=["worker", "result"]
        )
        for worker, row in rows:
            for at, result in enumerate(_ANSWERS):
                answers.add_metric([worker, result], row[at])
        yield answers
        kinds: list[tuple[Any, dict[str, str]]] = [(CounterMetricFamily, _COUNTERS), (GaugeMetricFamily, _GAUGES)]
        at = len(_ANSWERS)
        for kind, names in kinds:
            for name, text in names.items():
                family = kind(f"geoserver_{name}", text, labels=["worker"])
                for worker, row in rows:
                    family.add_metric([worker], row[at])
                yield family
                at += 1
        yield _build_histogram([(worker, row[at:]) for worker, row in rows])


def _build_histogram(rows: list[tuple[str, list[float]]]) -> Metric:
    """Of rows with count, sum and cumulated buckets."""
    family = HistogramMetricFamily("geoserver_tile_render_seconds", "Time to make a tile.", labels=["worker"])
    for worker, (count, total, *buckets) in rows:
        shown = [*((str(most), value) for most, value in zip(BUCKETS, buckets, strict=True)), ("+Inf", count)]
        family.add_metric([worker], shown, total)
    return family


def _read_memory() -> float:
    """Resident bytes of this process; 0 where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
