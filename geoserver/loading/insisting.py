"""A swap that has waited long enough: queries of our own servers that hold it up are ended, and asked again by those.

They are ended while the swap stands in the queue for the tables, so that no others take their place.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import psycopg

from geoserver.database.connecting import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ending_readers"]

_PAUSE = 0.2  # seconds between two looks
# Those of the servers' pools: what downloads and other programs read is not asked again by itself.
_END = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
     WHERE pid = ANY(pg_blocking_pids(%s)) AND application_name = 'geoserver' AND usename = current_user
       AND state = 'active'
"""


@contextlib.contextmanager
def ending_readers(connection: psycopg.Connection, url: str) -> Iterator[None]:
    """While this lasts, end the servers' queries for which a statement on the connection waits."""
    done = threading.Event()
    waiting = connection.info.backend_pid

    def end() -> None:
        with contextlib.suppress(psycopg.Error), connect(url, autocommit=True, application="geoserver-load") as other:
            while not done.wait(_PAUSE):
                other.execute(_END, [waiting])

    thread = threading.Thread(target=end, name="geoserver-insist", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
