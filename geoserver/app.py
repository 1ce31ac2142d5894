"""create_app(settings): the one place where the parts meet."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from geoserver import __version__
from geoserver.api import find_routers
from geoserver.api.metrics import Board, Meter
from geoserver.api.problems import PROBLEM_TYPE, build_plain_problem, build_problem
from geoserver.api.retrying import Retrying, note_change
from geoserver.api.tile_requests import TileRequests
from geoserver.api.tile_server import TileServer
from geoserver.errors import BadParameterError, GeoserverError, OvertakenError
from geoserver.ogc.routes import router as ogc_router
from geoserver.services import Services
from geoserver.site.headers import OPEN_DATA, SECURITY, SiteHeaders
from geoserver.site.routes import router as site_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from geoserver.settings import Settings

__all__ = ["create_app"]

log = logging.getLogger("geoserver")


def create_app(
    settings: Settings,
    database_url: str,
    revive: Callable[[], object] | None = None,
    *,
    board: Board | None = None,
    worker: int = 0,
) -> FastAPI:
    """The whole server over one database; nothing is opened before its lifespan begins.

    `revive` is called in a thread when the database is away: the command line passes it for the private PostGIS.
    `board` is where several workers count together, and `worker` which of them this one is, from 0.
    """

    tiles = TileServer(settings, SECURITY | OPEN_DATA)
    meter = Meter(tiles, board, worker)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(settings, database_url, revive)
        app.state.services = services
        tiles.attach(services)
        await services.start()
        services.keeper.keep("meter", meter.run)
        try:
            yield
        finally:
            await tiles.stop()
            await services.stop()

    app = FastAPI(title="City map server", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    for router in [*find_routers(), ogc_router, site_router]:
        app.include_router(router)
    _add_error_handlers(app)
    app.add_middleware(Retrying)
    app.add_middleware(SiteHeaders)
    app.state.tiles = tiles
    app.state.meter = meter
    app.add_middleware(TileRequests, tiles=tiles)  # the outermost: a tile passes nothing else
    return app


def problem(error: GeoserverError) -> Response:
    """The error as `application/problem+json`."""
    status, headers, body = build_problem(error)
    return Response(body, status, headers, PROBLEM_TYPE)


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(GeoserverError)
    async def known(request: Request, error: GeoserverError) -> Response:
        if isinstance(error, OvertakenError):
            note_change(request.scope)
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return problem(BadParameterError(name, first.get("input"), first["msg"][0].lower() + first["msg"][1:]))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _plain_problem(error.status_code, str(error.detail), request, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _plain_problem(500, "Internal error", request, {})


def _plain_problem(status: int, title: str, request: Request, headers: dict[str, str]) -> Response:
    return Response(build_plain_problem(status, title, request.method, request.url.path), status, headers, PROBLEM_TYPE)
