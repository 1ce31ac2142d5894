"""create_app(settings): the one place where the parts meet."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from geoserver import __version__
from geoserver.api import find_routers
from geoserver.errors import BadParameterError, GeoserverError, UnavailableError, shorten
from geoserver.ogc.routes import router as ogc_router
from geoserver.services import Services
from geoserver.site.headers import SiteHeaders
from geoserver.site.routes import router as site_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from geoserver.settings import Settings

__all__ = ["create_app"]

log = logging.getLogger("geoserver")


def create_app(settings: Settings, database_url: str, revive: Callable[[], object] | None = None) -> FastAPI:
    """The whole server over one database; nothing is opened before its lifespan begins.

    `revive` is called in a thread when the database is away: the command line passes it for the private PostGIS.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(settings, database_url, revive)
        app.state.services = services
        await services.start()
        try:
            yield
        finally:
            await services.stop()

    app = FastAPI(title="City map server", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    for router in [*find_routers(), ogc_router, site_router]:
        app.include_router(router)
    _add_error_handlers(app)
    app.add_middleware(SiteHeaders)
    return app


def problem(error: GeoserverError) -> JSONResponse:
    """The error as `application/problem+json` (RFC 9457)."""
    body = {"type": "about:blank", "title": error.title, "status": error.status, "detail": str(error)}
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse(
        body | error.members(), status_code=error.status, headers=headers, media_type="application/problem+json"
    )


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(GeoserverError)
    async def known(_: Request, error: GeoserverError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return problem(BadParameterError(name, first.get("input"), first["msg"][0].lower() + first["msg"][1:]))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return _plain_problem(error.status_code, str(error.detail), request, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _plain_problem(500, "Internal error", request, {})


def _plain_problem(status: int, title: str, request: Request, headers: dict[str, str]) -> JSONResponse:
    detail = f"{request.method} {shorten(request.url.path)}: {title}"
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")
