"""Where a format writes to: a pipe to whoever asked, and a file for what they have not taken yet."""

from __future__ import annotations

import errno
import os
import select
import tempfile
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["Target"]

_BLOCK = 1 << 18
_MOST = 1 << 32  # bytes that may wait; then the database waits too
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Target:
    """Bytes as they are made, or a file in a folder of its own, sent when it is whole.

    Nobody's slowness holds up the database, where a load waits until the last has read the old rows: what the reader
    does not take at once waits in a file, and `finish` hands it on when the database is let go. Where the disk has no
    room for it, the database waits after all, and nothing is kept.
    """

    def __init__(self, pipe: int, folder: Path, kept: Path | None = None, pause: Callable[[], object] = bool) -> None:
        """`kept` is where all of it is written to as well, if anywhere; `pause` is called before a wait."""
        self.folder = folder
        self._pipe = pipe
        self._kept = kept
        self._pause = pause
        self._waiting: BinaryIO | None = kept.open("w+b", buffering=0) if kept else None
        self._written = self._sent = 0  # bytes of what waits
        os.set_blocking(pipe, False)

    @property
    def is_kept(self) -> bool:
        """Whether all of it is where it was to be written to as well."""
        return self._kept is not None

    def write(self, block: bytes | memoryview) -> None:
        """Hand bytes on, as many as the reader takes."""
        rest = memoryview(block).cast("B")
        if self._kept is None and self._sent == self._written:
            self._sent = self._written = 0  # what waited has gone
            rest = rest[self._offer(rest) :]
        while rest:
            try:
                done = os.pwrite(self._file().fileno(), rest, self._written)
                self._written += done
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self._empty()
                done = self._offer(rest)
            rest = rest[done:]
        self._forward()
        while self._written - self._sent > _MOST:
            self._wait()

    def write_all(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self.write(block)

    def send(self, path: Path) -> None:
        """Send a whole file, its size first (8 bytes)."""
        size = path.stat().st_size
        self._offer(memoryview(size.to_bytes(8)))  # nothing is before it in the pipe, so it has room
        if self._kept:
            self._kept.unlink()
            self._kept.hardlink_to(path)
        self._waiting, self._written = path.open("rb", buffering=0), size
        self._forward()

    def lend(self) -> int:
        """A descriptor for a library that writes by itself; `follow` hands on what it wrote."""
        return self._file().fileno()

    def follow(self) -> None:
        """Hand on what was written to what was lent."""
        self._written = os.fstat(self._file().fileno()).st_size
        self._forward()

    def finish(self) -> None:
        """Hand on the rest, as fast as it is taken."""
        while self._sent < self._written:
            self._wait()

    def _empty(self) -> None:
        """Let go of the disk: what waits has to be taken first, and is not kept."""
        self._kept = None
        self.finish()
        os.ftruncate(self._file().fileno(), 0)
        self._written = self._sent = 0
        self._pause()
        select.select([], [self._pipe], [])

    def _wait(self) -> None:
        self._pause()
        select.select([], [self._pipe], [])
        self._forward()

    def _file(self) -> BinaryIO:
        if self._waiting is None:
            self._waiting = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115 - ends with the process
        return self._waiting

    def _forward(self) -> None:
        """Hand on what waits, until the reader takes no more."""
        while self._waiting is not None and self._sent < self._written:
            block = os.pread(self._waiting.fileno(), min(_BLOCK, self._written - self._sent), self._sent)
            done = self._offer(memoryview(block))
            self._sent += done
            if done < len(block):
                return

    def _offer(self, block: memoryview) -> int:
        """How many of these bytes the reader takes now. Raises BrokenPipeError when there is none any more."""
        done = 0
        try:
            while done < len(block):
                done += os.write(self._pipe, block[done:])
        except BlockingIOError:
            pass
        return done
