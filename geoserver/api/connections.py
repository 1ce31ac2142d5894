"""What one connection may ask of the server, around uvicorn's HTTP/1.1: bytes, seconds, and how many there may be.

httptools puts a header together piece by piece and uvicorn keeps whatever comes, so bytes are counted before they are
parsed. A request is parsed when those before it are answered. One timer looks at all connections twice a second.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from geoserver.api.problems import PROBLEM_TYPE, build_refusal
from geoserver.api.refusals import (
    Limits,
    Refusal,
    RefusedError,
    check_head,
    explain,
    read_target,
    too_large,
    too_long,
    too_slow,
)

if TYPE_CHECKING:
    import asyncio

__all__ = ["ENDLESS", "Guard", "GuardedProtocol", "Limits"]

log = logging.getLogger("geoserver")

ENDLESS = "endless"  # in the state of a request's scope, of an answer that goes on and on: what to call to end it
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


class Guard:
    """The connections of one process: who may come in, and who has to go."""

    def __init__(self, limits: Limits, lines: bytes = b"") -> None:
        """`lines` are header lines of every answer."""
        self.limits = limits
        self.lines = lines
        self.waiting = 0
        self.open: dict[GuardedProtocol, None] = {}  # a set in order: of those idle since one moment, the eldest goes
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, newcomer: GuardedProtocol) -> None:
        """Take a connection in; when there are too many, another that does nothing makes room, or it is refused."""
        self.open[newcomer] = None
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
        self.open.pop(connection, None)

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
        self._timer = loop.call_later(_EVERY, self._sweep, loop) if self.open else None
        now = loop.time()
        pressed = sum(item.unread for item in self.open) > _UNREAD
        slowest = (_PRESSED_PATIENCE, _PRESSED_SLOWEST) if pressed else (self.limits.answer_time, _SLOWEST)
        for connection in list(self.open):
            try:
                connection.check(now, *slowest)
            except Exception:  # the others must be looked at all the same
                log.exception("A connection could not be looked after; it is closed")
                connection.drop()


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
            self.refuse(cause.refusal if isinstance(cause, RefusedError) else explain(error, piece))
        else:
            if not self._in_body and self._size:
                self._line_ended = self._line_ended or b"\n" in piece

    def _explain_size(self, piece: bytes) -> Refusal:
        limits = self.guard.limits
        if self._in_body:
            return too_large(limits)
        if self._line_ended or b"\n" in piece.lstrip(b"\r\n"):
            return Refusal(431, "Request header fields too large", f"expected at most {limits.head} bytes of headers")
        return too_long(limits)

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
        check_head(self.guard.limits, self.parser.get_http_version(), self.url, self.headers)
        self.url = read_target(self.parser.get_method(), self.url, self.headers)
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

    # Answers

    def shutdown(self) -> None:
        """uvicorn's, which waits for answers; those that have no end by themselves are ended."""
        super().shutdown()
        if self._waits and (end := self.scope["state"].get(ENDLESS)) is not None:
            end()

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
        if self.transport.is_closing():  # uvloop raises an error for a word to who has just left
            self.ended = self.loop.time()
            return
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
                self.refuse(too_slow(limits, "body"))
        elif self.is_unfinished:
            if now - self.begun > limits.request_time:
                self.refuse(too_slow(limits, "head"))
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
