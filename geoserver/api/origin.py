"""Who is signed in by a cookie, or by Basic, writes from our own pages only: browsers send both along with whatever a
foreign page makes them ask, and say in `Origin` which page that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from geoserver.access import access_of
from geoserver.addresses import site_of
from geoserver.api.problems import PROBLEM_TYPE, build_problem
from geoserver.errors import ForbiddenError
from geoserver.gate import is_basic, is_from

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["CheckOrigin"]

_READING = frozenset(["GET", "HEAD", "OPTIONS"])
_OWN_SITES = ("same-origin", "none")  # "none": by what somebody typed


class CheckOrigin:
    """ASGI middleware around all routes, so that none that writes can be forgotten."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READING and not _may_write(Request(scope)):
            said = (
                "Origin must be this server's own address where a browser says by itself who you are, by a cookie or by"
                " Basic; with Authorization: Bearer KEY it need not"
            )
            status, headers, body = build_problem(ForbiddenError(said))
            await Response(body, status, headers, PROBLEM_TYPE)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _may_write(request: Request) -> bool:
    """Programs send Basic and no word of a page; a browser says at least that another site asks."""
    access, origins = access_of(request.scope), request.headers.getlist("origin")
    if access.by_cookie:
        return is_from(site_of(request), origins)
    if access.kind == "nobody" or not is_basic(request.headers.getlist("authorization")):
        return True
    if origins:
        return is_from(site_of(request), origins)
    return request.headers.get("sec-fetch-site", "same-origin") in _OWN_SITES
