"""What the database refused or broke off, in a sentence for people, with what to do."""

from __future__ import annotations

import psycopg
from psycopg import errors

__all__ = ["explain_fault"]

# Psycopg's OperationalError is more than a connection that was lost; the first class that fits says what it was.
_SENTENCES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (errors.DiskFull, "the database has no space left on its disk; make room, then load again"),
    (errors.OutOfMemory, "the database has no memory left; give it more, then load again"),
    (errors.TooManyConnections, "the database has no connection left; raise max_connections or close others"),
    (errors.ConfigurationLimitExceeded, "the database refuses by a limit in its configuration"),
    (errors.TooManyColumns, "the layer file declares more fields than a table can have columns; declare fewer"),
    (errors.ProgramLimitExceeded, "a value is larger than the database can hold or index"),
    (errors.InsufficientResources, "the database has run out of something"),
    (errors.QueryCanceled, "someone cancelled the load, or a time limit of the database did"),
    (errors.DeadlockDetected, "the load and another program waited for each other; load again"),
    (errors.SerializationFailure, "another program changed the same rows; load again"),
    (errors.LockNotAvailable, "another program holds the table; load again when it is done"),
    (errors.ObjectInUse, "another program uses what the load has to replace; load again when it is done"),
    (errors.IoError, "the database cannot read or write its own files; look at its log"),
    (errors.SystemError, "the database's machine has a fault; look at its log"),
    (errors.AdminShutdown, "someone ended the connection or shut the database down; load again"),
    (errors.CannotConnectNow, "the database is starting or stopping; load again in a moment"),
    (errors.InsufficientPrivilege, "the database does not let this user do it"),
    (errors.ReadOnlySqlTransaction, "the database is read-only, as a standby is; load into the primary"),
    (errors.UndefinedTable, "the database lacks a table of ours; was it restored in part?"),
)


def explain_fault(error: psycopg.Error) -> str:
    """A sentence of ours and the database's own words; only what really is a lost connection is said to be one."""
    words = " ".join(str(error.diag.message_primary or error).split())
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return f"{sentence} ({words})"
    if isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith(("08", "57")):
        return f"the database was lost or cannot be reached: {words}"
    return f"the database refused the rows: {words}"
