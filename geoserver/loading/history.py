"""The history of a layer's loads: one row each, written in the load's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import SQL
from psycopg.types.json import Json

from geoserver.errors import shorten

if TYPE_CHECKING:
    from collections import Counter

    import psycopg

    from geoserver.loading.report import Notes
    from geoserver.model import Layer

__all__ = ["Done", "write_load"]

_KEPT = 100  # loads of each layer
_REASONS = 20  # of each load
_LONGEST = 200  # characters of one


@dataclass(frozen=True, slots=True)
class Done:
    """What one load did: rows read from the source, what was changed in those kept, and why others were rejected."""

    read: int
    notes: Notes
    reasons: Counter[str]


def write_load(connection: psycopg.Connection, layer: Layer, load: Done) -> None:
    """Add it to the history of the layer, whose state is written already, and forget the oldest."""
    reasons = {
        shorten(reason.replace("\0", ""), _LONGEST): count for reason, count in load.reasons.most_common(_REASONS)
    }
    changed: dict[str, int] = {}
    for note in load.notes:
        changed[note.field] = changed.get(note.field, 0) + note.count
    connection.execute(
        SQL(
            "INSERT INTO geoserver.loads (layer, version, at, read, rows, rejected, readings, changed, reasons)"
            " SELECT id, version, loaded_at, %(read)s, rows, rejected, readings, %(changed)s, %(reasons)s"
            " FROM geoserver.layers WHERE id = %(layer)s"
        ),
        {"layer": layer.id, "read": load.read, "changed": Json(changed), "reasons": Json(reasons)},
    )
    connection.execute(
        SQL(
            "DELETE FROM geoserver.loads WHERE layer = %(layer)s AND id <= ("
            " SELECT id FROM geoserver.loads WHERE layer = %(layer)s ORDER BY id DESC OFFSET %(kept)s LIMIT 1)"
        ),
        {"layer": layer.id, "kept": _KEPT},
    )
