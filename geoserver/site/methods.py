"""HEAD and OPTIONS for every address, whatever its route declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Methods", "list_methods"]


class Methods:
    """ASGI middleware: HEAD is GET without its body, `head` in the scope; OPTIONS says what else there is."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        """`routes` are all of the app's."""
        self.app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self.app({**scope, "method": "GET", "head": True}, receive, _without_body(send))
        elif scope["type"] == "http" and scope["method"] == "OPTIONS" and (allow := self._allow(scope)):
            headers = [(b"allow", allow.encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, send)

    def _allow(self, scope: Scope) -> str:
        if scope["path"] == "*":
            return "GET, HEAD, OPTIONS"
        return ", ".join(list_methods(self._routes, scope))


def list_methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """What may be done at the address of a request, in alphabetical order; nothing when there is no such address."""
    found: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] != Match.NONE:
            found |= set(getattr(route, "methods", None) or ())
    if "GET" in found:
        found.add("HEAD")
    return sorted(found | {"OPTIONS"}) if found else []


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
