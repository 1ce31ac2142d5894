"""Keys and sessions as the database keeps them: read by the gate, written by whoever manages, and the audit of that.

Everything here works on a plain connection; secrets come as digests only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString

import orjson
from psycopg.rows import dict_row
from psycopg.sql import SQL
from psycopg.types.json import Jsonb, set_json_loads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import psycopg

__all__ = [
    "CHANNEL",
    "Known",
    "StoredKey",
    "StoredSession",
    "add_key",
    "add_session",
    "add_uses",
    "end_session",
    "end_sessions",
    "forget_sessions",
    "list_audit",
    "list_keys",
    "list_keys_after",
    "list_keys_before",
    "list_sessions",
    "read_known",
    "revoke_key",
    "write_audit",
]

CHANNEL = "geoserver_access"  # NOTIFY payload: 'changed', or 'gone' when rows were deleted
_KEYS = SQL("""
    SELECT k.id, k.digest, k.label, k.grants, k.rate, k.quota, k.created_at, k.created_by, k.expires_at, k.revoked_at,
           CASE WHEN u.day = (now() AT TIME ZONE 'UTC')::date THEN u.requests ELSE 0 END AS used, u.last_at
      FROM geoserver.keys AS k LEFT JOIN geoserver.uses AS u ON u.key = k.id
""")
_SESSIONS = SQL("""
    SELECT digest, key, subject, name, groups, expires_at, ended_at FROM geoserver.sessions
     WHERE expires_at > now() AND
""")
_WHO = SQL("CASE WHEN key IS NULL THEN 'person:' || subject ELSE 'key:' || key END")
_SINCE = SQL("""
    changed >= %(since)s::xid8
    AND (%(since)s::xid8 = '0' OR changed < pg_snapshot_xmax(pg_current_snapshot()))
""")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of `geoserver.keys`; `grants` as they are stored, `used` is how often it was today."""

    id: str
    digest: bytes
    label: str
    grants: Sequence[Mapping[str, Any]]
    rate: int | None
    quota: int | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    used: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A row of `geoserver.sessions`: of a key, or of a person with groups."""

    digest: bytes
    key: str | None
    subject: str
    name: str
    groups: tuple[str, ...]
    expires_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What changed since a reading; `mark` is what the next one begins from."""

    mark: str
    keys: list[StoredKey] = field(default_factory=list)
    sessions: list[StoredSession] = field(default_factory=list)


