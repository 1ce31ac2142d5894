"""`/layers`, `/layers/{id}`, their feeds and citations, and `/sitemap.xml`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Query, Request, Response

from geoserver.access import view_of
from geoserver.catalog.city_words import offered_languages
from geoserver.catalog.languages import in_language, page_language
from geoserver.catalog.licences import find_licence
from geoserver.database.newcomers import read_newcomers
from geoserver.database.steady import hold
from geoserver.errors import NotFoundError
from geoserver.etags import build_etag, is_known
from geoserver.formats.listing import list_downloads
from geoserver.kept import Made
from geoserver.mapstates import parse_state
from geoserver.model import Bounds
from geoserver.site.answers import site_of, stated_language
from geoserver.site.city import PICTURE, PREVIEW
from geoserver.site.datasets.catalogue import Asked, build_catalogue, describe_shapes, describe_size, shorten_text
from geoserver.site.datasets.citation import build_citation
from geoserver.site.datasets.dataset import (
    build_charts,
    build_fields,
    build_files,
    build_loads,
    build_notes,
    find_period,
)
from geoserver.site.datasets.feeds import Entry, Feed, render_feed, render_sitemap
from geoserver.site.datasets.jsonld import build_data_catalog, build_dataset, render_json
from geoserver.site.datasets.links import Links
from geoserver.site.datasets.newcomers import MOST, read_followed
from geoserver.site.datasets.pages import Dress, render_page
from geoserver.site.datasets.pictures import PICTURES
from geoserver.site.datasets.sketch import build_frame, list_ground, sketch
from geoserver.site.previews import draws_maps, find_picture, render_discovery
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.access import View
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.questions import Questions
    from geoserver.services import Services
    from geoserver.site.datasets.known import Known, Reading
    from geoserver.site.previews import Picture

__all__ = ["feed_router", "router"]

router = APIRouter(tags=["site"], include_in_schema=False)
Filter = Annotated[str | None, Query(description="CQL2 text.")]
Time = Annotated[str | None, Query(description="First and last day, with a slash between.")]
Area = Annotated[str | None, Query(description="As in the page's address.")]
Lang = Annotated[str | None, Query(description="Of its words.")]

feed_router = APIRouter(tags=["layers"])  # for programs, and so in the description of the API

_CHECKED = "public, max-age=0, must-revalidate"
_HTML = "text/html; charset=utf-8"
_ATOM = "application/atom+xml; charset=utf-8"
_TOLD = 50  # updates in a feed
_PREVIEW = 300  # characters of a description in the preview of a link


@router.get("/layers")
async def show_catalogue(request: Request, q: str = "", theme: str = "", order: str = "") -> Response:
    """All datasets, or those with all of these words, of this theme."""
    view, dress = _begin(request)
    layers = [(layer, status) for layer, status in await view.layers() if not layer.basemap]
    asked = Asked.read(q, theme, order)

    def render() -> tuple[str, dict[str, str]]:
        found = build_catalogue(layers, asked, dress.phrases)
        document = build_data_catalog(dress.city, dress.links.site, [layer for layer, _ in layers])
        query = {"q": asked.text, "theme": asked.theme, "order": asked.order if asked.order != "theme" else ""}
        placed = [layer for layer, status in layers if status.bounds]
        pictured = next((layer.id for layer in placed if layer.visible), placed[0].id if placed else "")
        told = {"found": found, "jsonld": render_json(document), "pictured": pictured}
        return render_page("catalogue.html", dress, "/layers", query, **told)

    page, headers = await asyncio.to_thread(render)  # of 300 it takes long enough to keep tiles waiting
    return _answer(request, view, page.encode(), _HTML, headers)


@router.get("/layers/feed.atom")
async def feed_updates(request: Request) -> Response:
    """The latest updates of all datasets."""
    view, dress = _begin(request)
    layers = [(layer, status) for layer, status in await view.layers() if not layer.basemap]
    newest = sorted(layers, key=lambda pair: pair[1].loaded_at, reverse=True)[:_TOLD]
    entries = [_build_entry(in_language(layer, (dress.phrases.language,)), status, dress) for layer, status in newest]
    title = f"{dress.city.title}: {dress.phrases['history']}"
    body = _build_feed(dress, "/layers/feed.atom", "/layers", title, entries)
    return _answer(request, view, body, _ATOM, {})


@router.get("/layers/{layer_id}")
async def show_dataset(request: Request, layer_id: str) -> Response:
    """All that is told of one dataset."""
    view, dress = _begin(request)
    try:
        layer, status = await view.layer(layer_id)
    except NotFoundError:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        page, headers = render_page("missing.html", dress, f"/layers/{quote(layer_id)}")
        return Response(page, 404, headers | {"Vary": "Accept, Accept-Language"}, _HTML)
    reading: Reading = request.app.state.reading
    known = await reading.read(view.services, layer, status, dress.phrases.language)
    state = parse_state([("layers", layer.id), *([("lang", dress.links.lang)] if dress.links.lang else [])])
    pictured = layer.id if status.bounds or layer.bounds else ""
    picture = find_picture(dress.links.site, state, pictured, PREVIEW, drawn=draws_maps(request))
    page, headers = render_page("dataset.html", dress, f"/layers/{layer.id}", **_tell(known, dress, picture))
    return _answer(request, view, page.encode(), _HTML, headers)


def _tell(known: Known, dress: Dress, picture: Picture | None) -> dict[str, Any]:
    """What the template of a dataset's page shows."""
    layer, status, phrases, site = known.layer, known.status, dress.phrases, dress.links.site
    downloads = list_downloads(layer, status, site, known.widths, phrases.language)
    url = f"{site}/layers/{layer.id}"
    citation = build_citation(layer, status, dress.city, url)
    return {
        "layer": layer,
        "status": status,
        "summary": shorten_text(layer.description, _PREVIEW) or layer.title,
        "size": describe_size(layer, status, phrases),
        "shapes": describe_shapes(layer, phrases),
        "day": phrases.day(status.changed_at.date()),
        "period": find_period(known, phrases),
        "licence": find_licence(layer.license),
        "access": getattr(phrases.own, layer.access, ""),
        "picture": picture,
        # No widget shows a layer of the basemap.
        "discovery": [] if layer.basemap else render_discovery(site, dress.links(f"/layers/{layer.id}"), layer.title),
        "charts": build_charts(known, phrases),
        "fields": build_fields(known, phrases),
        "notes": build_notes(known, phrases),
        "loads": build_loads(known, phrases),
        "downloads": downloads,
        "files": build_files(downloads, phrases),
        "citation": citation.as_text(phrases),
        "bibtex": citation.as_bibtex(),
        "csl": orjson.dumps(citation.as_csl(), option=orjson.OPT_INDENT_2).decode(),
        "jsonld": render_json(build_dataset(known, dress.city, site, downloads)),
    }


