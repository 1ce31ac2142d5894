"""Tiles drawn in memory: of points that are held, or of packed points that are read for one tile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from geoserver.tiling.bins import split_packed
from geoserver.tiling.cells import Positions, encode_bins
from geoserver.tiling.compose import BUDGET, list_steps
from geoserver.tiling.held import Points
from geoserver.tiling.plans import MOST_DRAWN
from geoserver.tiling.reading import can_hold
from geoserver.tiling.texts import find_texts
from geoserver.tiling.unpacking import Blocks, build_read, parse_positions, read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from geoserver.database.pool import Database
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile, TilePlan, ZoomPlan
    from geoserver.tiling.bins import Subject
    from geoserver.tiling.cells import Cells
    from geoserver.tiling.compose import Statement

__all__ = ["draw", "draw_packed", "work"]

_SHORT = 100_000  # bytes that are worked through in a millisecond or two; more would hold up the other requests
_COUNTED = 4  # bytes that can be written while a point is counted
_MOST = 200_000  # points of one tile that are read: some 4 MB, and the time of one core; PostgreSQL counts more itself


async def work[**P, T](size: int, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it here or, where the bytes are many, beside the event loop."""
    if size <= _SHORT:
        return do(*args, **kwargs)
    return await asyncio.to_thread(do, *args, **kwargs)


async def draw(points: Cells, subject: Subject, tile: Tile) -> bytes:
    """The tile of points in memory, by the subject's plan; beside the event loop where they are many."""
    count = points.count(tile)
    drawn = tile.z >= subject.plan.features_from and isinstance(points, Points)
    size = count * (points.size // max(len(points), 1) if drawn else _COUNTED)
    return await work(size, _draw, points, subject, tile, count)


def _draw(points: Cells, subject: Subject, tile: Tile, count: int) -> bytes:
    body = b""
    for step in list_steps(subject, tile.z):
        if step is not None:
            body = points.render_bins(subject.layer, subject.plan, tile, step.cells)
        elif not isinstance(points, Points) or count > MOST_DRAWN:
            continue
        else:
            body = points.render_features(subject.layer, tile)
        if len(body) <= BUDGET:
            break
    return body


async def draw_packed(database: Database, subject: Subject, tile: Tile, step: ZoomPlan, where: Where) -> bytes | None:
    """The tile's bins, as `step` or coarser, from the packed points beneath; None where PostgreSQL is to count them.

    Raises UnavailableError, and OvertakenError when a load has just taken the packed points away.
    """
    layer, plan = subject.layer, subject.plan
    fine = plan.level >= tile.z + step.cells.bit_length() - 1
    if not (fine and split_packed(layer, plan, where) is not None and can_hold(subject.recipes, layer)):
        return None
    ((text, values),) = find_texts(_build_read, subject, tile, None, where)
    blocks = await read_blocks(database, text, values, prepare=None)
    if blocks.total > _MOST:
        return None
    return await work(blocks.size, _draw_packed, blocks, subject, tile)


def _build_read(subject: Subject, tile: Tile, _: ZoomPlan | None, where: Where) -> list[Statement]:
    parts = split_packed(subject.layer, subject.plan, where)
    return [build_read(subject.layer, subject.plan, parts, tile, _MOST)] if parts is not None else []


def _draw_packed(blocks: Blocks, subject: Subject, tile: Tile) -> bytes | None:
    layer, plan = subject.layer, subject.plan
    points = parse_positions(layer, plan, blocks)
    if points is None:
        return None
    body = b""
    for step in list_steps(subject, tile.z):
        if step is not None and len(body := _count(points, layer, plan, tile, step.cells)) <= BUDGET:
            break
    return body


def _count(points: Positions, layer: Layer, plan: TilePlan, tile: Tile, cells: int) -> bytes:
    bits = cells.bit_length() - 1
    finer = plan.level - tile.z - bits
    column, row = (points.column >> finer) - (tile.x << bits), (points.row >> finer) - (tile.y << bits)
    if tile.z > plan.block:
        held = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
        column, row, points = column[held], row[held], Positions(*(part[held] for part in points))
    return encode_bins(layer, plan, cells, points._replace(column=column, row=row)) if len(column) else b""
