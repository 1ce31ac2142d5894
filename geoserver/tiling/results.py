"""What filters leave, kept in memory: the plan of their tiles, and for few points the points; bounded by bytes.

A result is of one version of a layer's rows, so an edit makes it void: the next question reads anew. It is read once
for all who ask at the same time, and given up when all of them have left.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from geoserver.tiling.bins import find_bins
from geoserver.tiling.compose import BUDGET, list_steps
from geoserver.tiling.plans import MOST_DRAWN, find_features_from
from geoserver.tiling.reading import Answer, can_hold, can_read, parse_points, parse_shapes, read_points, read_shapes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile
    from geoserver.tiling.bins import Subject
    from geoserver.tiling.held import Points

__all__ = ["Result", "ResultKey", "Results", "draw", "read_result"]

_SHORT = 2_000  # points that are worked through in no time; more of them would hold up the other requests
_ENTRY_BYTES = 1_500  # what Python takes for a result and its place


@dataclass(frozen=True, slots=True)
class Result:
    """`features_from` is the plan of the filter; without `points` its tiles are asked of PostGIS."""

    features_from: int
    points: Points | None = None

    @property
    def size(self) -> int:
        return self.points.size if self.points is not None else 0


class ResultKey(NamedTuple):
    """A layer in one state (`version` of its tiles, `edit` of its rows), under a canonical filter."""

    layer: str
    version: str
    edit: int
    filter: str


async def read_result(database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, where: Where) -> Result:
    """Ask what a filter leaves, and plan its tiles. Raises UnavailableError when the database is away or too slow."""
    own = Result(status.plan.features_from)
    if not (can_read(layer, status) and find_bins(catalog.recipes[layer.kind])):
        return own
    if can_hold(catalog, layer) and (answer := await read_points(database, layer, status, where)) is not None:
        return await _work(answer.rows, _hold, layer, status, answer)
    if not own.features_from or (answer := await read_shapes(database, layer, where)) is None:
        return own
    return await _work(answer.rows, _measure, layer, status, answer)


def _hold(layer: Layer, status: LayerStatus, answer: Answer) -> Result:
    points = parse_points(layer, answer)
    return Result(find_features_from(layer, status.plan, points), points)


def _measure(layer: Layer, status: LayerStatus, answer: Answer) -> Result:
    return Result(find_features_from(layer, status.plan, parse_shapes(layer, answer)))


async def _work[**P, T](rows: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it here or, where the rows are many, beside the event loop."""
    if rows <= _SHORT:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


async def draw(points: Points, subject: Subject, tile: Tile) -> bytes:
    """The tile of points in memory, by the subject's plan; beside the event loop where they are many."""
    count = points.count(tile)
    return await _work(count, _draw, points, subject, tile, count)


def _draw(points: Points, subject: Subject, tile: Tile, count: int) -> bytes:
    body = b""
    for step in list_steps(subject, tile.z):
        if step is not None:
            body = points.render_bins(subject.layer, subject.plan, tile, step.cells)
        elif count > MOST_DRAWN:
            continue
        else:
            body = points.render_features(subject.layer, tile)
        if len(body) <= BUDGET:
            break
    return body


class Results:
    """Results by key; `limit` in bytes, 0 keeps none."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.read = 0  # since the start
        self._kept: OrderedDict[ResultKey, tuple[Result, int]] = OrderedDict()
        self._reads: dict[ResultKey, _Read] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: ResultKey) -> Result | None:
        """What is in memory; it counts as used."""
        if (kept := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    async def get(self, key: ResultKey, read: Callable[[], Awaitable[Result]]) -> Result:
        """The result, read if it has to be; raises what `read` raises."""
        if (known := self.find(key)) is not None:
            return known
        shared = self._reads.get(key)
        if shared is None:
            shared = self._reads[key] = _Read(asyncio.ensure_future(self._read(key, read)))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting or shared.task.done():
                shared.task.cancel()
                if self._reads.get(key) is shared:
                    del self._reads[key]

    async def _read(self, key: ResultKey, read: Callable[[], Awaitable[Result]]) -> Result:
        result = await read()
        self.read += 1
        self._keep(key, result)
        return result

    def _keep(self, key: ResultKey, result: Result) -> None:
        size = result.size + len(key.filter) + _ENTRY_BYTES
        if size > self.limit or key in self._kept:
            return
        self._kept[key] = result, size
        self.bytes += size
        while self.bytes > self.limit:
            self._remove(next(iter(self._kept)))

    def drop(self, layer: str) -> None:
        """Let go of what is of a layer: its rows are others now."""
        for key in [key for key in self._kept if key.layer == layer]:
            self._remove(key)

    def _remove(self, key: ResultKey) -> None:
        _, size = self._kept.pop(key)
        self.bytes -= size

    async def stop(self) -> None:
        """End what is being read, and let go of everything."""
        tasks = [shared.task for shared in self._reads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._kept.clear()
        self.bytes = 0


@dataclass(slots=True)
class _Read:
    task: asyncio.Task[Result]
    waiting: int = 0
