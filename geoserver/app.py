"""create_app(settings): the one place where the parts meet."""

from __future__ import annotations

import contextlib
import logging
import math
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from geoserver import __version__
from geoserver.addresses import site_of
from geoserver.api import find_routers
from geoserver.api.departures import Departures
from geoserver.api.description import describe
from geoserver.api.download import Slots, sweep_kept
from geoserver.api.finding.words import Lexicon
from geoserver.api.following import Following
from geoserver.api.hosts import CheckHost, Hosts
from geoserver.api.identify import Identify
from geoserver.api.metrics import Board, Meter
from geoserver.api.origin import CheckOrigin
from geoserver.api.pictures.frozen import draw_frozen
from geoserver.api.pictures.studio import Studio
from geoserver.api.problems import PROBLEM_TYPE, build_plain_problem, build_problem
from geoserver.api.retrying import Retrying, note_change
from geoserver.api.tile_requests import TileRequests
from geoserver.api.tile_server import TileServer
from geoserver.catalog.city_words import offered_languages
from geoserver.errors import BadParameterError, GeoserverError, OvertakenError
from geoserver.formats.kept import Shelf
from geoserver.gate import Gate
from geoserver.gate.misfits import Misfits
from geoserver.kept import Kept
from geoserver.ogc.routes import router as ogc_router
from geoserver.questions import Questions
from geoserver.services import Services
from geoserver.site.answers import Answers
from geoserver.site.attempts import Attempts
from geoserver.site.catalogues import build_documents
from geoserver.site.catalogues import router as catalogue_router
from geoserver.site.datasets.known import Reading
from geoserver.site.datasets.routes import feed_router
from geoserver.site.datasets.routes import router as datasets_router
from geoserver.site.embed import router as embed_router
from geoserver.site.frozen import Freezer
from geoserver.site.frozen import router as frozen_router
from geoserver.site.headers import OPEN_DATA, SECURITY, SiteHeaders
from geoserver.site.methods import list_methods
from geoserver.site.oembed import router as oembed_router
from geoserver.site.openid import OpenID
from geoserver.site.routes import router as site_router
from geoserver.site.signin import router as signin_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from starlette.routing import BaseRoute

    from geoserver.model import Grant
    from geoserver.settings import Settings

__all__ = ["create_app"]

log = logging.getLogger("geoserver")

_COMPUTED = 32 * 2**20  # bytes of aggregates and marks in memory
_PAGES = (
    frozen_router,
    site_router,
    embed_router,
    feed_router,
    datasets_router,
    catalogue_router,
    signin_router,
    oembed_router,
)


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

    questions = Questions(settings)
    tiles = TileServer(settings, SECURITY | OPEN_DATA, questions)
    gate = Gate(database_url)
    following = Following(settings, gate)
    meter = Meter(tiles, following, board, worker)
    reading, studio = Reading(), Studio(settings.picture_workers, settings.workers)
    freezer = Freezer(settings.workspace.resolve() / ".geoserver" / "frozen")

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(settings, database_url, revive)
        app.state.services = services
        app.state.lexicon = lexicon = Lexicon(services.database)
        _attach(app, services)
        await services.start()
        services.keeper.keep("meter", meter.run)
        services.keeper.keep("keys", gate.run)
        freezer.begin(database_url)
        reading.start(offered_languages(services.live.current.city))
        try:
            yield
        finally:
            for part in (freezer, studio, tiles, questions, reading, lexicon, services, gate):
                await part.stop()

    app = FastAPI(
        title="City map server",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,  # the site's routes have it
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it knows nothing of a public address with a path
    )
    routes: list[BaseRoute] = list(app.routes)
    for router in [ogc_router, *find_routers(), *_PAGES]:  # looked through in this order
        app.include_router(router)
        routes += router.routes
    _add_error_handlers(app, routes)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's own way to another document
    app.state.settings = settings
    app.state.tiles = tiles
    app.state.answers, app.state.documents = Answers(), build_documents()
    app.state.questions = questions
    app.state.computed = Kept[str](math.inf, _COMPUTED)  # by tags, which change with all that answers are made of
    app.state.slots = Slots(settings.downloads)
    app.state.shelf = Shelf(settings.workspace.resolve() / ".geoserver" / "downloads", settings.downloads_mb << 20)
    app.state.meter, app.state.freezer = meter, freezer
    app.state.following = following
    app.state.gate, app.state.misfits = gate, Misfits(gate)
    app.state.attempts, app.state.reading = Attempts(), reading
    app.state.studio, app.state.draw_frozen = studio, draw_frozen
    app.state.openid = OpenID(settings) if settings.oidc_issuer else None
    app.state.hosts = Hosts(settings, {str(getattr(route, "path", "/")).split("/")[1] for route in routes})
    _add_middleware(app, routes)
    return app


def _attach(app: FastAPI, services: Services) -> None:
    """Have those told of changes who want to be."""

    def grants_of(groups: Collection[str]) -> tuple[Grant, ...]:
        return services.live.current.grants_of(groups)  # of the newest catalogue

    app.state.tiles.attach(services)
    app.state.gate.open(grants_of)
    services.on_access(app.state.gate.tell)
    app.state.following.attach(services)
    services.on_change(lambda: sweep_kept(services, app.state.shelf))


def _add_middleware(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """What requests pass on their way, the innermost first."""
    app.add_middleware(CheckOrigin)
    app.add_middleware(Retrying)
    app.add_middleware(SiteHeaders, routes=routes)
    app.add_middleware(TileRequests, tiles=app.state.tiles)  # a tile passes nothing else but what follows
    app.add_middleware(Departures)
    app.add_middleware(CheckHost, hosts=app.state.hosts, headers=SECURITY | OPEN_DATA)
    app.add_middleware(Identify, gate=app.state.gate, headers=SECURITY | OPEN_DATA)


def problem(error: GeoserverError) -> Response:
    """The error as `application/problem+json`."""
    status, headers, body = build_problem(error)
    return Response(body, status, headers, PROBLEM_TYPE)


def _add_error_handlers(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
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
        headers = dict(error.headers or {})
        if error.status_code == 404 and (better := _without_slash(request, routes)):  # noqa: PLR2004
            return Response(status_code=307, headers={"Location": better})
        if error.status_code == 405:  # noqa: PLR2004
            headers["Allow"] = ", ".join(list_methods(routes, request.scope))
        return _plain_problem(error.status_code, str(error.detail), request, headers)

    @app.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> Response:
        log.error("%s %r failed", request.method, request.url.path, exc_info=error)
        return _plain_problem(500, "Internal error", request, {})


def _without_slash(request: Request, routes: Sequence[BaseRoute]) -> str:
    """The address without slashes at its end, if that is one of ours."""
    path = request.scope["path"].rstrip("/")
    if path == request.scope["path"] or not list_methods(routes, {**request.scope, "path": path}):
        return ""
    query = request.scope["query_string"].decode("latin-1")
    return site_of(request) + quote(path) + ("?" + query if query else "")


def _plain_problem(status: int, title: str, request: Request, headers: dict[str, str]) -> Response:
    return Response(build_plain_problem(status, title, request.method, request.url.path), status, headers, PROBLEM_TYPE)
