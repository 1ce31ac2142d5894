"""What is loaded: one LayerStatus per layer in service, as `geoserver.layers` records it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL

from geoserver.model import Bounds, TilePlan, ZoomPlan

if TYPE_CHECKING:
    from datetime import datetime

    from geoserver.database.pool import Database

__all__ = ["CHANNEL", "STATUS_QUERY", "LayerStatus", "build_plan", "build_status", "read_statuses"]

# NOTIFY payload: {"layer": id, "version": n, "bounds": [w, s, e, n] or null} when all rows are new, and with one member
# more after an edit in place: "tiles": [[z, x0, y0, x1, y1], ...], ranges that hold all geometry that changed.
CHANNEL = "geoserver_changes"
STATUS_QUERY = SQL(
    "SELECT id, version, rows, rejected, readings, west, south, east, north, srid, geometry_type, loaded_at, seconds,"
    " plan, preparing"
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
    loaded_at: datetime  # of the load; an edit in place raises `version` alone
    seconds: float
    plan: TilePlan = field(default_factory=TilePlan)
    preparing: float | None = None  # share of what is prepared for tiles, while the plan is a first one; else None


def build_status(row: dict[str, Any]) -> LayerStatus:
    """A row of `geoserver.layers` as a LayerStatus."""
    edges = [row[edge] for edge in ("west", "south", "east", "north")]
    plain = {key: row[key] for key in ("id", "version", "rows", "rejected", "readings", "srid", "geometry_type")}
    return LayerStatus(
        bounds=None if None in edges else Bounds(*edges),
        loaded_at=row["loaded_at"],
        seconds=row["seconds"],
        plan=build_plan(row["plan"]),
        preparing=row["preparing"],
        **plain,
    )


def build_plan(document: dict[str, Any]) -> TilePlan:
    """A plan from the JSON in `geoserver.layers`; an empty one is that of a layer without bins."""
    zooms = tuple(ZoomPlan(*entry) for entry in document.get("zooms", ()))
    known = {item.name: document[item.name] for item in fields(TilePlan) if item.name in document}
    return TilePlan(**known | {"values": tuple(document.get("values", ())), "zooms": zooms})


async def read_statuses(database: Database) -> dict[str, LayerStatus]:
    """The state of every loaded layer, by id."""
    return {row["id"]: build_status(row) for row in await database.fetch(STATUS_QUERY)}
