"""Pages and their parts: the viewer at `/`, styles with absolute addresses, letters for the map, favicon and robots."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from geoserver import styling, tiling
from geoserver.access import BY_CALLER, PRIVATE, access_of, view_of
from geoserver.catalog.city_words import speak
from geoserver.catalog.languages import choose_languages, in_language
from geoserver.encodings import IDENTITY
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.etags import build_etag, is_known
from geoserver.grid import is_inside
from geoserver.model import Tile
from geoserver.site.answers import Answers, site_of, stated_language
from geoserver.site.city import PICTURE, build_manifest, describe_owner
from geoserver.site.encoding import compress_apart, read_encoding
from geoserver.site.files import BuiltFile, find_built
from geoserver.site.glyphs import RANGES, empty_glyphs
from geoserver.site.reference import render_reference
from geoserver.tilesets import render_world

if TYPE_CHECKING:
    from geoserver.access import View
    from geoserver.services import Services

__all__ = ["router"]

router = APIRouter(tags=["site"])

FOREVER = "public, max-age=31536000, immutable"  # the name changes with the content
A_DAY = "public, max-age=86400"
SOME_MINUTES = "public, max-age=600, stale-while-revalidate=86400"
CHECKED = "public, max-age=0, must-revalidate"
MAX_LAYERS = 32
MANY = 9  # datasets from which on the page folds its list (web/src/state/map-state.svelte.ts)

_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The client has these bytes already."}}
_NUMBER = re.compile(r"^\d{1,8}$", re.ASCII)
_RANGE = re.compile(r"^(\d{1,5})-(\d{1,5})$", re.ASCII)
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>City map</title>
<h1>The map page has not been built</h1>
<p>Build it once: <code>npm --prefix web ci &amp;&amp; npm --prefix web run build</code>, or <code>make demo</code>.</p>
<p>The data can be had meanwhile: <a href="ogc">data service</a>, <a href="api/layers">layers</a>.</p></html>"""


@router.get("/", include_in_schema=False)
async def viewer(request: Request) -> Response:
    """The map, with what it asks for first told in it; at an address without a key, for people hand theirs on."""
    if access_of(request.scope).read_only:  # the key was taken out of the query
        there = f"{site_of(request)}/" + (f"?{request.url.query}" if request.url.query else "")
        return Response(status_code=303, headers={"Location": there, "Cache-Control": PRIVATE, "Vary": BY_CALLER})
    page = find_built().read("index.html")
    if page is None:
        return HTMLResponse(_NOT_BUILT, 503)
    answers: Answers = request.app.state.answers
    view, encoding = view_of(request.app.state.services, request.scope), read_encoding(request.scope)
    await view.ready()
    body = await answers.render(request, view, page, encoding, parts=_list_parts(view))
    tag = build_etag(body, *([view.scope] if view.scope else []))
    # An address that names a language says all that the page depends on.
    vary = "Accept-Encoding" if stated_language(request) else "Accept-Encoding, Accept-Language"
    headers = {"ETag": tag, **view.headers(CHECKED, {"Vary": vary})}
    if view.access.by_cookie:  # it says who that is, too
        headers |= {"Cache-Control": PRIVATE, "Vary": f"{vary}, {BY_CALLER}"}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    if encoding != IDENTITY:
        headers["Content-Encoding"] = encoding
    return Response(body, headers=headers, media_type=page.media_type)


def _list_parts(view: View) -> list[str]:
    """Files that this city's page will ask for soon: the list for many layers, which the page has no other need of."""
    if len(view.catalog.datasets()) < MANY:
        return []
    return sorted(f"assets/{path.name}" for path in (find_built().folder / "assets").glob("ManyLayers-*.[jc]s*s"))


@router.get("/logo", include_in_schema=False)
@router.get("/icon", include_in_schema=False)
async def picture(request: Request) -> Response:
    """The city's logo or icon. What an SVG might try to run or load, it may not."""
    services: Services = request.app.state.services
    city = services.live.current.city
    name = request.url.path.rsplit("/", 1)[-1]
    found = city.icon if name == "icon" else city.logo
    if found is None:
        raise NotFoundError("picture", name, "logo or icon, where city.toml names one")
    tag = f'"{found.digest}"'
    current = request.query_params.get("v") == found.digest
    headers = {"ETag": tag, "Cache-Control": FOREVER if current else CHECKED, **PICTURE}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)


@router.get("/manifest.webmanifest", include_in_schema=False)
async def manifest(request: Request, lang: str | None = None) -> Response:
    """What a phone needs to put the map on its first screen."""
    services: Services = request.app.state.services
    languages, vary = choose_languages(lang, request.headers.getlist("accept-language"))
    body = orjson.dumps(build_manifest(services.live.current.city, site_of(request), languages))
    return Response(body, media_type="application/manifest+json", headers={"Cache-Control": CHECKED} | vary)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The API's description, with the address at which this client finds it, and whose it is."""
    document = request.app.openapi() | {"servers": [{"url": site_of(request)}]}
    services: Services = request.app.state.services
    document["info"] = describe_owner(document["info"], services.live.current.city)
    return Response(orjson.dumps(document), media_type="application/json", headers={"Cache-Control": CHECKED})


