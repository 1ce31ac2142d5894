"""Tiles drawn in memory: of points that are held, or of packed points that are read for one tile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier, Literal

from geoserver.tiling.bins import ready_table
from geoserver.tiling.cells import Positions, encode_bins
from geoserver.tiling.compose import BUDGET, list_steps
from geoserver.tiling.counted import encode_fitting
from geoserver.tiling.density import EVERYTHING
from geoserver.tiling.held import Points
from geoserver.tiling.noted import read_noted
from geoserver.tiling.packed import split_packed
from geoserver.tiling.patching import build_recount, patch, place_cells, recount, replace_cells
from geoserver.tiling.plans import MOST_DRAWN
from geoserver.tiling.reading import can_hold
from geoserver.tiling.texts import find_texts
from geoserver.tiling.unpacking import Blocks, build_read, parse_positions, read_blocks, read_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from geoserver.database.pool import Database
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile, TilePlan, ZoomPlan
    from geoserver.tiling.bins import Subject
    from geoserver.tiling.cells import Cells
    from geoserver.tiling.compose import Statement
    from geoserver.tiling.counted import Counted
    from geoserver.tiling.noted import Noted

__all__ = ["draw", "draw_packed", "draw_ready", "work"]

_SHORT = 100_000  # bytes that are worked through in a millisecond or two; more would hold up the other requests
_COUNTED = 4  # bytes that can be written while a point is counted
_MOST = 200_000  # points of one tile that are read: some 4 MB, and the time of one core; PostgreSQL counts more itself
_TRIES = 3  # of a ready tile whose layer is being folded
_MOST_LOST = 200_000  # points in cells of a ready tile that are counted again while somebody waits for it
_MOST_LOSSY = 2_000_000  # where some were removed since they were packed: PostgreSQL would have to look at the rows

# A tile's counted bins, and the version of the layer when they were.
_READY = SQL("""
SELECT ready.counted, folded.version
FROM (SELECT counted FROM {ready} WHERE z = {z} AND x = %(x)s AND y = %(y)s AND counted IS NOT NULL) AS ready,
    (SELECT version FROM geoserver.layers WHERE id = {layer}) AS folded""")


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
    if not blocks.are_read:
        return None
    return await work(blocks.size, _draw_packed, blocks, subject, tile)


async def draw_ready(database: Database, subject: Subject, tile: Tile, version: int) -> bytes | None:
    """The tile from bins that are kept counted, with what was edited up to a version of the layer, or later.

    None where it is none of those. Raises as `draw_packed` does.
    """
    layer, plan = subject.layer, subject.plan
    cells = plan.zooms[tile.z].cells
    for _ in range(_TRIES):
        ((text, values),) = find_texts(_build_ready, subject, tile, None, EVERYTHING)
        stored, folded = await read_raw(database, text, values, prepare=None)
        if stored is None or folded is None:
            return None
        noted = await read_noted(database, layer, plan, int.from_bytes(folded), version)
        if noted is None:  # it was folded between the two
            continue
        if noted.changes is None:
            return None
        counted, lost = await asyncio.to_thread(patch, stored, noted.changes, plan, tile, cells)
        if counted.weigh(lost) > _MOST_LOST:
            return None
        if len(lost):
            anew = await _recount(database, subject, (tile, cells, lost), noted)
            if anew is None:
                continue
            counted = replace_cells(counted, lost, anew)
        body, _ = await asyncio.to_thread(encode_fitting, layer, plan, counted, cells, BUDGET)
        return body
    return None


async def _recount(
    database: Database, subject: Subject, where: tuple[Tile, int, np.ndarray], noted: Noted
) -> Counted | None:
    """Cells whose least or greatest day was removed; None where they were folded meanwhile."""
    layer, plan = subject.layer, subject.plan
    ((text, _),) = find_texts(_build_recount, subject, where[0], None, EVERYTHING)
    folded, *raw = await read_raw(database, text, place_cells(plan, *where), prepare=None)
    if int.from_bytes(folded or b"") != noted.folded:
        return None
    return await asyncio.to_thread(recount, layer, plan, where, raw, noted.changes)


def _build_recount(subject: Subject, _: Tile, __: ZoomPlan | None, ___: Where) -> list[Statement]:
    return [(build_recount(subject.layer), {})]


def _build_ready(subject: Subject, tile: Tile, _: ZoomPlan | None, __: Where) -> list[Statement]:
    statement = _READY.format(
        ready=Identifier("layers", ready_table(subject.layer)), z=Literal(tile.z), layer=Literal(subject.layer.id)
    )
    return [(statement, {"x": tile.x, "y": tile.y})]


def _build_read(subject: Subject, tile: Tile, _: ZoomPlan | None, where: Where) -> list[Statement]:
    parts = split_packed(subject.layer, subject.plan, where)
    return (
        [build_read(subject.layer, subject.plan, parts, tile, most=_MOST, most_lossy=_MOST_LOSSY)]
        if parts is not None
        else []
    )


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
