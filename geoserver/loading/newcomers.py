"""Which rows a load brings that were not there before: noted for feeds, in the load's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    import psycopg

    from geoserver.model import Layer

__all__ = ["write_newcomers"]


def write_newcomers(connection: psycopg.Connection, layer: Layer, last: int | None) -> None:
    """Rows whose keys are new have ids above `last`, the highest given before. None is a layer that is loaded for the
    first time, or whose ids begin anew: nobody knows of its rows which are new, and what was noted is of other rows.
    """
    if last is None:
        connection.execute("DELETE FROM geoserver.arrivals WHERE layer = %s", [layer.id])
        return
    query = SQL(
        "SELECT geoserver.note_arrivals(%(layer)s, array_agg(fid))"
        " FROM (SELECT fid FROM {} WHERE fid > %(last)s ORDER BY fid DESC LIMIT 1000) AS newest HAVING count(*) > 0"
    ).format(Identifier("layers", layer.table))
    connection.execute(query, {"layer": layer.id, "last": last})
