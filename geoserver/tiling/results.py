"""What filters leave, kept in memory: the plan of their tiles, and for few points the points; bounded by bytes.

A result is of one version of a layer's rows, so an edit makes it void: the next question reads again. It is read once
for all who ask at the same time, and given up when all of them have left.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from geoserver.errors import BadParameterError, OvertakenError, UnavailableError
from geoserver.tiling.bins import find_bins
from geoserver.tiling.drawing import work
from geoserver.tiling.held import Points
from geoserver.tiling.packed import split_packed
from geoserver.tiling.plans import plan_cells, plan_features
from geoserver.tiling.reading import (
    MOST_ROWS,
    Answer,
    can_hold,
    can_read,
    estimate_cost,
    parse_points,
    parse_shapes,
    read_points,
    read_shapes,
)
from geoserver.tiling.unpacking import MOST, Blocks, build_read, parse_cells, read_blocks
from geoserver.turns import Shared, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer
    from geoserver.tiling.cells import Cells

__all__ = ["Result", "ResultKey", "Results", "is_dear", "read_result", "read_rows"]

_BLOCKS, _POINT = 2_500.0, 0.005  # PostgreSQL's costs (250 are some millisecond) of packed points, and of each
_SOME = 0.2  # of a layer: the part that a few values of its main choice field may have
_DEAR = 150_000  # its cost of reading rows from which on a tile is not kept waiting for them
_PAUSE = 60.0  # seconds until what took too long is tried again
_AT_ONCE = 2  # readings, each of which may take some times `MOST_BYTES` while it is worked through
_PLANS = 2**20  # bytes that plans alone may take, where nothing else is kept
_ENTRY_BYTES = 1_500  # what Python takes for a result and its place


@dataclass(frozen=True, slots=True)
class Result:
    """`features_from` is the plan of the filter; without `held` its tiles are asked of PostGIS.

    What is held may be no more than cells, of which bins are made; with `few` the points themselves can be read, too.
    """

    features_from: int
    held: Cells | None = None
    few: bool = False
    expires: float = math.inf  # of `time.monotonic`: when it is worth to ask again

    @property
    def size(self) -> int:
        return self.held.size if self.held is not None else 0

    def is_sparse(self, status: LayerStatus) -> bool:
        """Whether PostGIS makes the tiles, and of so few rows that they were counted one by one."""
        return self.held is None and self.features_from < status.plan.features_from

    def find_points(self, zoom: int, features_from: int | None = None) -> Cells | None:
        """What the tiles of a zoom are made of; None where it is not held. `features_from` is another plan."""
        start = self.features_from if features_from is None else features_from
        return self.held if zoom < start or isinstance(self.held, Points) else None


class ResultKey(NamedTuple):
    """A layer in one state (`version` of its tiles, `edit` of its rows), under a canonical filter."""

    layer: str
    version: str
    edit: int
    filter: str
    rows: bool = False  # the points themselves are asked for, not only a plan


async def read_result(database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, where: Where) -> Result:
    """Ask what a filter leaves, and plan its tiles; where that takes too long, they have the layer's own plan.

    Raises UnavailableError when the database is away.
    """
    return await _in_time(_read_result(database, catalog, layer, status, where), status)


async def read_rows(database: Database, layer: Layer, status: LayerStatus, where: Where) -> Result:
    """The points that a filter leaves; nothing is held where they are too many, or no points. Raises as above."""
    return await _in_time(_read_rows(database, layer, status, where), status) or Result(status.plan.features_from)


async def _in_time[T](reading: Coroutine[Any, Any, T], status: LayerStatus) -> T | Result:
    try:
        return await reading
    except UnavailableError as error:
        if isinstance(error, OvertakenError) or not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise
        return Result(status.plan.features_from, expires=time.monotonic() + _PAUSE)
    except BadParameterError as error:
        if not isinstance(error.__cause__, psycopg.errors.ProgramLimitExceeded):
            raise
        return Result(status.plan.features_from)  # our arrays are too large, which is no fault of the question


async def _read_result(database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, where: Where) -> Result:
    own = Result(status.plan.features_from)
    if not (can_read(layer, status) and find_bins(catalog.recipes.get(layer.kind, ""))):
        return own
    if can_hold(catalog.recipes, layer):
        ways = [_read_rows, _read_cells]
        if (cost := _cost_packed(layer, status, where)) and await estimate_cost(database, layer, where) > cost:
            ways.reverse()
        for way in ways:
            if (found := await way(database, layer, status, where)) is not None:
                return replace(found, few=found.few and way is ways[0])  # else the rows were asked, and do not fit
    if not own.features_from or (answer := await read_shapes(database, layer, where)) is None:
        return own
    return await work(answer.size, _measure, layer, status, answer)


async def is_dear(database: Database, layer: Layer, status: LayerStatus, where: Where, zoom: int) -> bool:
    """Whether reading all that the filter leaves costs more than letting PostGIS make one tile of this zoom."""
    if zoom < status.plan.features_from and _cost_packed(layer, status, where):
        return False
    return await estimate_cost(database, layer, where) > _DEAR


def _cost_packed(layer: Layer, status: LayerStatus, where: Where) -> float:
    """What it costs to ask packed points, in PostgreSQL's units as it seems from outside; 0 where they cannot tell.

    All times are looked through: of the values that are chosen, which are some, else of all.
    """
    parts = split_packed(layer, status.plan, where) if status.plan.weight else None
    if parts is None:
        return 0.0
    return _BLOCKS + _POINT * status.rows * (_SOME if parts.chosen else 1.0)


async def _read_rows(database: Database, layer: Layer, status: LayerStatus, where: Where) -> Result | None:
    """The points that a filter leaves; None for too many, or for other things than points."""
    answer = await read_points(database, layer, status, where)
    return None if answer is None else await work(answer.size, _hold, layer, status, answer)


async def _read_cells(database: Database, layer: Layer, status: LayerStatus, where: Where) -> Result | None:
    """What packed points tell; None where they tell nothing."""
    parts = split_packed(layer, status.plan, where) if status.plan.weight else None
    if parts is None:
        return None
    try:
        statement, values = build_read(layer, status.plan, parts)
        blocks = await read_blocks(database, statement.as_bytes(None), values)
    except OvertakenError:  # a load has just taken them away
        return None
    if blocks.total > MOST:
        return Result(status.plan.features_from)
    return await work(blocks.size, _count, layer, status, blocks)


def _count(layer: Layer, status: LayerStatus, blocks: Blocks) -> Result | None:
    cells = parse_cells(layer, status.plan, blocks)
    if cells is None:
        return None
    return Result(plan_cells(layer, status.plan, cells), cells, few=len(cells) <= MOST_ROWS)


def _hold(layer: Layer, status: LayerStatus, answer: Answer) -> Result:
    points = parse_points(layer, answer)
    return Result(plan_features(layer, status.plan, points), points)


def _measure(layer: Layer, status: LayerStatus, answer: Answer) -> Result:
    return Result(plan_features(layer, status.plan, parse_shapes(layer, answer)))


class Results:
    """Results by key; `limit` in bytes, 0 keeps plans alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.read = 0  # since the start
        self._kept: OrderedDict[ResultKey, tuple[Result, int]] = OrderedDict()
        self._shared: Shared[ResultKey, Result] = Shared()
        self._turns = Turns(_AT_ONCE)

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: ResultKey) -> Result | None:
        """What is in memory; it counts as used."""
        if (kept := self._kept.get(key)) is None:
            return None
        if kept[0].expires < time.monotonic():
            self._remove(key)
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def knows(self, key: ResultKey) -> bool:
        """Whether it is in memory, or being read."""
        return self.find(key) is not None or key in self._shared

    async def get(self, key: ResultKey, read: Callable[[], Awaitable[Result]], client: str = "") -> Result:
        """The result, read if it has to be, client after client.

        Raises what `read` raises, UnavailableError when too many wait to be read.
        """
        if (known := self.find(key)) is not None:
            return known
        return await self._shared.get(key, lambda: self._read(key, read, client))

    async def _read(self, key: ResultKey, read: Callable[[], Awaitable[Result]], client: str) -> Result:
        async with self._turns.turn(client):
            result = await read()
        self.read += 1
        if self._shared.is_current(key):  # else an edit came meanwhile: `drop`
            self._keep(key, result)
        return result

    def _keep(self, key: ResultKey, result: Result) -> None:
        own = len(key.filter) + _ENTRY_BYTES
        if result.size + own > self.limit:  # keep the plan alone: else it would be read for every tile
            result = replace(result, held=None, few=False)
        size, most = result.size + own, self.limit or _PLANS
        if size > most or key in self._kept:
            return
        self._kept[key] = result, size
        self.bytes += size
        while self.bytes > most:
            self._remove(next(iter(self._kept)))

    def drop(self, layer: str, keep: int | None = None) -> None:
        """Let go of what is of a layer, but for one state of its rows: they are others now.

        Who waits for a reading that goes on gets it; it is not kept, and nobody else joins it.
        """
        for key in [key for key in self._kept if key.layer == layer and key.edit != keep]:
            self._remove(key)
        self._shared.part(lambda key: key.layer == layer and key.edit != keep)

    def _remove(self, key: ResultKey) -> None:
        _, size = self._kept.pop(key)
        self.bytes -= size

    async def stop(self) -> None:
        """End what is being read, and let go of everything."""
        await self._shared.stop()
        self._kept.clear()
        self.bytes = 0
