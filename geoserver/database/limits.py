"""How many connections the database allows, before a server finds out under load."""

from __future__ import annotations

from geoserver.database.connecting import connect
from geoserver.errors import SetupError

__all__ = ["check_connections"]


def check_connections(url: str, workers: int, each: int) -> None:
    """Raise SetupError when so many workers with so many connections each are more than the database allows."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT sum(setting::int) FILTER (WHERE name = 'max_connections'),"
            " coalesce(sum(setting::int) FILTER (WHERE name <> 'max_connections'), 0) FROM pg_settings"
            " WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
        ).fetchone()
    allowed, reserved = row or (0, 0)
    if workers * each > allowed - reserved:
        raise SetupError(
            f"{workers} workers with {each} connections each (pool, OGC threads, downloads, two to listen) are"
            f" {workers * each}, but the database allows {allowed - reserved}: lower GEOSERVER_POOL_SIZE,"
            " GEOSERVER_OGC_THREADS, GEOSERVER_DOWNLOADS or --workers, or raise max_connections"
        )
