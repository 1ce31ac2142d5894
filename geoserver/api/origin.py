"""Who is signed in by a cookie writes from our own pages only: browsers send cookies along with whatever a foreign page
makes them ask, and say in `Origin` which page that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from geoserver.api.identify import access_of
from geoserver.api.problems import PROBLEM_TYPE, build_problem
from geoserver.errors import ForbiddenError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["CheckOrigin", "is_from_us"]

_READING = frozenset(["GET", "HEAD", "OPTIONS"])
_PORTS = {"http": 80, "https": 443}


class CheckOrigin:
    """ASGI middleware around all routes, so that none that writes can be forgotten."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READING and access_of(scope).by_cookie:
            request = Request(scope)
            if not is_from_us(request):
                said = (
                    "Origin must be this server's own address where a cookie says who you are; with a key it need not"
                )
                status, headers, body = build_problem(ForbiddenError(said))
                await Response(body, status, headers, PROBLEM_TYPE)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def is_from_us(request: Request) -> bool:
    """Whether a browser says that one of our own pages asks; no word of it is a no."""
    given = request.headers.getlist("origin")
    return len(given) == 1 and _split(given[0]) == _split(str(request.base_url)) is not None


def _split(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no address, such as `null`."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
