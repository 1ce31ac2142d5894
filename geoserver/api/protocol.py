"""HTTP/1.1 for uvicorn, with a short way for hot tiles: answered where the parser has read the headers.

What is not in memory, and whatever is out of the ordinary, goes uvicorn's own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from geoserver.access import name_grants
from geoserver.api.connections import Guard, GuardedProtocol
from geoserver.api.tile_server import Hot, TileServer, wants_newest
from geoserver.encodings import choose_encoding
from geoserver.etags import is_known
from geoserver.gate import COOKIE

if TYPE_CHECKING:
    import asyncio

    from geoserver.api.hosts import Hosts
    from geoserver.gate import Gate, Held

__all__ = ["build_protocol"]

# Headers that are looked at: some are read, once; what is unusual goes the ordinary way.
_UNUSUAL = (b"content-length", b"transfer-encoding", b"expect", b"upgrade")
_READ = frozenset(
    [b"host", b"accept-encoding", b"if-none-match", b"cache-control", b"authorization", b"cookie", *_UNUSUAL]
)
_COOKIE = COOKIE.encode()


class TileProtocol(GuardedProtocol):
    """Answers a request for a remembered tile before a task is made of it; subclasses hold these:"""

    tiles: TileServer
    hosts: Hosts
    gate: Gate
    _dated: tuple[object, bytes] = (None, b"")
    _answered = False
    _shown, _revision = b"", -1
    _caller: Held | None = None
    _grants = b""

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

    def _answer_hot(self) -> bool:  # noqa: C901 - in one, for a call takes longer than what is done here
        """Write the answer if it is remembered and nothing is in its way; in order, for answers stand in a row."""
        if not self.url.startswith(b"/tiles/"):
            return False
        method = self.parser.get_method()
        if self._waits or method not in (b"GET", b"HEAD") or self.flow.write_paused or self.access_log:
            return False
        accepted, known, host, shown, newest = b"", b"", b"", b"", False
        for name, value in self.headers:
            if name not in _READ:
                continue
            if name == b"host" and not host and value in self.hosts.known:
                host = value
            elif name == b"accept-encoding" and not accepted:
                accepted = value
            elif name == b"if-none-match" and not known:
                known = value
            elif name == b"cache-control":
                newest = newest or wants_newest(value)
            elif name == b"authorization" and not shown:
                shown = value or b" "
            elif name != b"cookie" or _COOKIE in value:
                return False
        if not host or not self.parser.should_keep_alive() or self.parser.get_http_version() != "1.1":
            return False
        find = self._find_of_caller if shown else self.tiles.find_hot
        hot = find(self.url, choose_encoding(accepted.decode("latin-1")), shown, newest=newest)
        if hot is None:
            return False
        self._write(hot, known, with_body=method == b"GET")
        return True

    def _find_of_caller(self, target: bytes, encoding: str, shown: bytes, *, newest: bool) -> Hot | None:
        """What is remembered for whose key this is; the request is counted."""
        gate = self.gate
        if (
            shown != self._shown or gate.revision != self._revision
        ):  # else as with the request before on this connection
            self._recall(shown)
        caller = self._caller
        if caller is None or (hot := self.tiles.find_hot(target, encoding, self._grants, newest=newest)) is None:
            return None
        return hot if gate.use(caller) else None

    def _recall(self, shown: bytes) -> None:
        """Look up whose key it is."""
        self._shown, self._revision = shown, self.gate.revision
        self._caller = self.gate.recall(shown)
        self._grants = name_grants(self._caller.access.grants) if self._caller else b""

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
