"""`/embed`: the state of the page in a widget, for pages of others.

It is made for nobody in particular, and asks for nothing by its reader's name: whoever has signed in here sees in a
page of others what everybody sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from geoserver.access import BY_CALLER, PRIVATE, access_of, view_of
from geoserver.catalog.city_words import offered_languages
from geoserver.catalog.languages import page_language
from geoserver.encodings import IDENTITY
from geoserver.errors import GoneError, NotFoundError, UnavailableError
from geoserver.etags import build_etag, is_known
from geoserver.site.answers import Answers, as_nobody, site_of, stated_language
from geoserver.site.encoding import compress_apart, read_encoding
from geoserver.site.files import find_built
from geoserver.site.frozen import find_manifest
from geoserver.site.frozen_widget import dress_frozen, dress_missing
from geoserver.site.widget import build_policy, parse_widget

if TYPE_CHECKING:
    from geoserver.services import Services
    from geoserver.site.files import BuiltFile
    from geoserver.site.widget import Widget

__all__ = ["router"]

router = APIRouter(tags=["site"])

_CHECKED = "public, max-age=0, must-revalidate"
_NOT_BUILT = "the map page has not been built"


@router.get("/embed", include_in_schema=False)
async def embed(request: Request) -> Response:
    """The widget for the state in the address, which may be framed."""
    site = site_of(request)
    query = request.url.query
    if access_of(request.scope).read_only:  # the key was taken out of the query, and would be handed on in it
        there = f"{site}/embed" + (f"?{query}" if query else "")
        return Response(status_code=303, headers={"Location": there, "Cache-Control": PRIVATE, "Vary": BY_CALLER})
    page = find_built().read("embed.html")
    if page is None:
        raise UnavailableError(_NOT_BUILT)
    services: Services = request.app.state.services
    answers: Answers = request.app.state.answers
    anybody = as_nobody(request)
    view, encoding = view_of(services, anybody.scope), read_encoding(request.scope)
    await view.ready()
    accepted = request.headers.getlist("accept-language")
    city = services.live.current.city
    language = page_language(stated_language(request), accepted, offered_languages(city))
    widget = parse_widget(request.query_params.multi_items(), query, language)
    status = 200
    if frozen := request.query_params.get("frozen"):
        status, body = await _dress_frozen(anybody, frozen, page, widget, language)
        if encoding != IDENTITY:
            body = await compress_apart(body, encoding)
    else:
        body = await answers.render(anybody, view, page, encoding, widget=widget)
    tag = build_etag(body)
    headers = {
        "ETag": tag,
        "Cache-Control": _CHECKED,
        "Vary": "Accept-Encoding" if stated_language(request) else "Accept-Encoding, Accept-Language",
        "Content-Security-Policy": build_policy(site, services.settings.embed_ancestors),
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cross-Origin-Opener-Policy": "unsafe-none",
    }
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    if encoding != IDENTITY:
        headers["Content-Encoding"] = encoding
    return HTMLResponse(body, status, headers)


async def _dress_frozen(
    anybody: Request, frozen_id: str, page: BuiltFile, widget: Widget, language: str
) -> tuple[int, bytes]:
    """Status and page of a widget over a frozen map; of one that is not there, or not for everybody, it says so."""
    services: Services = anybody.app.state.services
    city = services.live.current.city
    try:
        manifest = await find_manifest(anybody, frozen_id)
    except NotFoundError as error:
        return error.status, dress_missing(page.body, widget, city, language, None)
    except GoneError as error:
        return error.status, dress_missing(page.body, widget, city, language, error.since)
    return 200, dress_frozen(page.body, widget, manifest, city=city, site=site_of(anybody), lang=language)
