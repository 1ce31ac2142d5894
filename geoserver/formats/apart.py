"""Exports under way: each is a process of its own, whose bytes come through a pipe and are handed on unread."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import fcntl
import json
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from geoserver.errors import BadParameterError, LoadError, OvertakenError, UnavailableError
from geoserver.sources.apart import Nursery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from geoserver.formats.base import Extract, Format
    from geoserver.formats.kept import Place

__all__ = ["BrokenOffError", "Export", "start"]

log = logging.getLogger("geoserver")

_BLOCK = 1 << 17
_PIPE = 1 << 18
_SIZE = 8  # bytes that say how many follow
_LATER = 60  # seconds after which there may be room on a disk again
_WORKER = "geoserver.formats.child"
# Which pyogrio and pyarrow would import: a tenth of all the memory that a file costs.
_UNUSED = ("shapely", "pyproj", "certifi", "pyarrow._dataset", "pyarrow._s3fs", "pyarrow._gcsfs", "pyarrow._azurefs")
_CODE = struct.Struct("<i")


class BrokenOffError(Exception):
    """A file ended before its end, after some of it was given out."""


class Export:
    """One export. `size` is known of a file that was made before it was sent; `rows` after the last block."""

    def __init__(self, pipe: int, status: socket.socket) -> None:
        os.set_blocking(pipe, False)
        status.setblocking(False)
        self._pipe = pipe
        self._status = status
        self._first = b""
        self.size: int | None = None
        self.rows: int | None = None

    async def begin(self, chosen: Format) -> None:
        """Wait for the first bytes; raises what went wrong before them, as a client should hear it."""
        block = await self._read()
        if not chosen.streams:
            while block and len(block) < _SIZE and (more := await self._read()):
                block += more
            if len(block) >= _SIZE:
                self.size, block = int.from_bytes(block[:_SIZE]), block[_SIZE:] or await self._read()
        self._first = block
        if not block:
            await self._finish()

    async def blocks(self) -> AsyncIterator[bytes]:
        """All of the file. Raises BrokenOffError where it ends too early."""
        block, sent = self._first, 0
        while block:
            sent += len(block)
            yield block
            block = await self._read()
        if self.rows is not None:
            return
        try:
            await self._finish()
        except (BadParameterError, UnavailableError, LoadError) as error:
            raise BrokenOffError(str(error)) from error
        if self.size is not None and sent != self.size:
            raise BrokenOffError(f"{sent:,} of {self.size:,} bytes were sent")

    def close(self) -> None:
        """End the process, if it has not ended."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            self._status.close()

    async def _read(self) -> bytes:
        """What there is, at most a block; waits for it. Nothing is read before it is wanted: so the process waits."""
        while True:
            try:
                return os.read(self._pipe, _BLOCK)
            except BlockingIOError:
                await self._wait()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(self._pipe, wake)
        try:
            await ready
        finally:
            loop.remove_reader(self._pipe)

    async def _finish(self) -> None:
        """Hear how the process ended; raises what went wrong in it."""
        loop = asyncio.get_running_loop()
        told = b""
        while part := await loop.sock_recv(self._status, _BLOCK):
            told += part
        code = _CODE.unpack(told[:4])[0] if len(told) >= _CODE.size else 1
        words: dict[str, Any] = json.loads(told[4:] or b"{}")
        if "bad" in words:
            raise BadParameterError(*words["bad"])
        if "overtaken" in words:
            raise OvertakenError
        if "unavailable" in words:
            raise UnavailableError(words["unavailable"])
        if "full" in words:
            log.error("An export ended because the disk of %s is full (TMPDIR names another place)", words["full"])
            raise UnavailableError("The server has no room on its disk for this file; try again later.", _LATER)
        if code or "rows" not in words:
            log.error("An export ended with status %d: %s", code, words.get("failed", "it left no word"))
            raise LoadError("The file could not be made; the log of the server says why.")
        self.rows = int(words["rows"])


async def start(url: str, chosen: Format, extract: Extract, place: Place | None = None) -> Export:
    """Begin an export, which is kept at `place`; to be closed in any case.

    Raises LoadError when no process can be started.
    """
    pipe, writer = os.pipe()
    ours, theirs = socket.socketpair()
    try:
        with contextlib.suppress(AttributeError, OSError):  # a wide pipe means fewer turns between the two processes
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE)
        order = (url, chosen, extract, place)
        needs = (_WORKER, type(chosen).__module__, "geoserver.model", *chosen.needs)
        await asyncio.to_thread(_NURSERY.send, needs, order, [writer, theirs.fileno()])
    except BaseException:
        os.close(pipe)
        ours.close()
        raise
    finally:
        os.close(writer)
        theirs.close()
    export = Export(pipe, ours)
    try:
        await export.begin(chosen)
    except BaseException:
        export.close()
        raise
    return export


_NURSERY = Nursery(trusted=True, without=_UNUSED)
atexit.register(_NURSERY.close)
