"""Content encodings: an ASGI layer that compresses text answers that nothing else has, off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from geoserver.encodings import IDENTITY, Packer, choose_encoding, compress

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Compress", "compress_apart", "read_encoding"]

_TEXT = ("text/", "image/svg+xml", "application/xml", "application/yaml", "application/javascript")
_SMALL = 1000  # bytes below which compressing gains nothing
_IN_THREAD = 16_000  # bytes; fewer are compressed in less time than it takes to hand them over
_PIECE = 65_536  # bytes of a stream that are compressed at once
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="compress")  # its own: no other work is in front of it


def read_encoding(scope: Scope) -> str:
    """The encoding that the client of a request likes best."""
    return choose_encoding(",".join(Headers(scope=scope).getlist("accept-encoding")))


async def compress_apart(body: bytes, encoding: str) -> bytes:
    """The bytes in this encoding; many of them while the event loop goes on."""
    return await _run(len(body), lambda: compress(body, encoding))


async def _run(size: int, work: Callable[[], bytes]) -> bytes:
    if size < _IN_THREAD:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


class Compress:
    """Compresses text and JSON on its way out, whole or streamed. What is encoded, empty or partial goes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = _Squeezed(send, read_encoding(scope))
        await self.app(scope, receive, send)


class _Squeezed:
    """Stands for `send` during one answer: holds the head back until the first piece of the body is seen."""

    def __init__(self, send: Send, encoding: str) -> None:
        self._send = send
        self._encoding = encoding
        self._head: Message | None = None
        self._packer: Packer | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(message):
            self._vary(MutableHeaders(raw=message["headers"]))
            if message["status"] != 304:  # noqa: PLR2004
                self._head = message
                return
        elif message["type"] == "http.response.body" and self._head is not None:
            head, self._head = self._head, None
            message = await self._begin(MutableHeaders(raw=head["headers"]), message)
            await self._send(head)
        if message["type"] == "http.response.body" and self._packer is not None:
            await self._pack(message, self._packer)
        else:
            await self._send(message)

    def _vary(self, headers: MutableHeaders) -> None:
        """To who takes an encoding the tag says `the same data`, not `the same bytes`: in a 304 as in a 200."""
        headers.add_vary_header("Accept-Encoding")
        tag = headers.get("etag", "")
        if tag and self._encoding != IDENTITY and not tag.startswith("W/"):
            headers["ETag"] = f"W/{tag}"

    async def _begin(self, headers: MutableHeaders, message: Message) -> Message:
        """Decide on the encoding by the first piece of the body; the whole of it is compressed here."""
        more, body = message.get("more_body", False), message.get("body", b"")
        if self._encoding == IDENTITY or not (more or len(body) >= _SMALL):
            return message
        headers["Content-Encoding"] = self._encoding
        del headers["Accept-Ranges"]  # parts are of what is not encoded
        if more:
            self._packer = Packer(self._encoding)
            if "content-length" in headers:
                del headers["content-length"]
            return message
        packed = await compress_apart(body, self._encoding)
        headers["Content-Length"] = str(len(packed))
        return {**message, "body": packed}

    async def _pack(self, message: Message, packer: Packer) -> None:
        more, body = message.get("more_body", False), message.get("body", b"")
        for at in range(0, len(body), _PIECE):
            piece = body[at : at + _PIECE]
            if packed := await _run(len(piece), lambda piece=piece: packer.add(piece)):  # type: ignore[misc]
                await self._send({"type": "http.response.body", "body": packed, "more_body": True})
        if not more:
            await self._send({"type": "http.response.body", "body": packer.finish(), "more_body": False})


def _is_text(head: Message) -> bool:
    """Whether an answer is text that nobody has encoded; a 304 without its type stands for any, unless it says already
    how it varies.
    """
    headers = Headers(raw=head["headers"])
    if head["status"] == 304 and "content-type" not in headers:  # noqa: PLR2004
        return "accept-encoding" not in headers.get("vary", "").lower()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    textual = kind.startswith(_TEXT) or kind.endswith(("json", "+xml")) or kind == "application/x-ndjson"
    whole = head["status"] not in (204, 206)
    varies = "accept-encoding" in headers.get("vary", "").lower()
    return textual and whole and not varies and "content-encoding" not in headers and kind != "text/event-stream"
