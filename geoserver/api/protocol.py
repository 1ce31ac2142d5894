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
    from geoserver.gate import Gate, Held

__all__ = ["build_protocol"]

_ONCE = (b"accept-encoding", b"if-none-match", b"host", b"authorization")
_UNUSUAL = frozenset([b"content-length", b"transfer-encoding", b"expect", b"upgrade", *_ONCE])
_COOKIE = COOKIE.encode()


class TileProtocol(GuardedProtocol):
    """Answers a request for a remembered tile before a task is made of it; subclasses hold these:"""

    tiles: TileServer
    hosts: Hosts
    gate: Gate
    _dated: tuple[object, bytes] = (None, b"")
    _answered = False
    _shown: tuple[bytes, int] = (b"", -1)
    _caller: Held | None = None

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
        method = self.parser.get_method()
        if not self.url.startswith(b"/tiles/") or method not in (b"GET", b"HEAD") or self._is_busy():
            return False
        accepted, known, host, shown = b"", b"", b"", b""
        for name, value in self.headers:
            if name == b"host" and not host and value in self.hosts.known:
                host = value
            elif name == b"accept-encoding" and not accepted:
                accepted = value
            elif name == b"if-none-match" and not known:
                known = value
            elif name == b"authorization" and not shown:
                shown = value or b" "
            elif name in _UNUSUAL or (name == b"cookie" and _COOKIE in value):
                return False
        if not host or not self.parser.should_keep_alive() or self.parser.get_http_version() != "1.1":
            return False
        hot = self._find_hot(choose_encoding(accepted.decode("latin-1")), shown)
        if hot is None:
            return False
        self._write(hot, known, with_body=method == b"GET")
        return True

    def _is_busy(self) -> bool:
        return bool(self._waits or self.flow.write_paused or self.access_log)

    def _find_hot(self, encoding: str, shown: bytes) -> Hot | None:
        """What is remembered for who asks; a request by a key is counted."""
        if not shown:
            return self.tiles.find_hot(self.url, encoding)
        caller = self._recall(shown)
        hot = None if caller is None else self.tiles.find_hot(self.url, encoding, caller.access)
        return hot if hot is not None and caller is not None and self.gate.count(caller) else None

    def _recall(self, authorization: bytes) -> Held | None:
        """Whose key it is; a client says the same with every request on its connection."""
        if self._shown == (authorization, self.gate.revision) and self._caller is not None:
            return self._caller if self.gate.holds(self._caller) else None
        self._shown = (authorization, self.gate.revision)
        self._caller = self.gate.recall(authorization)
        return self._caller

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


def build_protocol(tiles: TileServer, hosts: Hosts, guard: Guard, gate: Gate) -> type[asyncio.Protocol]:
    """A protocol class for `uvicorn.Config(http=...)` that answers from this memory, under this guard."""
    members: dict[str, Any] = {"tiles": tiles, "hosts": hosts, "guard": guard, "gate": gate}
    return type("TileProtocol", (TileProtocol,), members)
