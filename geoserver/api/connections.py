"""What one connection may ask of the server, around uvicorn's HTTP/1.1: bytes, seconds, and how many there may be.

httptools puts a header together piece by piece and uvicorn keeps whatever comes, so bytes are counted before they are
parsed. A request is parsed when those before it are answered. One timer looks at all connections twice a second.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from geoserver.api.problems import PROBLEM_TYPE, build_refusal

if TYPE_CHECKING:
    import asyncio

__all__ = ["Guard", "GuardedProtocol", "Limits"]

log = logging.getLogger("geoserver")

_EVERY = 0.5  # seconds between two looks at the connections
_PIECE = 4_096  # bytes of a body that are parsed at once: requests behind it become few at a time
_LINGER = 2.0  # seconds for a refused client to read why, while what it still sends is thrown away
_THROWN_AWAY = 2**24  # bytes of that; whoever sends more does not read
_SLOWEST = 1_000  # bytes a second at which an answer must be taken
_PRESSED_SLOWEST, _PRESSED_PATIENCE = 30_000, 1.0  # the same, and seconds, while unread answers take much memory
_UNREAD = 2**25  # bytes of answers that no client has taken yet, from which on that is so
_WAITING = 2**24  # bytes of requests, of all connections, that wait for the answers before them
_RESERVE = 64  # connections beyond the limit that may listen to why they were refused
_UNFINISHED = 1.0  # seconds after which an unfinished request makes room for somebody else
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.[01]\r?$")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    connections: int = 1_000
    head: int = 65_536
    target: int = 60_000
    headers: int = 256
    body: int = 2**20
    request_time: float = 10.0  # for a head, and again for a body
    idle_time: float = 5.0
    answer_time: float = 30.0  # in which a client takes nothing worth speaking of of its answer


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is answered here, and not by the app."""

    status: int
    title: str
    detail: str
    header: bytes = b""