@router.get("/docs", include_in_schema=False)
async def reference(request: Request) -> Response:
    """What `/openapi.json` says, for people."""
    services: Services = request.app.state.services
    page = render_reference(request.app.openapi(), site_of(request), speak(services.live.current.city, ("en",)).title)
    return HTMLResponse(page, headers={"Cache-Control": CHECKED})


@router.get("/assets/{path:path}", include_in_schema=False)
async def asset(request: Request, path: str) -> Response:
    """Scripts and sheets of the viewer; Vite puts a hash into each name."""
    found = find_built().read(f"assets/{path}")
    if found is None:
        raise NotFoundError("file", path, "a file of the built viewer")
    return await _answer(request, found, FOREVER)


@router.get("/styles/{name}.json", summary="A MapLibre style", tags=["styles"], responses=_UNCHANGED)
async def style(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    name: str,
    layers: str = Query("", description="Ids of layers to draw on the basemap, with commas between."),
    features_from: str = Query(
        "",
        alias="features-from",
        description="For each of `layers` the zoom from which its points are drawn, as TileJSON under a filter says, "
        "with commas between; nothing for the layer's own. For the style of one layer, one number.",
        examples=["0,"],
    ),
    wanted_by: Literal["", "qgis"] = Query(
        "", alias="for", description="`qgis`: in plain values, one layer for each class, as its converter wants it."
    ),
    lang: str | None = Query(
        None, description="Language of names and notes inside it, as for layers.", examples=["fr"]
    ),
) -> Response:
    """A basemap (`light`, `dark`) or the style of one layer, valid for MapLibre, with absolute addresses inside."""
    view = view_of(request.app.state.services, request.scope)
    ids = layers.split(",") if layers else []
    if len(ids) > MAX_LAYERS or len(set(ids)) < len(ids):
        raise BadParameterError("layers", layers, f"at most {MAX_LAYERS} different layers")
    seen = await view.layers()
    catalog = view.catalog
    served = {layer.id: status for layer, status in seen}
    drawn = ids or (styling.drawn_layers(catalog, name) if features_from else [])
    plans = zip(drawn, tiling.parse_plans(features_from, drawn), strict=True)
    starts = {layer_id: zoom for layer_id, zoom in plans if zoom is not None}
    # In a thread: with all layers it takes 20 ms.
    made = await asyncio.to_thread(
        styling.build_style,
        catalog,
        served,
        name,
        site_of(request),
        ids,
        features_from=starts,
        plain=wanted_by == "qgis",
    )
    languages, vary = choose_languages(lang, request.headers.getlist("accept-language"))
    styling.translate_style(made, name, {key: in_language(layer, languages) for key, layer in catalog.layers.items()})
    styling.translate_labels(made, languages, catalog, served)
    # Who may see more than others gets the same style as they do where it draws nothing of that.
    drawn_from = styling.list_drawn(made, name, ids)
    looked_at = {**catalog.layers, **{layer.id: layer for layer, _ in seen}}  # the first are there unloaded, too
    view = view.of([layer for layer in looked_at.values() if layer.id in drawn_from])
    body = orjson.dumps(made)
    tag = build_etag(body, *([view.scope] if view.scope else []))
    headers = {"ETag": tag, **view.headers(CHECKED, vary)}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.get(
    "/fonts/{stack}/{glyphs}.pbf",
    summary="Letters for the map",
    tags=["styles"],
    response_class=Response,
    responses={200: {"description": "Letters.", "content": {"application/x-protobuf": {}}}, **_UNCHANGED},
)
async def fonts(request: Request, stack: str, glyphs: str) -> Response:
    """Signed-distance glyphs of 256 code points, of the first font in the stack (names with commas) that we have."""
    names = _font_names()
    font = next((name for name in stack.split(",") if name in names), None)
    if font is None:
        raise NotFoundError("font", stack, "one of " + (", ".join(sorted(names)) or "none: the viewer is not built"))
    parsed = _RANGE.match(glyphs)
    first, last = (int(part) for part in parsed.groups()) if parsed else (-1, -1)
    if first % RANGES or last != first + RANGES - 1 or not 0 <= first < 0x10000:  # noqa: PLR2004 - the basic plane
        raise BadParameterError("range", glyphs, "256 code points from a multiple of 256, such as 0-255")
    found = find_built().read(f"fonts/{font}/{first}-{last}.pbf")
    if found is None:  # a range the font has no letters in: nothing to draw is not an error
        return Response(empty_glyphs(font, glyphs), media_type="application/x-protobuf")
    return await _answer(request, found, A_DAY)


