"""HTTP/1.1 for uvicorn, with a short way for hot tiles: answered where the parser has read the headers.

What is not in memory, and whatever is out of the ordinary, goes uvicorn's own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from geoserver.api.connections import Guard, GuardedProtocol
from geoserver.api.tile_server import Hot, TileServer
from geoserver.encodings import choose_encoding
from geoserver.etags import is_known
from geoserver.gate import COOKIE

if TYPE_CHECKING:
    import asyncio

    from geoserver.api.hosts import Hosts

__all__ = ["build_protocol"]

_UNUSUAL = frozenset([b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"authorization"])
_COOKIE = COOKIE.encode()


class TileProtocol(GuardedProtocol):
    """Answers a request for a remembered tile before a task is made of it. Subclasses hold `tiles` and `hosts`."""

    tiles: TileServer
    hosts: Hosts
    _dated: tuple[object, bytes] = (None, b"")
    _answered = False

    def on_headers_complete(self) -> None:
        self._answered = self._answer_hot()
        if self._answered:
            self.begin_body()
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._answered:
            self.end_body()
        else:
            super().on_message_complete()

    def _answer_hot(self) -> bool:
        """Write the answer if it is remembered and nothing is in its way; in order, for answers stand in a row."""
        if not self.url.startswith(b"/tiles/"):
            return False
        method = self.parser.get_method()
        if self._waits or method not in (b"GET", b"HEAD") or self.flow.write_paused or self.access_log:
            return False
        accepted, known, host = b"", b"", b""
        for name, value in self.headers:
            if name == b"host" and not host and value in self.hosts.known:
                host = value
            elif name == b"accept-encoding" and not accepted:
                accepted = value
            elif name == b"if-none-match" and not known:
                known = value
            elif (
                name in _UNUSUAL
                or (name == b"cookie" and _COOKIE in value)
                or name in (b"accept-encoding", b"if-none-match", b"host")
            ):
                return False
        if not host or not self.parser.should_keep_alive() or self.parser.get_http_version() != "1.1":
            return False
        hot = self.tiles.find_hot(self.url, choose_encoding(accepted.decode("latin-1")))
        if hot is None:
            return False
        self._write(hot, known, with_body=method == b"GET")
        return True

    def _write(self, hot: Hot, known: bytes, *, with_body: bool) -> None:
        unchanged = bool(known) and (known == hot.etag or is_known(known.decode("latin-1"), hot.etag.decode()))
        status = 304 if unchanged else hot.status
        head = b"".join((STATUS_LINE[status], self._default_lines(), self.tiles.head_of(hot, unchanged=unchanged)))
        if with_body and status == 200:  # noqa: PLR2004
            self.transport.writelines((head, hot.entry.encodings[hot.encoding]))  # so that the body is not copied
        else:
            self.transport.write(head)
        self.server_state.total_requests += 1
        self.idle_since = self.loop.time()

    def _default_lines(self) -> bytes:
        """`date` and `server`, which uvicorn makes anew every second."""
        headers = self.server_state.default_headers
        kind = type(self)
        if kind._dated[0] is not headers:
            kind._dated = (headers, b"".join(name + b": " + value + b"\r\n" for name, value in headers))
        return kind._dated[1]


def build_protocol(tiles: TileServer, hosts: Hosts, guard: Guard) -> type[asyncio.Protocol]:
    """A protocol class for `uvicorn.Config(http=...)` that answers from this memory, under this guard."""
    members: dict[str, Any] = {"tiles": tiles, "hosts": hosts, "guard": guard}
    return type("TileProtocol", (TileProtocol,), members)
