"""Plain SQL migrations, applied in order under an advisory lock and recorded in `geoserver.migrations`."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import cast

import psycopg

from geoserver.database.connecting import SettingsOf, connect
from geoserver.database.poolers import check_sessions
from geoserver.errors import SetupError

__all__ = ["MINIMUM_POSTGIS", "apply_migrations", "read_migrations"]

MINIMUM_POSTGIS = (3, 3)
MINIMUM_POSTGRESQL = 150000
_LOCK = 5_121_976_203  # any number that no one else uses in this database
_ARE_RECORDED = "SELECT to_regclass('geoserver.migrations') IS NOT NULL"
_TRIGGER_FUNCTIONS = """
    SELECT oid::regprocedure::text FROM pg_proc
     WHERE pronamespace = 'geoserver'::regnamespace AND prorettype = 'trigger'::regtype ORDER BY 1
"""
_OF_TEXTS = (
    "search_path",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "extra_float_digits",
    "bytea_output",
    "standard_conforming_strings",
)


def read_migrations() -> list[tuple[str, str]]:
    """Name and text of every migration, in the order in which they apply."""
    folder = files("geoserver.database") / "migrations"
    found = [item for item in folder.iterdir() if re.fullmatch(r"\d{3}_\w+\.sql", item.name)]
    return sorted((item.name, item.read_text(encoding="utf-8")) for item in found)


def apply_migrations(url: str) -> list[str]:
    """Bring the database up to date and name what was applied; safe to run from many processes at once.

    Raises SetupError when PostgreSQL or PostGIS is missing or too old, or a pooler in between mixes sessions up;
    psycopg.OperationalError when the database is away.
    """
    with connect(url, autocommit=True) as connection:
        check_sessions(connection, url)
        _check_server(connection)
        try:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                return _apply_missing(connection)
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege):
            raise
        except psycopg.Error as error:
            raise SetupError(f"The database cannot be set up: {' '.join(str(error).split())}") from error


def _apply_missing(connection: psycopg.Connection) -> list[str]:
    done = _recorded(connection)
    missing = [(name, text) for name, text in read_migrations() if name not in done]
    if missing:
        connection.execute("CREATE SCHEMA IF NOT EXISTS geoserver")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS geoserver.migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
    for name, text in missing:
        SettingsOf().apply(connection)  # the first migration may have brought PostGIS, and with it its schema
        connection.execute(text.encode())  # bytes: a migration is text of our own, without parameters
        connection.execute("INSERT INTO geoserver.migrations (name) VALUES (%s)", [name])
    if missing:
        _fix_triggers(connection)
    return [name for name, _ in missing]


def _fix_triggers(connection: psycopg.Connection) -> None:
    """Let functions of triggers run with our settings: they are called in the sessions of whoever edits rows.

    An editor may have another `search_path` or `DateStyle`, and the texts that they write must not depend on it.
    """
    for (function,) in connection.execute(_TRIGGER_FUNCTIONS).fetchall():
        for name in _OF_TEXTS:
            connection.execute(f"ALTER FUNCTION {function} SET {name} FROM CURRENT".encode())


def _recorded(connection: psycopg.Connection) -> set[str]:
    row = connection.execute(_ARE_RECORDED).fetchone()
    if not row or not row[0]:
        return set()
    return {cast("str", name) for (name,) in connection.execute("SELECT name FROM geoserver.migrations")}


def _check_server(connection: psycopg.Connection) -> None:
    if connection.info.server_version < MINIMUM_POSTGRESQL:
        raise SetupError(f"PostgreSQL 15 or newer is needed; this one is {connection.info.server_version // 10000}.")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SetupError(
            f"The database's encoding is {encoding}, and UTF8 is needed: make another one with"
            " CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0."
        )
    row = connection.execute("SELECT to_regcollation('pg_catalog.\"und-x-icu\"')").fetchone()
    if row is None or row[0] is None:
        raise SetupError("This PostgreSQL knows no collation und-x-icu; one built with ICU is needed, as packages are.")
    row = connection.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'").fetchone()
    if row is None:
        raise SetupError("This PostgreSQL has no PostGIS; install PostGIS 3.3 or newer (postgresql-15-postgis-3).")
    version = tuple(int(part) for part in re.findall(r"\d+", str(row[0]))[:2])
    if version < MINIMUM_POSTGIS:
        raise SetupError(f"PostGIS 3.3 or newer is needed; this one is {row[0]}.")
