"""What is loaded: one LayerStatus per layer in service, as `geoserver.layers` records it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL
from psycopg.types.json import Json

from geoserver.catalog.declared import build_declaration
from geoserver.grid import most_cells
from geoserver.model import Bounds, TilePlan, ZoomPlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

    from geoserver.database.pool import Database
    from geoserver.model import Layer

__all__ = [
    "CHANNEL",
    "STATUS_QUERY",
    "LayerStatus",
    "Loaded",
    "build_plan",
    "build_status",
    "read_statuses",
    "write_declaration",
]

log = logging.getLogger("geoserver")

# NOTIFY payload: {"layer": id, "version": n, "bounds": [w, s, e, n] or null} when all rows are new. After edits in
# place with three members more: "tiles": [[z, x0, y0, x1, y1], ...], ranges that hold all geometry that changed, and
# "steps": of how many versions it tells, and "edited": when rows were edited last.
CHANNEL = "geoserver_changes"
STATUS_QUERY = SQL("""
    SELECT l.id, s.version, s.rows, rejected, readings, s.west, s.south, s.east, s.north, srid, geometry_type,
           loaded_at, s.edited_at, seconds, plan, preparing, declared, own.columns, beside.columns AS reading_columns,
           to_regclass(format('layers.%I', name || '__packed')) IS NOT NULL
               AND to_regclass(format('layers.%I', name || '__delta')) IS NOT NULL AS packed,
           to_regclass(format('layers.%I', name || '__bins')) IS NOT NULL AS ready
      FROM geoserver.layers AS l JOIN geoserver.states AS s USING (id),
           LATERAL (SELECT replace(l.id, '-', '_') AS name) AS n,
           LATERAL (SELECT jsonb_object_agg(attname, format_type(atttypid, NULL)) AS columns FROM pg_attribute
                     WHERE attrelid = to_regclass(format('layers.%I', name))
                       AND attnum > 0 AND NOT attisdropped) AS own,
           LATERAL (SELECT jsonb_object_agg(attname, format_type(atttypid, NULL)) AS columns FROM pg_attribute
                     WHERE attrelid = to_regclass(format('layers.%I', name || '__readings'))
                       AND attnum > 0 AND NOT attisdropped) AS beside
""")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is there of a layer, whatever its file says; `database.fitting` puts both together."""

    columns: Mapping[str, str] | None  # type of each column of its table, None when there is no table
    readings: Mapping[str, str] | None  # the same of its readings
    packed: bool  # whether the tables beside it are there
    ready: bool
    declared: Mapping[str, Any] | None  # see catalog/declared.py; None where it is not known


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
    loaded: Loaded | None = field(default=None, hash=False)
    edited_at: datetime | None = None  # of the last edit in place

    @property
    def changed_at(self) -> datetime:
        """When the rows were last loaded or edited."""
        return max(self.loaded_at, self.edited_at or self.loaded_at)

    @property
    def stamp(self) -> str:
        """The version as clients are told it: another one after every change, also when a layer was loaded anew."""
        return f"{self.loaded_at.timestamp() * 1000:.0f}-{self.version}"


def build_status(row: dict[str, Any]) -> LayerStatus:
    """A row of `geoserver.layers` as a LayerStatus."""
    edges = [row[edge] for edge in ("west", "south", "east", "north")]
    plain = {key: row[key] for key in ("id", "version", "rows", "rejected", "readings", "srid", "geometry_type")}
    return LayerStatus(
        bounds=None if None in edges else Bounds(*edges),
        loaded_at=row["loaded_at"],
        seconds=row["seconds"],
        edited_at=row["edited_at"],
        plan=build_plan(row["plan"]),
        preparing=row["preparing"],
        loaded=Loaded(row["columns"], row["reading_columns"], row["packed"], row["ready"], row["declared"]),
        **plain,
    )


def build_plan(document: dict[str, Any]) -> TilePlan:
    """A plan from the JSON in `geoserver.layers`; an empty one is that of a layer without bins."""
    # A plan of an earlier version may have smaller bins.
    zooms = tuple(
        ZoomPlan(shown, min(cells, most_cells(zoom))) for zoom, (shown, cells) in enumerate(document.get("zooms", ()))
    )
    known = {item.name: document[item.name] for item in fields(TilePlan) if item.name in document}
    return TilePlan(**known | {"values": tuple(document.get("values", ())), "zooms": zooms})


async def read_statuses(database: Database) -> dict[str, LayerStatus]:
    """The state of every loaded layer, by id; one that cannot be read is logged, and as if it were not loaded."""
    found: dict[str, LayerStatus] = {}
    for row in await database.fetch(STATUS_QUERY):
        try:
            found[row["id"]] = build_status(row)
        except (TypeError, ValueError, KeyError, AttributeError):
            log.exception("What geoserver.layers says of layer %s cannot be read; load it anew", row["id"])
    return found


def write_declaration(connection: psycopg.Connection, layer: Layer) -> None:
    """Keep what the layer's file says now beside what was loaded by it, in the transaction of the load."""
    connection.execute(
        "UPDATE geoserver.layers SET declared = %s WHERE id = %s", [Json(build_declaration(layer)), layer.id]
    )