def read_known(connection: psycopg.Connection, since: str = "0") -> Known:
    """Keys and sessions that may have changed since the mark of an earlier reading; all of them without one.

    The mark is the eldest transaction that was under way before we read: whatever is older was to be seen. Stamps of
    transactions that are yet to come are those of another server, from which this database was restored.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        set_json_loads(orjson.loads, cursor)  # Python's own takes most of the time for thousands of keys
        row = cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS mark").fetchone()
        keys = cursor.execute(_KEYS + SQL("WHERE ") + _SINCE, {"since": since}).fetchall()
        sessions = cursor.execute(_SESSIONS + _SINCE, {"since": since}).fetchall()
    return Known(
        str(row["mark"]) if row else since,
        [StoredKey(**item) for item in keys],
        [StoredSession(**item | {"groups": tuple(item["groups"])}) for item in sessions],
    )


def list_keys(connection: psycopg.Connection, key_id: str | None = None) -> list[StoredKey]:
    """All of them, the newest last; or the one of that id."""
    query = _KEYS + SQL("WHERE %(id)s::text IS NULL OR k.id = %(id)s ORDER BY k.created_at, k.id")
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, {"id": key_id}).fetchall()
    return [StoredKey(**row) for row in rows]


def list_keys_after(connection: psycopg.Connection, key_id: str | None, most: int) -> list[StoredKey]:
    """So many that were made after that of the id, or from the first on, the newest last. No key is ever deleted."""
    return _list_beside(connection, ">", "ASC", key_id, most)


def list_keys_before(connection: psycopg.Connection, key_id: str | None, most: int) -> list[StoredKey]:
    """So many that were made before that of the id, or the newest of all; the newest last."""
    return _list_beside(connection, "<", "DESC", key_id, most)[::-1]


def _list_beside(
    connection: psycopg.Connection, beyond: LiteralString, order: LiteralString, key_id: str | None, most: int
) -> list[StoredKey]:
    query = _KEYS + SQL("""
        WHERE %(id)s::text IS NULL
           OR (k.created_at, k.id) {beyond} (SELECT created_at, id FROM geoserver.keys WHERE id = %(id)s)
        ORDER BY k.created_at {order}, k.id {order} LIMIT %(most)s
    """).format(beyond=SQL(beyond), order=SQL(order))
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, {"id": key_id, "most": most}).fetchall()
    return [StoredKey(**row) for row in rows]


def add_key(connection: psycopg.Connection, key: StoredKey) -> None:
    """Keep a new key."""
    connection.execute(
        "INSERT INTO geoserver.keys (id, digest, label, grants, rate, quota, created_at, created_by, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            *(key.id, key.digest, key.label, Jsonb(list(key.grants)), key.rate, key.quota),
            *(key.created_at, key.created_by, key.expires_at),
        ],
    )


def revoke_key(connection: psycopg.Connection, key_id: str, *, made: bool = False) -> list[str]:
    """Which keys ended that had not yet: that of the id, and those that were made with it, and with these, where these
    are meant, too. Their sessions end with them.
    """
    rows = connection.execute(
        """
        WITH RECURSIVE ending AS (
            SELECT %(id)s::text AS id
            UNION SELECT k.id FROM geoserver.keys AS k JOIN ending AS e ON k.created_by = 'key:' || e.id WHERE %(made)s
        )
        UPDATE geoserver.keys SET revoked_at = now() WHERE id IN (SELECT id FROM ending) AND revoked_at IS NULL
        RETURNING id
        """,
        {"id": key_id, "made": made},
    )
    return [str(row[0]) for row in rows]


def add_session(connection: psycopg.Connection, session: StoredSession) -> None:
    """Keep a new session."""
    connection.execute(
        "INSERT INTO geoserver.sessions (digest, key, subject, name, groups, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [session.digest, session.key, session.subject, session.name, list(session.groups), session.expires_at],
    )


def end_session(connection: psycopg.Connection, digest: bytes) -> tuple[str, str] | None:
    """Whose session ended, as `list_sessions` has it, and their name; None where there was none that had not ended."""
    query = SQL(
        "UPDATE geoserver.sessions SET ended_at = now() WHERE digest = %s AND ended_at IS NULL RETURNING {who}, name"
    )
    row = connection.execute(query.format(who=_WHO), [digest]).fetchone()
    return (str(row[0]), str(row[1])) if row else None


def list_sessions(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Those that hold, the newest last: `who` is person:SUBJECT or key:ID, with `name`, `groups`, and the times."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            SQL("SELECT {who} AS who, name, groups, created_at, expires_at FROM geoserver.sessions").format(who=_WHO)
            + SQL(" WHERE ended_at IS NULL AND expires_at > now() ORDER BY created_at, digest")
        ).fetchall()


def end_sessions(connection: psycopg.Connection, who: str) -> int:
    """How many of somebody's sessions ended that had not; `who` as they are listed."""
    query = SQL("UPDATE geoserver.sessions SET ended_at = now() WHERE {who} = %s").format(who=_WHO)
    return connection.execute(query + SQL(" AND ended_at IS NULL AND expires_at > now()"), [who]).rowcount


def forget_sessions(connection: psycopg.Connection) -> None:
    """Delete what has been over for a day."""
    over = "FROM geoserver.sessions WHERE expires_at < now() - interval '1 day'"
    if connection.execute(f"SELECT 1 {over} LIMIT 1".encode()).fetchone():  # each deletion has all workers read anew
        connection.execute(f"DELETE {over}".encode())


def add_uses(connection: psycopg.Connection, counts: Mapping[str, int]) -> dict[str, int]:
    """Add requests of keys to those of today, in one order so that writers do not wait in circles; gives the sums."""
    keys = sorted(counts)
    rows = connection.execute(
        """
        INSERT INTO geoserver.uses AS u (key, day, requests, last_at)
        SELECT key, (now() AT TIME ZONE 'UTC')::date, requests, now()
          FROM unnest(%s::text[], %s::bigint[]) AS t (key, requests) ORDER BY key
        ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at, day = excluded.day,
            requests = excluded.requests + CASE WHEN u.day = excluded.day THEN u.requests ELSE 0 END
        RETURNING key, requests
        """,
        [keys, [counts[key] for key in keys]],
    )
    return {str(key): int(requests) for key, requests in rows}


def write_audit(
    connection: psycopg.Connection,
    subject: str,
    name: str,
    action: str,
    *,
    layer: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Keep who did what; in the transaction of the deed, so that neither is without the other."""
    connection.execute(
        "INSERT INTO geoserver.audit (subject, name, action, layer, details) VALUES (%s, %s, %s, %s, %s)",
        [subject, name, action, layer, Jsonb(dict(details or {}))],
    )


def list_audit(connection: psycopg.Connection, most: int = 100) -> list[dict[str, Any]]:
    """The newest entries, the newest last."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT at, subject, name, action, layer, details FROM geoserver.audit ORDER BY id DESC LIMIT %s", [most]
        ).fetchall()
    return rows[::-1]
