"""Content encodings: what a client takes, and an ASGI layer that compresses text answers that nothing else has."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from geoserver.encodings import accepts

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Compress", "accepts_gzip"]

_TEXT = ("text/", "image/svg+xml", "application/xml", "application/yaml", "application/javascript")
_SMALL = 1000  # bytes below which compressing gains nothing
_LEVEL = 4  # JSON shrinks by nine tenths, at 100 MB/s and more


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is among the encodings of an Accept-Encoding header and not refused by `q=0`."""
    return accepts(accept_encoding, "gzip")


class Compress:
    """Gzips text and JSON on its way out, whole or streamed. What is encoded, empty or partial goes by untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self.app(scope, receive, send)
            return
        takes = accepts_gzip(Headers(scope=scope).get("accept-encoding", ""))
        await self.app(scope, receive, _Squeezed(send, takes=takes))


class _Squeezed:
    """Stands for `send` during one answer: holds the head back until the first piece of the body is seen."""

    def __init__(self, send: Send, *, takes: bool) -> None:
        self._send = send
        self._takes = takes
        self._head: Message | None = None
        self._packer: zlib._Compress | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(message):
            self._head = message
            return
        if message["type"] == "http.response.body" and self._head is not None:
            head, self._head = self._head, None
            more, body = message.get("more_body", False), message.get("body", b"")
            headers = MutableHeaders(raw=head["headers"])
            headers.add_vary_header("Accept-Encoding")
            if self._takes and (more or len(body) >= _SMALL):
                self._packer = zlib.compressobj(_LEVEL, wbits=31)
                _mark(headers)
            await self._send(head)
        if message["type"] == "http.response.body" and self._packer is not None:
            await self._pack(message, self._packer)
            return
        await self._send(message)

    async def _pack(self, message: Message, packer: zlib._Compress) -> None:
        more = message.get("more_body", False)
        body = packer.compress(message.get("body", b"")) + (b"" if more else packer.flush())
        if body or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _is_text(head: Message) -> bool:
    headers = Headers(raw=head["headers"])
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    textual = kind.startswith(_TEXT) or kind.endswith(("json", "+xml")) or kind == "application/x-ndjson"
    whole = head["status"] not in (204, 206, 304)
    return textual and whole and "content-encoding" not in headers and kind != "text/event-stream"


def _mark(headers: MutableHeaders) -> None:
    """The compressed form is another representation: another length, and a tag that only says `the same data`."""
    headers["Content-Encoding"] = "gzip"
    if "content-length" in headers:
        del headers["content-length"]
    tag = headers.get("etag", "")
    if tag and not tag.startswith("W/"):
        headers["ETag"] = f"W/{tag}"
