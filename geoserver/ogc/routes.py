"""The addresses under /ogc. Documents are pygeoapi's and made in a bounded set of threads, as are pages of HTML;
features are our provider's, and read on the event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from geoserver.access import view_of
from geoserver.addresses import site_of
from geoserver.catalog.city_words import speak
from geoserver.catalog.labels import title_feature
from geoserver.etags import build_etag, is_known
from geoserver.interrupts import Interrupt
from geoserver.ogc.config import DEFAULT_LIMIT
from geoserver.ogc.crs import pick_crs
from geoserver.ogc.html import render_html, stylesheet
from geoserver.ogc.items import (
    GEOJSON,
    build_feature_links,
    build_map_link,
    build_page_links,
    parse_feature,
    point_on,
    render_feature,
    render_page,
)
from geoserver.ogc.page import fetch_page
from geoserver.ogc.params import UNFILTERED, check_names, parse_filters, parse_items_query, pick_format
from geoserver.ogc.service import OgcService, Part, Snapshot
from geoserver.questions import read_once
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from geoserver.access import View
    from geoserver.filtering import Where
    from geoserver.ogc.crs import Crs

__all__ = ["router"]

router = APIRouter()

JSON = "application/json"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
_DOCUMENT_PARAMETERS = ("f", "lang")
_FEATURE_PARAMETERS = ("f", "lang", "crs")


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the handlers see it: no web library below this line but Response."""

    service: OgcService
    url: str  # of the landing page
    path: dict[str, Any]
    values: dict[str, str]
    form: str  # json or html
    known_tags: str
    client: str
    view: View

    async def read(self, part: Part) -> Where | None:
        """The condition that the request's filters make; None where all rows are asked for that there are."""
        question = parse_filters(self.values, part.layer, part.status)
        if question is None:
            return part.everything
        return (
            await self.service.questions.read(
                self.client, part.layer, part.status, *question, find_shape=self.view.shape
            )
        ).where

    @property
    def site(self) -> str:
        return self.url.removesuffix("/ogc")


def answers(path: str) -> Callable[[Callable[[Call, Snapshot], Response]], Callable[[Call, Snapshot], Response]]:
    """Register a handler for GET; it runs in a thread, so it may wait for the database."""

    def register(handler: Callable[[Call, Snapshot], Response]) -> Callable[[Call, Snapshot], Response]:
        router.add_route(path, _endpoint(handler), methods=["GET"], include_in_schema=False)
        return handler

    return register


def answers_features(path: str) -> Callable[[Callable[[Call, Part], Awaitable[Response]]], None]:
    """The same for what is read on the event loop."""

    def register(handler: Callable[[Call, Part], Awaitable[Response]]) -> None:
        async def endpoint(request: Request) -> Response:
            call = _read_call(request)
            async with call.service.turn(call.client, call.values):
                snapshot = await call.service.snapshot(call.url, call.view, call.path["layer_id"])
                ((layer, status),) = snapshot.loaded
                return await handler(call, call.service.part(call.url, layer, status))

        router.add_route(path, endpoint, methods=["GET"], include_in_schema=False)

    return register


