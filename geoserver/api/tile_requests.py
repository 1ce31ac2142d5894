"""Tile requests over ASGI, in front of FastAPI: no routing, no validation, no task for what is in memory."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from geoserver.access import access_of, name_grants
from geoserver.api.problems import PROBLEM_TYPE, build_plain_problem, build_problem
from geoserver.api.tile_headers import encode_headers
from geoserver.api.tile_server import Answer, Request, TileServer, wants_newest
from geoserver.encodings import choose_encoding
from geoserver.errors import GeoserverError
from geoserver.turns import client_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["TileRequests"]

log = logging.getLogger("geoserver")

_ADDRESS = re.compile(r"/tiles/([^/]+)/([^/]+)/([^/]+)/([^/]+)\.([^/]+)")  # as the route in `tiles` is matched


class TileRequests:
    """ASGI middleware: answers GET and HEAD of tiles, and hands everything else on."""

    def __init__(self, app: ASGIApp, tiles: TileServer) -> None:
        self.app = app
        self.tiles = tiles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None
        if scope["type"] == "http" and scope["path"].startswith("/tiles/") and scope["method"] in ("GET", "HEAD"):
            found = _ADDRESS.fullmatch(scope["path"])
        if found is None:
            await self.app(scope, receive, send)
            return
        layers, z, x, y, ending = found.groups()
        answer = await self._answer((layers, z, x, y, ending), scope)
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, path: tuple[str, str, str, str, str], scope: Scope) -> Answer:
        accepted, known, newest = _read_headers(scope)
        query = scope["query_string"]
        target = scope.get("raw_path", b"") + (b"?" + query if query else b"")
        encoding = choose_encoding(accepted)
        access = access_of(scope)
        if (hot := self.tiles.find_hot(target, encoding, name_grants(access.grants), newest=newest)) is not None:
            return self.tiles.build_hot_answer(hot, known)
        try:
            request = Request(path, query.decode("latin-1"), client_of(scope), target, encoding, known, access, newest)
            return await self.tiles.answer(request)
        except GeoserverError as error:
            return self._build_problem(*build_problem(error))
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            body = build_plain_problem(500, "Internal error", scope["method"], scope["path"])
            return self._build_problem(500, {}, body)

    def _build_problem(self, status: int, headers: dict[str, str], body: bytes) -> Answer:
        lines = encode_headers({**headers, "Content-Type": PROBLEM_TYPE, "Content-Length": str(len(body))})
        return Answer(status, [*lines, *self.tiles.headers.everywhere], body)


def _read_headers(scope: Scope) -> tuple[str, str, bool]:
    """Accept-Encoding and If-None-Match, joined by commas where they come in parts; whether only the newest will do."""
    accepted, known, newest = [], [], False
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted.append(value.decode("latin-1"))
        elif name == b"if-none-match":
            known.append(value.decode("latin-1"))
        elif name == b"cache-control":
            newest = newest or wants_newest(value)
    return ",".join(accepted), ",".join(known), newest
