"""Folding: what edits have noted is worked into what was computed from the rows, so that notes stay few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from geoserver.database.status import build_plan
from geoserver.filtering import Parts
from geoserver.model import Tile
from geoserver.tiling.bins import CountedTables, Subject, ready_table
from geoserver.tiling.counted import write_counted
from geoserver.tiling.counting import UncountableError, count_tiles
from geoserver.tiling.packed import choose_noted, delta_table, pack_table
from geoserver.tiling.patching import build_recount, list_touched, patch, place_cells, recount, replace_cells
from geoserver.tiling.reading import can_hold
from geoserver.tiling.ready import make_fitting
from geoserver.tiling.unpacking import NOTED, parse_noted

if TYPE_CHECKING:
    import numpy as np
    import psycopg

    from geoserver.tiling.counted import Counted
    from geoserver.tiling.patching import Changes

__all__ = ["fold", "remake_tiles"]

_MOST = 1_000_000  # points in cells of a tile that are counted again at once: some 60 MB


def fold(connection: psycopg.Connection, layer_id: str, subject: Subject | None, told: str | None = None) -> int:
    """Work the notes of a layer in; gives how many there were. One at a time may do so.

    Those that the snapshot `told` does not see stay, for nobody was told of them yet. The connection's transactions
    have to be REPEATABLE READ: notes, rows and what is counted are those of one moment.
    Raises psycopg.errors.SerializationFailure or UndefinedTable where a load goes first, for the caller to come again.
    """
    table = Identifier("layers", layer_id.replace("-", "_"))
    with connection.transaction():
        connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table))
        counted = subject is not None and _is_counted(connection, subject) and _is_current(connection, subject)
        changes = _read_changes(connection, subject) if subject is not None and counted else None
        row = connection.execute(
            "SELECT geoserver.fold_edits(%s, %s::pg_snapshot, patching => %s)", [layer_id, told, changes is not None]
        ).fetchone()
        notes = int(row[0]) if row else 0
        if notes and changes is not None and subject is not None:
            _patch_tiles(connection, subject, changes)
    return notes


def remake_tiles(connection: psycopg.Connection, subject: Subject) -> int | None:
    """Make some of a layer's ready tiles that edits emptied; gives how many. One at a time, as above.

    None where the layer is not made by the subject's plan (any more), for the caller to come again.
    """
    layer, plan = subject.layer, subject.plan
    table = Identifier("layers", ready_table(layer))
    with connection.transaction():
        connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(Identifier("layers", layer.table)))
        if not _has_ready(connection, layer.table):
            return 0
        if not _is_current(connection, subject):
            return None
        rows = connection.execute(
            SQL("SELECT z, x, y FROM {} WHERE tile IS NULL AND counted IS NULL ORDER BY z DESC").format(table)
        ).fetchall()
        tiles = [Tile(*row) for row in rows]
        if plan.block >= 0 and can_hold(subject.recipes, layer):
            wanted = {tile: plan.zooms[tile.z].cells for tile in tiles if tile.z < len(plan.zooms)}
            try:
                counted = count_tiles(connection, layer, plan, wanted, pack_table(layer))
            except UncountableError:
                return 0
            for tile in tiles:
                _store(connection, subject, tile, counted=write_counted(counted[tile]) if tile in counted else None)
            return len(tiles)
        for tile in tiles[:1]:  # counted from the rows, which takes long
            body = b""
            if tile.z < len(plan.zooms):
                body = make_fitting(connection, subject, CountedTables(layer.table, ""), tile, plan.zooms[tile.z])
            _store(connection, subject, tile, body=body or None)
        return len(tiles[:1])


def _is_counted(connection: psycopg.Connection, subject: Subject) -> bool:
    """Whether ready tiles are counted bins, to which edits can be added."""
    return (
        subject.plan.block >= 0
        and can_hold(subject.recipes, subject.layer)
        and _has_ready(connection, subject.layer.table)
    )


def _is_current(connection: psycopg.Connection, subject: Subject) -> bool:
    """Whether the subject's plan is the one by which points are packed and tiles kept ready at this moment."""
    query = "SELECT plan FROM geoserver.layers WHERE id = %s AND preparing IS NULL"
    row = connection.execute(query, [subject.layer.id]).fetchone()
    return row is not None and build_plan(row[0]) == subject.plan


def _has_ready(connection: psycopg.Connection, name: str) -> bool:
    row = connection.execute("SELECT to_regclass(format('layers.%%I', %s::text)) IS NOT NULL", [f"{name}__bins"])
    return bool((row.fetchone() or (False,))[0])


def _read_changes(connection: psycopg.Connection, subject: Subject) -> Changes | None:
    layer, plan = subject.layer, subject.plan
    noted = choose_noted(layer, plan, Parts(), delta_table(layer), within=SQL("TRUE"))
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(SQL("SELECT {} FROM ({}) AS points").format(NOTED, noted), {}).pgresult
        assert found is not None  # noqa: S101 - a SELECT has one
        raw = [found.get_value(0, at) for at in range(found.nfields)]
    return parse_noted(layer, raw)


def _patch_tiles(connection: psycopg.Connection, subject: Subject, changes: Changes) -> None:
    """After the points were packed again: from them cells are counted of which too much was removed."""
    layer, plan = subject.layer, subject.plan
    table = Identifier("layers", ready_table(layer))
    rows = connection.execute(SQL("SELECT z, x, y FROM {} WHERE counted IS NOT NULL").format(table)).fetchall()
    for tile in list_touched(changes, plan, [Tile(*row) for row in rows]):
        cells = plan.zooms[tile.z].cells
        place = {"z": tile.z, "x": tile.x, "y": tile.y}
        query = SQL("SELECT counted FROM {} WHERE z = %(z)s AND x = %(x)s AND y = %(y)s").format(table)
        with connection.cursor(binary=True) as cursor:
            row = cursor.execute(query, place).fetchone()
        counted, lost = patch(bytes(row[0]) if row else b"", changes, plan, tile, cells)
        if len(lost):
            full = counted.weigh(lost) > _MOST
            anew = None if full else _recount(connection, subject, (tile, cells, lost))
            if anew is None:  # it is made again, in parts
                _store(connection, subject, tile, empty=True)
                continue
            counted = replace_cells(counted, lost, anew)
        _store(connection, subject, tile, counted=write_counted(counted) if len(counted.place) else None)


def _recount(connection: psycopg.Connection, subject: Subject, where: tuple[Tile, int, np.ndarray]) -> Counted | None:
    values = place_cells(subject.plan, *where)
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(build_recount(subject.layer), values).pgresult
        assert found is not None  # noqa: S101 - a SELECT has one
        _, *raw = [found.get_value(0, at) for at in range(found.nfields)]
    return recount(subject.layer, subject.plan, where, raw, None)


def _store(
    connection: psycopg.Connection,
    subject: Subject,
    tile: Tile,
    *,
    body: bytes | None = None,
    counted: bytes | None = None,
    empty: bool = False,
) -> None:
    """Keep a tile, or nothing of it where it holds nothing or too much; an `empty` one is to be made again."""
    connection.execute(
        "SELECT geoserver.keep_ready(%s, %s, %s, %s, %s, %s, %s)",
        [subject.layer.id, tile.z, tile.x, tile.y, body, counted, empty],
    )