def _endpoint(handler: Callable[[Call, Snapshot], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        call = _read_call(request)
        async with call.service.turn(call.client, call.values):
            snapshot = await call.service.snapshot(call.url, call.view, call.path.get("layer_id"))
            return await _run_in_thread(call, lambda: handler(call, snapshot))

    return endpoint


async def _run_in_thread[T](call: Call, work: Callable[[], T]) -> T:
    """What the work gives. When the client leaves, its query is ended, and with it the thread is free."""
    interrupt = Interrupt()

    def run() -> T:
        with interrupt:
            return work()

    running = asyncio.ensure_future(anyio.to_thread.run_sync(run, limiter=call.service.limiter))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.to_thread(interrupt.happen)
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody else asks for it
        raise


def _read_call(request: Request) -> Call:
    values = read_once(request.query_params.multi_items())
    form = pick_format(values, request.headers.get("accept", ""))
    service = _service(request)
    site = site_of(request)
    known = request.headers.get("if-none-match", "")
    path = dict(request.path_params)
    client = client_of(request.scope)
    view = view_of(service.services, request.scope)
    return Call(service, site + "/ogc", path, values, form, known, client, view)


def _service(request: Request) -> OgcService:
    """The service of this app; made with the first request, and anew when the app was started again."""
    state = request.app.state
    service: OgcService | None = getattr(state, "ogc", None)
    if service is None or service.services is not state.services:
        service = state.ogc = OgcService(state.services, state.questions)
    return service


@answers("/ogc")
@answers("/ogc/")
def landing(call: Call, snapshot: Snapshot) -> Response:
    check_names(call.values, _DOCUMENT_PARAMETERS)
    layers = [layer for layer, _ in snapshot.loaded if not layer.basemap]
    return _answer(call, snapshot.document("landing"), JSON, "landing.html", layers=layers)


@answers("/ogc/conformance")
def conformance(call: Call, snapshot: Snapshot) -> Response:
    check_names(call.values, _DOCUMENT_PARAMETERS)
    return _answer(call, snapshot.document("conformance"), JSON, "conformance.html")


@answers("/ogc/functions")
def functions(call: Call, snapshot: Snapshot) -> Response:
    check_names(call.values, _DOCUMENT_PARAMETERS)
    return _answer(call, snapshot.document("functions"), JSON, "functions.html")


@answers("/ogc/openapi")
def openapi(call: Call, snapshot: Snapshot) -> Response:
    check_names(call.values, _DOCUMENT_PARAMETERS)
    return _answer(call, snapshot.document("openapi"), OPENAPI, "openapi.html")


@answers("/ogc/collections")
def collections(call: Call, snapshot: Snapshot) -> Response:
    check_names(call.values, _DOCUMENT_PARAMETERS)
    if call.form == "html":
        return _answer(call, b"{}", JSON, "collections.html", loaded=snapshot.loaded)
    return _answer(call, snapshot.document("collections"), JSON, "")


@answers("/ogc/collections/{layer_id}")
def collection(call: Call, snapshot: Snapshot) -> Response:
    part = snapshot.parts[call.path["layer_id"]]
    check_names(call.values, _DOCUMENT_PARAMETERS)
    map_link = build_map_link(call.site, part.layer, {})
    return _answer(
        call, part.collection, JSON, "collection.html", layer=part.layer, status=part.status, map_link=map_link
    )


@answers("/ogc/collections/{layer_id}/schema")
def schema(call: Call, snapshot: Snapshot) -> Response:
    part = snapshot.parts[call.path["layer_id"]]
    check_names(call.values, _DOCUMENT_PARAMETERS)
    return _answer(call, part.schema, SCHEMA, "schema.html", layer=part.layer, heading="Schema")


@answers("/ogc/collections/{layer_id}/queryables")
def queryables(call: Call, snapshot: Snapshot) -> Response:
    part = snapshot.parts[call.path["layer_id"]]
    check_names(call.values, _DOCUMENT_PARAMETERS)
    return _answer(call, part.queryables, SCHEMA, "schema.html", layer=part.layer, heading="Queryables")


@answers_features("/ogc/collections/{layer_id}/items")
async def items(call: Call, part: Part) -> Response:
    layer, status = part.layer, part.status
    services = call.service.services
    most = services.settings.max_items
    where = await call.read(part)
    query = parse_items_query(call.values, layer, status, min(DEFAULT_LIMIT, most), most, where=where)
    tag = _tag(f"{part.tag} {where.canonical if where else ''}", call)
    if is_known(call.known_tags, tag):
        return _unchanged(call, tag)
    page = await fetch_page(services.database, layer, status, query, part.texts)
    links = build_page_links(call.url, layer, call.values, query=query, page=page, form=call.form)
    if call.form == "json":
        return _respond(call, render_page(page, links), GEOJSON, tag, query.crs)
    body = await _run_in_thread(
        call,
        lambda: _render_html(
            call,
            "items.html",
            layer=layer,
            links=links,
            features=[parse_feature(text) for text in page.features],
            fields=[item for item in layer.listed_fields if query.fields is None or item.name in query.fields],
            matched=page.matched,
            map_link=build_map_link(call.site, layer, call.values),
            filters={name: value for name, value in call.values.items() if name not in UNFILTERED},
        ),
    )
    return _respond(call, body, "text/html", tag, query.crs)


@answers_features("/ogc/collections/{layer_id}/items/{fid}")
async def item(call: Call, part: Part) -> Response:
    layer, status = part.layer, part.status
    check_names(call.values, _FEATURE_PARAMETERS)
    crs = pick_crs("crs", call.values.get("crs"), status)
    tag = _tag(part.tag, call)
    if is_known(call.known_tags, tag):
        return _unchanged(call, tag)
    fid = call.path["fid"]
    text = await part.provider.fetch_text(fid, crs)
    links = build_feature_links(call.url, layer, fid, call.values, call.form)
    if call.form == "json":
        return _respond(call, render_feature(text, links), GEOJSON, tag, crs)
    feature = parse_feature(text)
    map_link = build_map_link(call.site, layer, {})
    middle = point_on(orjson.loads(await part.provider.fetch_text(fid))["geometry"])
    if middle is not None:
        map_link += f"#16/{middle[1]:.6f}/{middle[0]:.6f}"
    title = title_feature(layer, feature["properties"])
    values = {"layer": layer, "links": links, "feature": feature, "title": title, "map_link": map_link}
    body = await _run_in_thread(call, lambda: _render_html(call, "item.html", **values))
    return _respond(call, body, "text/html", tag, crs)


async def _style(_: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(stylesheet(), media_type="text/css", headers=headers)


router.add_route("/ogc/style.css", _style, methods=["GET"], include_in_schema=False)


def _answer(call: Call, body: bytes, kind: str, template: str, **values: Any) -> Response:
    """A document, given as JSON, as JSON or HTML; revalidated by its own hash."""
    if call.form == "html":
        body, kind = _render_html(call, template, document=orjson.loads(body), **values), "text/html"
    tag = build_etag(body, *([call.view.scope] if call.view.scope else []))
    return _unchanged(call, tag) if is_known(call.known_tags, tag) else _respond(call, body, kind, tag)


def _render_html(call: Call, template: str, **values: Any) -> bytes:
    city = speak(call.service.services.live.current.city, ("en",))  # the language of these pages
    return render_html(template, url=call.url, site=call.site, city=city, **values)


def _respond(call: Call, body: bytes, kind: str, tag: str, crs: Crs | None = None) -> Response:
    headers = {"ETag": tag, **_shared_headers(call)}
    if crs is not None:
        headers["Content-Crs"] = f"<{crs.uri}>"
    return Response(body, media_type=kind, headers=headers)


def _unchanged(call: Call, tag: str) -> Response:
    return Response(status_code=304, headers={"ETag": tag, **_shared_headers(call)})


def _tag(state: str, call: Call) -> str:
    """Weak, because the time stamp differs."""
    request = repr((state, call.path, sorted(call.values.items()), call.form)).encode()
    return f"W/{build_etag(request)}"


def _shared_headers(call: Call) -> dict[str, str]:
    return {**call.view.headers("no-cache", {"Vary": "Accept"}), "Content-Language": "en-US"}