@router.get(
    "/fonts/{script}.woff2",
    summary="A font for the letters of one script",
    tags=["styles"],
    response_class=Response,
    responses={200: {"description": "A font file.", "content": {"font/woff2": {}}}, **_UNCHANGED},
)
async def font_file(request: Request, script: str) -> Response:
    """A font of which MapLibre draws letters that are in no glyph file, as a style's `font-faces` name it."""
    found = find_built().read(f"fonts/{script}.woff2")
    if found is None:
        scripts = ", ".join(sorted(path.stem for path in (find_built().folder / "fonts").glob("*.woff2")))
        raise NotFoundError("font of a script", script, f"one of {scripts or 'none: the viewer is not built'}")
    return await _answer(request, found, A_DAY)


@router.get(
    "/sprites/{name}.{ending}",
    summary="Icons for the map",
    tags=["styles"],
    response_class=Response,
    responses={200: {"description": "A PNG, or where on it each icon is.", "content": {"image/png": {}}}, **_UNCHANGED},
)
async def sprites(request: Request, name: str, ending: str) -> Response:
    """The icons of the basemap (`icons`, `icons@2x`) as `png`, and as `json` where on it each of them is."""
    if name not in (styling.SPRITE, f"{styling.SPRITE}@2x") or ending not in ("json", "png"):
        raise NotFoundError("sprite", f"{name}.{ending}", "icons or icons@2x, as .json or .png")
    made = await asyncio.to_thread(styling.build_sprite, 2 if name.endswith("@2x") else 1)
    body = made.picture if ending == "png" else made.places
    tag = build_etag(body)
    headers = {"ETag": tag, "Cache-Control": A_DAY}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="image/png" if ending == "png" else "application/json")


@router.get(
    "/world/{part}/{z}/{x}/{y}.mvt",
    summary="A tile of the world around the city",
    tags=["styles"],
    response_class=Response,
    responses={
        200: {"description": "Layers `land` and `borders`, or `graticule`.", "content": {tiling.VECTOR.media_type: {}}},
        204: {"description": "There is only sea."},
        **_UNCHANGED,
    },
)
async def world(request: Request, part: str, z: str, x: str, y: str) -> Response:
    """Land and borders of Natural Earth (`land`), or lines of longitude and latitude (`graticule`)."""
    if not all(_NUMBER.match(number) for number in (z, x, y)) or not is_inside(tile := Tile(int(z), int(x), int(y))):
        raise BadParameterError("tile", f"{z}/{x}/{y}", "zoom, column and row of a tile, such as 3/4/2")
    body = render_world(part, tile)
    encoding = read_encoding(request.scope)
    tag = build_etag(body, encoding)
    headers = {"ETag": tag, "Cache-Control": A_DAY, "Vary": "Accept-Encoding"}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    if not body:
        return Response(status_code=204, headers=headers)
    if encoding != IDENTITY:
        headers["Content-Encoding"] = encoding
        body = await compress_apart(body, encoding)
    return Response(body, headers=headers, media_type=tiling.VECTOR.media_type)


@router.get("/element.js", include_in_schema=False)
async def element(request: Request) -> Response:
    """The script of `<city-map>`, under a name that stays: pages of others hold it."""
    found = find_built().read("element.js")
    if found is None:
        raise NotFoundError("file", "element.js", "a file of the built viewer")
    return await _answer(request, found, SOME_MINUTES)


@router.get("/favicon.svg", include_in_schema=False)
@router.get("/favicon.ico", include_in_schema=False)
async def favicon(request: Request) -> Response:
    """One drawing for both addresses: every browser that asks for the old one takes SVG by now."""
    icon = find_built().read("favicon.svg")
    return Response(status_code=204) if icon is None else await _answer(request, icon, A_DAY)


@router.get("/robots.txt", include_in_schema=False)
async def robots(request: Request) -> Response:
    """Pages may be found, and stand in the sitemap; tiles and items need no crawling."""
    path = urlsplit(site_of(request)).path
    closed = "".join(f"Disallow: {path}{part}\n" for part in ("/tiles/", "/ogc/collections/*/items", "/api/", "/sign"))
    text = f"User-agent: *\n{closed}Allow: {path}/\nSitemap: {site_of(request)}/sitemap.xml\n"
    return Response(text, media_type="text/plain", headers={"Cache-Control": A_DAY})


async def _answer(request: Request, file: BuiltFile, caching: str) -> Response:
    """The file as the client takes it: not at all (304), compressed, or as it is."""
    encoding = read_encoding(request.scope) if file.shrinks else IDENTITY
    headers = {"ETag": file.tag(encoding), "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = file.media_type
    if encoding != IDENTITY:
        headers["Content-Encoding"] = encoding
    return Response(await file.encode(encoding), headers=headers)


def _font_names() -> set[str]:
    folder = find_built().folder / "fonts"
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
