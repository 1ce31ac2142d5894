"""Whether a connection is a session of PostgreSQL's own, or a pooler lends sessions out for one transaction at a time.

Behind a pooler in transaction or statement mode the statements of one client run in the sessions of others: prepared
statements, settings, locks and LISTEN go astray, and rows of one layer come back for another.
"""

from __future__ import annotations

import psycopg

from geoserver.database.connecting import connect
from geoserver.errors import SetupError

__all__ = ["check_sessions"]

# The order in which two clients ask: twice in a row by one shows sessions that are lent out in turn, and one after the
# other a single one, or the one that was given back last. Several times over, for others may ask in between.
_TURNS = (0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1)
_WHO = "SELECT pg_catalog.pg_backend_pid()"
_REFUSAL = (
    "The database is reached through a pooler (such as pgbouncer) in transaction or statement mode, which would mix up"
    " the sessions of this server: point DATABASE_URL at PostgreSQL itself, or at a pool in session mode."
)
_TOO_FEW = (
    "The pooler through which the database is reached gave no second session ({}): a pool in session mode needs one for"
    " each connection of this server, or point DATABASE_URL at PostgreSQL itself."
)


def check_sessions(connection: psycopg.Connection, url: str) -> None:
    """Raise SetupError where sessions are mixed up; one query where PostgreSQL is reached directly.

    A pooler answers with a process number of its own, for cancelling, instead of the one that serves the session.
    """
    if _read_process(connection) == connection.info.backend_pid:
        return
    try:
        second = connect(url, autocommit=True)
    except psycopg.OperationalError as error:
        raise SetupError(_TOO_FEW.format(" ".join(str(error).split()))) from error
    with second:
        both = (connection, second)
        seen: tuple[set[int], set[int]] = (set(), set())
        for turn in _TURNS:
            seen[turn].add(_read_process(both[turn]))
    if len(seen[0]) > 1 or len(seen[1]) > 1 or seen[0] & seen[1]:
        raise SetupError(_REFUSAL)


def _read_process(connection: psycopg.Connection) -> int:
    row = connection.execute(_WHO, prepare=False).fetchone()
    return int(row[0]) if row else 0
