"""An answer of bytes that are read as they are sent, of which a part can be asked for (RFC 9110, 14)."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from fastapi import Response
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope, Send

__all__ = ["Parts"]

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII)
_PATIENCE = 120  # seconds in which a client must take a block


class Parts(Response):
    """All of `size` bytes, or those of one range; other kinds of ranges are answered by all of it, as one may."""

    def __init__(
        self,
        read: Callable[[int, int], Iterator[bytes]],
        size: int,
        asked: Headers,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        """`read` gives the bytes from a place up to another. Raises HTTPException (416) for a range beyond the end."""
        super().__init__(headers={**headers, "Accept-Ranges": "bytes"}, media_type=media_type)
        start, end = 0, size
        found = _RANGE.fullmatch(asked.get("range", "").strip())
        if found and asked.get("if-range", self.headers["etag"]) == self.headers["etag"]:
            first, last, from_end = found.groups()
            start = int(first) if first else max(size - int(from_end), 0)
            end = min(int(last) + 1, size) if last else size
            if start >= size or end <= start:
                raise HTTPException(416, f"Range: there are {size} bytes", {"Content-Range": f"bytes */{size}"})
            self.status_code = 206
            self.headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        self.headers["content-length"] = str(end - start)
        self._blocks = read(start, end)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if not scope.get("head"):
            while block := await asyncio.to_thread(next, self._blocks, b""):
                async with asyncio.timeout(_PATIENCE):
                    await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
