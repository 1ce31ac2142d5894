"""Files that are made at the same time take turns at the database, so that they leave room for tiles."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time

__all__ = ["Turn", "prepare"]

_AT_ONCE = max(1, (os.cpu_count() or 2) // 2)
_SLICE = 0.05  # seconds of work before others have their turn
_GAP = 0.001  # seconds that those who wait need to wake up and take it
_files: list[int] = []  # the one that `prepare` made


def prepare() -> None:
    """To be called before the processes that make files are forked.

    They inherit a file with one byte for each turn; each has locks of its own on it, and loses them when it ends,
    however it does.
    """
    number, path = tempfile.mkstemp(prefix="geoserver-turns-")
    os.unlink(path)  # noqa: PTH108
    _files.append(number)


class Turn:
    """One process' turn; it begins without one, so that the first bytes are there at once."""

    def __init__(self) -> None:
        self._byte = os.getpid() % _AT_ONCE
        self._file = _files[0]
        self._since: float | None = None

    def pass_on(self) -> None:
        """Between two pieces of work: go on, or wait until it is one's turn again."""
        now = time.monotonic()
        if self._since is not None:
            if now - self._since < _SLICE:
                return
            self.give_back()
            time.sleep(_GAP)
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, self._byte)
        self._since = time.monotonic()

    def give_back(self) -> None:
        """Nothing is to be had from the database now."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._byte)
        self._since = None
