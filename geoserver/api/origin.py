"""Who is signed in by a cookie writes from our own pages only: browsers send cookies along with whatever a foreign page
makes them ask, and say in `Origin` which page that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from geoserver.access import access_of
from geoserver.api.problems import PROBLEM_TYPE, build_problem
from geoserver.errors import ForbiddenError
from geoserver.gate import is_from

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["CheckOrigin"]

_READING = frozenset(["GET", "HEAD", "OPTIONS"])


class CheckOrigin:
    """ASGI middleware around all routes, so that none that writes can be forgotten."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READING and access_of(scope).by_cookie:
            request = Request(scope)
            if not is_from(str(request.base_url), request.headers.getlist("origin")):
                said = (
                    "Origin must be this server's own address where a cookie says who you are; with a key it need not"
                )
                status, headers, body = build_problem(ForbiddenError(said))
                await Response(body, status, headers, PROBLEM_TYPE)(scope, receive, send)
                return
        await self.app(scope, receive, send)