class RefusedError(Exception):
    """Raised in the parser's callbacks, to end parsing."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.title)


class Guard:
    """The connections of one process: who may come in, and who has to go."""

    def __init__(self, limits: Limits, lines: bytes = b"") -> None:
        """`lines` are header lines of every answer."""
        self.limits = limits
        self.lines = lines
        self.waiting = 0
        self.open: set[GuardedProtocol] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, newcomer: GuardedProtocol) -> None:
        """Take a connection in; when there are too many, another that does nothing makes room, or it is refused."""
        self.open.add(newcomer)
        if self._timer is None:
            self._timer = newcomer.loop.call_later(_EVERY, self._sweep, newcomer.loop)
        most = self.limits.connections
        if len(self.open) <= most:
            return
        ending = [item for item in self.open if item.ended]
        if len(ending) > min(most, _RESERVE):
            min(ending, key=lambda item: item.ended).drop()
        if len(self.open) - len(ending) > most and not self._make_room(newcomer):
            detail = f"This server has {most} connections open already; try again in a second."
            newcomer.refuse(Refusal(503, "Too many connections", detail, b"retry-after: 1\r\n"))

    def leave(self, connection: GuardedProtocol) -> None:
        """It is closed."""
        self.open.discard(connection)

    def _make_room(self, newcomer: GuardedProtocol) -> bool:
        now = newcomer.loop.time()
        others = [item for item in self.open if item is not newcomer]
        if idle := [item for item in others if item.is_idle]:
            min(idle, key=lambda item: item.idle_since).drop()
            return True
        slow = [item for item in others if item.is_unfinished and now - item.begun > _UNFINISHED]
        if slow:
            min(slow, key=lambda item: item.begun).drop()
        return bool(slow)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        pressed = sum(item.unread for item in self.open) > _UNREAD
        slowest = (_PRESSED_PATIENCE, _PRESSED_SLOWEST) if pressed else (self.limits.answer_time, _SLOWEST)
        for connection in list(self.open):
            connection.check(now, *slowest)
        self._timer = loop.call_later(_EVERY, self._sweep, loop) if self.open else None


class _Flow(FlowControl):
    """Reading stays paused while requests wait, whatever the app that makes the answer asks for."""

    shut = False

    def resume_reading(self) -> None:
        if not self.shut:
            super().resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within limits. Subclasses hold the `guard`."""

    guard: ClassVar[Guard]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.begun = 0.0  # when the first byte of a request came that is not complete, or of its body
        self.idle_since = 0.0
        self._in_body = False  # the head of a request is complete, and it has an answer or will have one
        self._size = 0  # bytes of an unfinished head, or of its body with all that is around it
        self._line_ended = False
        self._last = False  # nothing that comes after this request is read
        self._held = b""  # requests that wait for the answers before them
        self._refusal: Refusal | None = None
        self.ended = 0.0  # when the last word was said
        self._thrown_away = 0
        self._mark: tuple[int, float] | None = None  # bytes of answers not taken, and when that was noted

    # Bytes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.idle_since = self.loop.time()
        self.guard.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.guard.leave(self)
        self._let_go()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.ended or self._last:
            self._thrown_away += len(data)
            if self._thrown_away > _THROWN_AWAY:
                self.drop()
        elif self._held or self._waits:
            self._hold(data)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Feed the parser by one head at a time, as far as answers are done."""
        at, size, limits = 0, len(data), self.guard.limits
        while at < size and not (self.ended or self._last or self.transport.is_closing()):
            if self._waits:
                self._hold(data[at:])
                return
            if self._in_body:
                end, room = at + _PIECE, limits.body + limits.head - self._size
            else:
                end, room = data.find(b"\r\n\r\n", at) + 4, limits.head - self._size
            end = min(end if end > at + 3 else size, size)
            piece = data if end - at == size else data[at:end]
            if len(piece) > room:
                self.refuse(self._explain_size(piece[:room]))
                return
            self._size += len(piece)
            self._feed(piece)
            at = end

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._last = True  # what follows may be of a protocol that is not spoken here
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.refusal if isinstance(cause, RefusedError) else _explain(error, piece))
        else:
            if not self._in_body and self._size:
                self._line_ended = self._line_ended or b"\n" in piece

    def _explain_size(self, piece: bytes) -> Refusal:
        limits = self.guard.limits
        if self._in_body:
            return _too_large(limits)
        if self._line_ended or b"\n" in piece.lstrip(b"\r\n"):
            return Refusal(431, "Request header fields too large", f"expected at most {limits.head} bytes of headers")
        return _too_long(limits)

    @property
    def _waits(self) -> bool:
        """Whether the next request has to wait for an answer."""
        return not self._in_body and self.cycle is not None and not self.cycle.response_complete

    def _hold(self, data: bytes) -> None:
        """Keep what came too early, and read no more; too much of it is let go, and the connection with it."""
        self._held += data
        self.guard.waiting += len(data)
        if self.guard.waiting > _WAITING:
            self._let_go()
            self._last = True
        self._pause()

    def _pause(self) -> None:
        self.flow.shut = True  # type: ignore[attr-defined]
        if not self.transport.is_closing():
            self.flow.pause_reading()

    def _let_go(self) -> None:
        self.guard.waiting -= len(self._held)
        self._held = b""

    # What the parser finds

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.begun = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # a trailer behind a body is no header of the request
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._check_head()
        super().on_headers_complete()
        if self.parser.should_upgrade():  # answered as if it did not ask for that
            self.cycle.keep_alive = False
        self.begin_body()

    def begin_body(self) -> None:
        """The head is understood; what comes now is the body, of whatever size."""
        self._in_body, self._size, self._line_ended = True, 0, False
        self.begun = self.loop.time()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.end_body()

    def end_body(self) -> None:
        """The request is complete."""
        self._in_body, self._size, self.begun = False, 0, 0.0

    def _check_head(self) -> None:
        """Refuse what the parser lets pass; raises RefusedError."""
        limits, version = self.guard.limits, self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise RefusedError(Refusal(400, "Bad request", f"got HTTP/{version}; expected HTTP/1.1 or HTTP/1.0"))
        if len(self.url) > limits.target:
            raise RefusedError(_too_long(limits))
        if len(self.headers) > limits.headers:
            detail = f"got {len(self.headers)} headers; expected at most {limits.headers}"
            raise RefusedError(Refusal(431, "Request header fields too large", detail))
        for name, value in self.headers:
            if name == b"content-length" and len(value) < 20 and int(value) > limits.body:  # noqa: PLR2004
                raise RefusedError(_too_large(limits))
            if name == b"expect" and value.lower() != b"100-continue":
                raise RefusedError(Refusal(417, "Expectation failed", "expected Expect: 100-continue, or none"))
            if name == b"transfer-encoding" and (version == "1.0" or value.strip().lower() != b"chunked"):
                detail = "expected Transfer-Encoding: chunked, once, and under HTTP/1.1"
                raise RefusedError(Refusal(400, "Bad request", detail))
        if not self.url.startswith(b"/"):
            self._read_target()

    def _read_target(self) -> None:
        """Targets that are no path: an absolute one counts instead of the Host header (RFC 9112, 3.2)."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise RefusedError(_not_allowed())
        if self.url == b"*" and method == b"OPTIONS":
            return
        found = _ABSOLUTE.fullmatch(self.url)
        if found is None:
            detail = "expected a request target that begins with a slash, or with http://"
            raise RefusedError(Refusal(400, "Bad request", detail))
        authority, rest = found.groups()
        hosts = [at for at, (name, _) in enumerate(self.headers) if name == b"host"]
        for at in hosts:
            self.headers[at] = (b"host", authority)
        self.url = rest if rest.startswith(b"/") else b"/" + rest

    # Answers

    def on_response_complete(self) -> None:
        """uvicorn's, without its timer; then what waited."""
        self.server_state.total_requests += 1
        self.idle_since = self.loop.time()
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal is not None:
            self._say(self._refusal)
        elif self._last:
            self.transport.close()
        else:
            self.flow.shut = False  # type: ignore[attr-defined]
            self.flow.resume_reading()
            if data := self._held:
                self._let_go()
                self._parse(data)

    def refuse(self, refusal: Refusal) -> None:
        """Answer that, in its turn, and close; where the answer to this request has begun already, only close."""
        if self.ended or self._refusal is not None:
            return
        cycle = self.cycle
        if self._in_body and not self.pipeline:
            if cycle is None or cycle.response_complete:
                self._end()
            elif cycle.response_started:
                cycle.keep_alive = False
                self._last = True
            else:
                cycle.disconnected = True
                cycle.message_event.set()
                self._say(refusal)
        elif self.pipeline or self._waits:
            if self._in_body:
                self.pipeline.popleft()  # the newest: its body is what is refused
            self._refusal = refusal
            self._pause()
        else:
            self._say(refusal)

    def _say(self, refusal: Refusal) -> None:
        log.debug("%s refused: %d %s", self.client, refusal.status, refusal.title)
        body = build_refusal(refusal.status, refusal.title, refusal.detail)
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
        own = f"content-type: {PROBLEM_TYPE}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\n"
        head = [STATUS_LINE[refusal.status], lines, self.guard.lines, own.encode(), refusal.header]
        self.transport.write(b"".join([*head, b"connection: close\r\n\r\n", body]))
        self._end()

    def _end(self) -> None:
        """Say no more, but listen for a while: closing at once would take the answer from whoever is still sending."""
        self.ended = self.loop.time()
        self._let_go()
        if self.transport.is_closing():
            return
        self.flow.shut = False  # type: ignore[attr-defined]
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def drop(self) -> None:
        """Close now, whatever is under way."""
        self.ended = self.ended or self.loop.time()
        self.guard.leave(self)
        self.transport.abort()

    # Time

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request of which nothing has come."""
        return not (self.ended or self.begun or self._waits or self._in_body)

    @property
    def is_unfinished(self) -> bool:
        """Whether it waits for the rest of a head."""
        return not self.ended and self.begun > 0 and not (self._waits or self._in_body)

    @property
    def unread(self) -> int:
        """Bytes of answers that the client has not taken yet."""
        return self.transport.get_write_buffer_size()

    def check(self, now: float, patience: float, slowest: float) -> None:
        """Close what takes too long; an answer must be taken at `slowest` bytes a second, over `patience` seconds."""
        limits = self.guard.limits
        if not self._is_taken(now, patience, slowest):
            self.drop()
        elif self.ended:
            if now - self.ended > _LINGER and self._mark is None:
                self.drop()
        elif self._in_body:
            if now - self.begun > limits.request_time and not self.flow.read_paused:
                self.refuse(_too_slow(limits, "body"))
        elif self.is_unfinished:
            if now - self.begun > limits.request_time:
                self.refuse(_too_slow(limits, "head"))
        elif self.is_idle and now - self.idle_since > limits.idle_time and self._mark is None:
            self.ended = now
            self.transport.close()

    def _is_taken(self, now: float, patience: float, slowest: float) -> bool:
        left = self.unread
        if not left:
            self._mark = None
        elif self._mark is None or left > self._mark[0]:
            self._mark = (left, now)
        elif now - self._mark[1] >= patience:
            taken, seconds = self._mark[0] - left, now - self._mark[1]
            self._mark = (left, now)
            return taken >= slowest * seconds
        return True


def _explain(error: httptools.HttpParserError, piece: bytes) -> Refusal:
    """What the parser found fault with; a method that it does not know is as good as one that nothing here takes."""
    line = piece.lstrip(b"\r\n").partition(b"\n")[0]
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _REQUEST_LINE.match(line):
        return _not_allowed()
    reason = str(error) if not isinstance(error, httptools.HttpParserCallbackError) else "the target cannot be read"
    return Refusal(400, "Bad request", f"got what is no HTTP/1.1: {reason}; expected a request as RFC 9112 says")


def _not_allowed() -> Refusal:
    allow = "GET, HEAD, OPTIONS"
    return Refusal(405, "Method not allowed", f"expected one of {allow}", f"allow: {allow}\r\n".encode())


def _too_long(limits: Limits) -> Refusal:
    return Refusal(414, "URI too long", f"expected an address of at most {limits.target} bytes")


def _too_large(limits: Limits) -> Refusal:
    return Refusal(413, "Content too large", f"expected a body of at most {limits.body} bytes")


def _too_slow(limits: Limits, part: str) -> Refusal:
    return Refusal(408, "Request timeout", f"expected the whole {part} within {limits.request_time:g} seconds")