@router.get("/layers/{layer_id}/feed.atom")
async def feed_dataset(request: Request, layer_id: str) -> Response:
    """The updates of one dataset."""
    view, dress = _begin(request)
    layer, status = await view.layer(layer_id)
    reading: Reading = request.app.state.reading
    known = await reading.read(view.services, layer, status, dress.phrases.language)
    phrases, url = dress.phrases, dress.links(f"/layers/{layer_id}")
    loads = build_loads(known, phrases)
    entries = [
        Entry(
            load.moment.isoformat(),
            f"{known.layer.title}, {load.day}",
            phrases.say("loaded", rows=phrases.rows(known.layer, told["rows"]), rejected=load.rejected),
            load.moment,
            url,
        )
        for load, told in zip(loads, known.loads, strict=True)
    ] or [_build_entry(known.layer, status, dress)]
    title = phrases.say("updates_of", title=known.layer.title)
    body = _build_feed(dress, f"/layers/{layer_id}/feed.atom", f"/layers/{layer_id}", title, entries)
    return _answer(request, view, body, _ATOM, {})


@feed_router.get(
    "/layers/{layer_id}/changes.atom",
    summary="A feed of rows that are new under a filter",
    response_class=Response,
    responses={
        200: {
            "description": "The latest hundred rows of the last thirty days.",
            "content": {"application/atom+xml": {}},
        },
        304: {"description": "The client has it already."},
    },
)
async def feed_newcomers(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    layer_id: str,
    filter: Filter = None,  # noqa: A002, ARG001 - these stand in the description; `read_followed` takes them
    time: Time = None,  # noqa: ARG001
    area: Area = None,  # noqa: ARG001
    lang: Lang = None,  # noqa: ARG001
) -> Response:
    """Rows that are new under a filter, each with its place and a link to it on the map."""
    view, dress = _begin(request)
    layer, status = await view.layer(layer_id)
    if not layer.has_rows:
        raise NotFoundError("table of layer", layer_id, "a layer with rows; this one has tiles and nothing else")
    followed = read_followed(layer, status, request.query_params.multi_items())
    questions: Questions = request.app.state.questions
    client, asked = client_of(request.scope), {"filter": followed.question} if followed.question else {}
    found = await questions.read(client, layer, status, asked, {}, find_shape=view.shape)
    async with questions.turn(client, found):
        newcomers = await read_newcomers(view.services.database, layer, found.where, MOST)
    return _answer(request, view, render_feed(followed.build_feed(newcomers, dress)), _ATOM, {})


