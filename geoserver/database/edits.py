"""Notes of edits, as the one who follows them reads them; `migrations/012_log.sql` says what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

__all__ = ["LOCK", "list_noted", "list_ready", "take_turn", "tell_edits", "work_alone"]

LOCK, _WORK_LOCK = 5_121_976_204, 5_121_976_205  # any numbers that no one else uses in this database


async def take_turn(connection: psycopg.AsyncConnection) -> bool:
    """Whether this connection is the one that follows edits from now on, for as long as it lives."""
    row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])).fetchone()
    return bool(row and row[0])


def work_alone(connection: psycopg.Connection) -> bool:
    """Whether this connection alone works edits in from now on; one of a worker before may be at it still."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_WORK_LOCK]).fetchone()
    return bool(row and row[0])


async def tell_edits(connection: psycopg.AsyncConnection, known: str | None) -> str | None:
    """Tell everyone of edits that were not to be seen in the snapshot `known`; gives the snapshot for the next time."""
    row = await (await connection.execute("SELECT geoserver.tell_edits(%s::pg_snapshot)::text", [known])).fetchone()
    return row[0] if row else None


async def list_noted(connection: psycopg.AsyncConnection) -> dict[str, int]:
    """How many statements have changed each layer since it was last folded, or more: 1,000 stand for any number."""
    cursor = await connection.execute(
        "SELECT id, (SELECT count(*) FROM (SELECT FROM geoserver.edits AS e WHERE e.layer = l.id LIMIT 1000) AS n)"
        " FROM geoserver.layers AS l"
    )
    return {layer: notes for layer, notes in await cursor.fetchall() if notes}


async def list_ready(connection: psycopg.AsyncConnection) -> list[str]:
    """Layers of which some tiles are kept ready."""
    cursor = await connection.execute(
        "SELECT id FROM geoserver.layers"
        " WHERE to_regclass(format('layers.%I', replace(id, '-', '_') || '__bins')) IS NOT NULL"
    )
    return [layer for (layer,) in await cursor.fetchall()]
