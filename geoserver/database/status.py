"""What is loaded: one LayerStatus per layer in service, as `geoserver.layers` records it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL

from geoserver.model import Bounds

if TYPE_CHECKING:
    from datetime import datetime

    from geoserver.database.pool import Database

__all__ = ["CHANNEL", "STATUS_QUERY", "LayerStatus", "build_status", "read_statuses"]

CHANNEL = "geoserver_changes"  # NOTIFY payload: {"layer": id, "version": n, "bounds": [w, s, e, n] or null}
STATUS_QUERY = SQL(
    "SELECT id, version, rows, rejected, readings, west, south, east, north, srid, geometry_type, loaded_at, seconds"
    " FROM geoserver.layers"
)


@dataclass(frozen=True, slots=True)
class LayerStatus:
    """The loaded state of a layer; `srid` is that of column `geom`, `bounds` are lon/lat and None when empty."""

    id: str
    version: int
    rows: int
    rejected: int
    readings: int
    bounds: Bounds | None
    srid: int
    geometry_type: str  # POINT, MULTILINESTRING, ..., GEOMETRY
    loaded_at: datetime
    seconds: float


def build_status(row: dict[str, Any]) -> LayerStatus:
    """A row of `geoserver.layers` as a LayerStatus."""
    edges = [row[edge] for edge in ("west", "south", "east", "north")]
    plain = {key: row[key] for key in ("id", "version", "rows", "rejected", "readings", "srid", "geometry_type")}
    return LayerStatus(
        bounds=None if None in edges else Bounds(*edges), loaded_at=row["loaded_at"], seconds=row["seconds"], **plain
    )


async def read_statuses(database: Database) -> dict[str, LayerStatus]:
    """The state of every loaded layer, by id."""
    return {row["id"]: build_status(row) for row in await database.fetch(STATUS_QUERY)}