@router.get("/layers/{layer_id}/citation.{ending}")
async def cite(request: Request, layer_id: str, ending: str) -> Response:
    """How it is cited, for reference managers: `bib` (BibTeX) or `json` (CSL-JSON)."""
    view, dress = _begin(request)
    layer, status = await view.layer(layer_id)
    if ending not in ("bib", "json"):
        raise NotFoundError("citation", ending, "bib (BibTeX) or json (CSL-JSON)")
    spoken = in_language(layer, (dress.phrases.language,))
    found = build_citation(spoken, status, dress.city, f"{dress.links.site}/layers/{layer.id}")
    headers = {"Content-Disposition": f'attachment; filename="{layer.id}.{ending}"'}
    if ending == "bib":
        return _answer(request, view, found.as_bibtex().encode(), "application/x-bibtex; charset=utf-8", headers)
    body = orjson.dumps(found.as_csl(), option=orjson.OPT_INDENT_2)
    return _answer(request, view, body, "application/vnd.citationstyles.csl+json", headers)


@router.get("/layers/{layer_id}/map.{ending}")
async def draw(request: Request, layer_id: str, ending: str) -> Response:
    """A small map of where it lies: `svg` for its page, `png` for previews of links to it."""
    view, _ = _begin(request)
    layer, current = await view.layer(layer_id)
    status = hold(view.services.database, layer, current)
    if (kind := PICTURES.get(ending)) is None:
        raise NotFoundError("picture", ending, f"one of {', '.join(PICTURES)}")
    if (bounds := status.bounds or layer.bounds) is None:
        raise NotFoundError("picture", layer_id, "a layer with rows that have a place")
    await view.ready()
    ground, city = await list_ground(view), view.catalog.city
    states = [(one.id, one.scope, state.version, state.loaded_at) for one, state in [(layer, status), *ground]]
    style = orjson.dumps(view.catalog.styles.get(layer.style or layer.id))
    key = build_etag(ending, city.accent, city.accent_dark, city.limits, style, *states)
    questions: Questions = request.app.state.questions
    reading: Reading = request.app.state.reading

    async def make() -> Made:
        limits = city.limits if isinstance(city.limits, Bounds) else None
        frame = build_frame(bounds, limits, kind.size)
        async with questions.filtered.turn(client_of(request.scope)):
            data = None if reading.is_late(key) else (layer, status)
            drawn = await sketch(view, data, ground, frame, sharpness=kind.sharpness)
            body = await asyncio.to_thread(kind.render, drawn, city)
        if data and not drawn.whole:
            reading.note_late(key)
        return Made(body, drawn.whole)

    made = await reading.pictures.get(key, make)
    return _answer(request, view, made.body, kind.media_type, PICTURE)


@router.get("/sitemap.xml")
async def sitemap(request: Request) -> Response:
    """The map, the catalogue, and every dataset's page."""
    view, dress = _begin(request)
    layers = [(layer, status) for layer, status in await view.layers() if not layer.basemap]
    latest = max((status.changed_at for _, status in layers), default=None)
    pages = [
        ("/", None),
        ("/layers", latest),
        *((f"/layers/{layer.id}", status.changed_at) for layer, status in layers),
    ]
    return _answer(request, view, render_sitemap(pages, dress.links, dress.languages), "application/xml", {})


def _begin(request: Request) -> tuple[View, Dress]:
    """What whoever asks may see, and what stands around it."""
    services: Services = request.app.state.services
    city = services.live.current.city
    stated = stated_language(request)
    language = page_language(stated, request.headers.getlist("accept-language"), offered_languages(city))
    # What is no language of ours is not carried on.
    links = Links(site_of(request), language if stated else "")
    return view_of(services, request.scope), Dress.of(city, language, links, signin=services.settings.links_to_signin)


def _build_entry(layer: Layer, status: LayerStatus, dress: Dress) -> Entry:
    """That a dataset was updated, for those who may not know it yet."""
    said = [shorten_text(layer.description, _PREVIEW), describe_size(layer, status, dress.phrases)]
    url = dress.links(f"/layers/{layer.id}")
    return Entry(status.loaded_at.isoformat(), layer.title, "\n".join(filter(None, said)), status.loaded_at, url)


def _build_feed(dress: Dress, path: str, page: str, title: str, entries: list[Entry]) -> bytes:
    city = dress.city
    author, language = city.publisher or city.title, dress.phrases.language
    return render_feed(Feed(title, author, dress.links(path), dress.links(page), language, entries))


def _answer(request: Request, view: View, body: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    vary = {} if stated_language(request) else {"Vary": "Accept-Language"}
    tag = build_etag(body, *([view.scope] if view.scope else []))
    told = {"ETag": tag, **headers, **view.headers(_CHECKED, vary)}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=told)
    return Response(body, headers=told, media_type=media_type)
