"""Requests that a change overtook: asked again once, when what is loaded is known anew."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from geoserver.services import Services

__all__ = ["Retrying", "note_change"]

log = logging.getLogger("geoserver")

_KEY = "geoserver.overtaken"


def note_change(scope: Any) -> None:
    """The answer to this request fails because a table is another than it was when the question was put together."""
    scope.get(_KEY, []).append(True)


class Retrying:
    """ASGI middleware for reading: a load that gives a table other columns costs nobody an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        overtaken: list[bool] = []  # one list for all copies of the scope
        begun = False

        async def send_unless_overtaken(message: Message) -> None:
            nonlocal begun
            if not overtaken:
                begun = True
                await send(message)

        first = {**scope, _KEY: overtaken}
        services: Services = scope["app"].state.services
        try:
            await self.app(first, receive, send_unless_overtaken)
        except Exception as error:
            if begun or not await services.look_again():
                raise
            log.warning("%s %s was overtaken by a change: %r", scope["method"], scope["path"], error)
        else:
            if begun or not overtaken:
                return
            await services.look_again()
        await self.app(scope, receive, send)
