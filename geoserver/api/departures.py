"""Ends the work for a client that has left, on every door: its query, its place in a queue, its thread.

Starlette lets a handler go on after its client has gone; here the handler's task is cancelled, and what it awaits sees
to the rest. Only reading ends like that: a write that was begun is done. What the end of the server cuts off before it
has an answer is told so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from geoserver.api.problems import PROBLEM_TYPE, build_problem
from geoserver.errors import UnavailableError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Departures"]

_PATIENCE = 0.25  # seconds of work after which it is worth to watch whether the client is still there


class Departures:
    """ASGI middleware around all doors: cancels GET and HEAD whose client disconnects."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or _has_body(scope):
            await self.app(scope, receive, send)
            return
        watch = _Watch(receive)
        timer = asyncio.get_running_loop().call_later(_PATIENCE, watch.start)
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, watch.receive, note)
        except asyncio.CancelledError:
            if not watch.has_left or watch.task.uncancel():
                if not begun:
                    await _say_goodbye(send)
                raise  # the server ends: that is not ours to swallow
        finally:
            timer.cancel()
            await watch.stop()


class _Watch:
    """Stands for `receive` in one request, and cancels its task at the client's departure once it was started."""

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        self.task = task
        self.has_left = False
        self._receive = receive
        self._taken: deque[Message] = deque()  # what the watcher took and the app has not asked for yet
        self._watcher: asyncio.Task[Message] | None = None

    def start(self) -> None:
        self._watcher = asyncio.create_task(self._follow(), name="departure")

    async def receive(self) -> Message:
        """What the app is told: as without us."""
        if self._taken:
            return self._taken.popleft()
        return await (asyncio.shield(self._watcher) if self._watcher is not None else self._receive())

    async def stop(self) -> None:
        if self._watcher is not None and not self._watcher.done():
            self._watcher.cancel()
            await asyncio.wait([self._watcher])

    async def _follow(self) -> Message:
        while (message := await self._receive())["type"] != "http.disconnect":
            self._taken.append(message)
        self.has_left = True
        self.task.cancel()
        return message


async def _say_goodbye(send: Send) -> None:
    """What the end of the server leaves without an answer is no fault of it."""
    status, headers, body = build_problem(UnavailableError("The server ends, or starts anew; try again in a moment."))
    told = {"Content-Type": PROBLEM_TYPE, "Content-Length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _has_body(scope: Scope) -> bool:
    headers = scope["headers"]
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in headers
    )
