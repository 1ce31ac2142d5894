"""How every connection is made: the settings that change what a statement or a text means are set by us on each.

A database or role may carry settings of its own (`ALTER DATABASE ... SET DateStyle`), PostGIS may live in any schema.
Ours are set by a statement and not in the startup packet, which a pooler in session mode would refuse.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from geoserver.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SETTINGS", "SettingsOf", "connect", "connect_async", "connect_options"]

SETTINGS: Mapping[str, str] = {
    # what texts mean that go in and come out
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",  # in names of types, too
    # what a transaction may do and see
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "exit_on_error": "off",
    # tables that a load makes: it counts on the order in which rows lie in them
    "default_table_access_method": "heap",
    # when it is cut off: a load may think for long between two statements, and who listens may hear nothing for long
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",  # since PostgreSQL 17
    # our queries are many and short: compiling them costs more than it saves
    "jit": "off",
}
_APPLY = """
    SELECT pg_catalog.set_config(s.name, s.value, false)
      FROM pg_catalog.jsonb_each_text(%(settings)s::pg_catalog.jsonb) AS s (name, value)
     WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL
"""
# PostGIS' own schema first, then public, where functions of the operator's may lie. Temporary tables and types last:
# otherwise PostgreSQL looks among them first, and functions of ours find what others have in their sessions.
FIND_PATH = """
    SELECT coalesce(pg_catalog.min(CASE n.nspname WHEN 'public' THEN 'public'
                                   ELSE pg_catalog.quote_ident(n.nspname) || ', public' END), 'public') || ', pg_temp'
      FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
     WHERE e.extname = 'postgis'
"""
_FIND_AND_SET_PATH = f"SELECT pg_catalog.set_config('search_path', ({FIND_PATH}), false)"
_PATIENCE = 5  # seconds to connect, where the address does not say


class SettingsOf:
    """The settings of one kind of connection: those that all have, and `more`."""

    def __init__(self, **more: str) -> None:
        self._values = {"settings": json.dumps({**SETTINGS, **more})}

    def apply(self, connection: psycopg.Connection) -> None:
        """Set them, on a connection in autocommit mode; also when PostGIS has come to the database since."""
        connection.execute(_APPLY.encode(), self._values, prepare=False)
        connection.execute(_FIND_AND_SET_PATH.encode(), prepare=False)

    async def apply_async(self, connection: psycopg.AsyncConnection) -> None:
        """The same for asynchronous connections."""
        await connection.execute(_APPLY.encode(), self._values, prepare=False)
        await connection.execute(_FIND_AND_SET_PATH.encode(), prepare=False)


def connect_options(url: str, application: str = "geoserver") -> dict[str, Any]:
    """Keyword arguments for psycopg's `connect`, and for pools, whose `configure` is then `SettingsOf.apply`.

    Raises SetupError for an address that cannot be read, without repeating what may be a password.
    """
    try:
        patience = int(conninfo_to_dict(url).get("connect_timeout") or _PATIENCE)
    except (psycopg.ProgrammingError, ValueError):
        message = "DATABASE_URL cannot be read: expected postgresql://user:password@host/database, with signs such as @"
        raise SetupError(f"{message} or / in the password percent-encoded") from None
    return {
        "autocommit": True,
        "application_name": application,
        "client_encoding": "UTF8",
        "connect_timeout": patience,
    }


def connect(
    url: str, *, autocommit: bool = False, application: str = "geoserver", settings: SettingsOf | None = None
) -> psycopg.Connection:
    """A connection with our settings; raises psycopg.OperationalError when the database is away."""
    connection = psycopg.connect(url, **connect_options(url, application))
    try:
        (settings or SettingsOf()).apply(connection)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_async(url: str, *, application: str = "geoserver") -> psycopg.AsyncConnection:
    """An asynchronous connection in autocommit mode, with our settings."""
    connection = await psycopg.AsyncConnection.connect(url, **connect_options(url, application))
    try:
        await SettingsOf().apply_async(connection)
    except BaseException:
        await connection.close()
        raise
    return connection
