"""Files on their way to a client: as they are made, or from where they are kept, and then in parts too."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from email.utils import formatdate
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from geoserver.formats.apart import BrokenOffError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from geoserver.formats.apart import Export

__all__ = ["KeptFile", "MadeFile"]

log = logging.getLogger("geoserver")

_BLOCK = 1 << 18
_PATIENCE = 120  # seconds in which a client must take a block, so that nobody holds a place for ever
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_MOST_DIGITS = 18


class _File(Response):
    """Sends blocks, however many there are; whatever ends the answer ends what they come from."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD" and not scope.get("head"):
                async for block in self._blocks():
                    await _hand_on(send, {"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except BrokenOffError as error:  # without its end, by which the client knows that it is not whole
            log.warning("%s broke off: %s", scope["path"], error)
        finally:
            self._close()

    def _blocks(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


class MadeFile(_File):
    """A file that is being made."""

    def __init__(
        self, export: Export, headers: Mapping[str, str], media_type: str, when_ended: Callable[[], None]
    ) -> None:
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["content-length"]
        if export.size is not None:
            self.headers["content-length"] = str(export.size)
        self._export, self._when_ended = export, when_ended

    def _blocks(self) -> AsyncIterator[bytes]:
        return self._export.blocks()

    def _close(self) -> None:
        self._export.close()
        self._when_ended()


class KeptFile(_File):
    """A whole file from the disk, or the part of it that is asked for."""

    def __init__(self, file: BinaryIO, asked: Headers, headers: Mapping[str, str], media_type: str) -> None:
        """Raises HTTPException (416) where the file has no such part."""
        state = os.fstat(file.fileno())
        kept = {"Last-Modified": formatdate(state.st_mtime, usegmt=True), "Accept-Ranges": "bytes"}
        super().__init__(headers={**headers, **kept}, media_type=media_type)
        self._file = file
        self._start, self._end = 0, state.st_size
        wanted = asked.get("range", "")
        if wanted and asked.get("if-range", self.headers["etag"]) in (self.headers["etag"], kept["Last-Modified"]):
            try:
                part = _parse_range(wanted, state.st_size)
            except ValueError:
                file.close()
                span = {"Content-Range": f"bytes */{state.st_size}"}
                raise HTTPException(416, f"Range: the file has {state.st_size} bytes", span) from None
            if part is not None:
                self._start, self._end = part
                self.status_code = 206
                self.headers["content-range"] = f"bytes {self._start}-{self._end - 1}/{state.st_size}"
        self.headers["content-length"] = str(self._end - self._start)

    async def _blocks(self) -> AsyncIterator[bytes]:
        at = self._start
        while at < self._end:
            block = await asyncio.to_thread(os.pread, self._file.fileno(), min(_BLOCK, self._end - at), at)
            if not block:
                raise BrokenOffError("a kept file became shorter")
            at += len(block)
            yield block

    def _close(self) -> None:
        self._file.close()


async def _hand_on(send: Send, message: dict[str, object]) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await send(message)
    except TimeoutError:
        raise BrokenOffError(f"the client took nothing for {_PATIENCE} seconds") from None


def _parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Start and end of the part; None for what is to be ignored, such as several parts at once.

    Raises ValueError where the file has no such part.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or found[0] == "bytes=-" or max(map(len, found.groups())) > _MOST_DIGITS:
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < int(first):
        return None
    if start >= size:
        raise ValueError(text)
    return start, end
