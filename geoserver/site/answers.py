"""What the page will ask for first, told within it: on a slow line each question costs a way there and back.

Each answer is that of the address itself, in a block of JSON that no browser runs: `<script type="application/json"
data-address="tiles/crime.json">`. The page takes it instead of asking (web/src/query/told.ts); what is not there it
asks for.

Visitors share them for some seconds, as long as catalogue and data are the same: a change of one layer leaves answers
that tell of others. An answer that is shared depends on nothing but its address, the address of the site, the page's
language and what its reader may see: nothing else of a request is passed on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

import orjson
from fastapi import Request

from geoserver.access import NOBODY
from geoserver.addresses import site_of
from geoserver.catalog.city_words import offered_languages
from geoserver.catalog.languages import page_language
from geoserver.encodings import IDENTITY
from geoserver.errors import shorten
from geoserver.kept import Kept, Made
from geoserver.mapstates import parse_state
from geoserver.site.city import dress_page
from geoserver.site.encoding import compress_apart
from geoserver.site.linked import write_stated
from geoserver.site.posters import parse_place
from geoserver.site.previews import Page, draws_maps, render_head
from geoserver.site.wording import list_shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.datastructures import QueryParams
    from starlette.types import Message, Scope

    from geoserver.access import View
    from geoserver.database.status import LayerStatus
    from geoserver.mapstates import MapState
    from geoserver.model import Layer
    from geoserver.services import Services
    from geoserver.site.files import BuiltFile
    from geoserver.site.widget import Widget

__all__ = ["Answers", "as_nobody", "ask_ourselves", "site_of", "stated_language"]

log = logging.getLogger("geoserver")

_BASES = ("light", "dark")
# What the page's list needs of each layer, and what it is searched by, as the page asks (web/src/query/server.ts).
_LISTED = (
    "id,title,theme,theme_key,theme_language,basemap,visible,order,count,time,nouns,language,version,features_from"
    ",access_title,live"
)
_SEARCHED = "id,description,description_language,keywords,field_titles"
_FEW = 8  # layers up to which the page shows what each is about
_MOST = 8  # layers of which the page tells; more of them are asked for as ever
_PATIENCE = 0.5  # seconds in which an answer must be there; later the page is better off to ask
_PLAIN = "-_.!~*'(),:/="  # signs that the page does not encode in a query, besides letters and digits
_NARROWING = ("time", "area")  # parameters that, like filters, make other tiles of a layer
_PASSED = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "app_root_path", "state")
_KEPT = 5.0  # seconds
_LONGEST = 2_000  # characters of a state that the page tells others of
_ROOM = 8 * 2**20  # bytes of answers and pages that are kept

type _State = tuple[object, ...]


class _Asked(NamedTuple):
    """An address that the page asks for, and the layers of which its answer tells; None for all of them."""

    address: str
    layers: frozenset[str] | None = None


class _Key(NamedTuple):
    """What is kept depends on this alone, and on the present state of these layers; None for all of them."""

    layers: frozenset[str] | None
    of: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Visit:
    """All of a request that the page depends on."""

    request: Request
    view: View
    site: str
    language: str
    asked: tuple[_Asked, ...]
    parts: tuple[str, ...]
    state: MapState
    stated: str  # the same as a query; empty where nothing is said, or more than is kept
    shown: tuple[tuple[Layer, LayerStatus], ...]
    pictured: str  # the layer whose picture stands for the page where there is none of its state; empty for none
    widget: Widget | None = None
    on: tuple[str, ...] = ()  # the layers that it shows first

    @property
    def signed_in(self) -> bool:
        return self.view.access.by_cookie


class Answers:
    """One per process: makes the page with its answers."""

    def __init__(self) -> None:
        self.kept: Kept[_Key] = Kept(_KEPT, _ROOM)
        self._common: _State = ()
        self._layers: dict[str, _State] = {}

    async def render(
        self,
        request: Request,
        view: View,
        page: BuiltFile,
        encoding: str,
        *,
        parts: Sequence[str] = (),
        widget: Widget | None = None,
    ) -> bytes:
        """The page for this request, in the city's dress and in an encoding; `parts` of the build are named ahead.
        With a `widget` it is that one's page.

        It tells of what `view` sees, and is kept for those who see the same. Answers that could not be had in time are
        left out of it.
        """
        services = view.services
        self._renew(services, services.loaded())
        loaded = await view.layers()
        accepted = request.headers.getlist("accept-language")
        language = page_language(stated_language(request), accepted, offered_languages(services.live.current.city))
        layers = [layer for layer, _ in loaded]
        on = _list_on(request.query_params, [layer for layer in layers if not layer.basemap])
        if widget:
            asked = _list_for_widget(widget, layers, on, language)
        else:
            asked = _list_addresses(request.query_params, layers, on, language)
        state = replace(parse_state(request.query_params.multi_items()), language=_name_language(view, language))
        shown = tuple(list_shown(loaded, state))
        state, stated = write_stated(state, [layer.id for layer, _ in shown], request.query_params.multi_items())
        if len(stated) > _LONGEST:
            state, stated = parse_state([]), ""
        of = (state, stated, shown, _find_pictured(loaded, on), widget, tuple(on))
        visit = _Visit(request, view, site_of(request), language, asked, tuple(parts), *of)
        return (await self._pack(visit, page, encoding)).body

    def _renew(self, services: Services, loaded: Sequence[tuple[Layer, LayerStatus]]) -> None:
        """Forget what is told of layers whose files or rows are others: what is told of each is an object of its own.

        What the whole page is made of, such as styles and the city's dress, changes too rarely to look closer.
        """
        catalog = services.live.current
        common = (catalog.city, catalog.styles, catalog.recipes, catalog.schemas)
        layers: dict[str, _State] = {found[0].id: (catalog.layers[found[0].id], *found) for found in loaded}
        before, self._layers = self._layers, layers
        if _differ(common, self._common):
            self._common = common
            self.kept.clear()
            return
        changed = {
            layer_id
            for layer_id in before.keys() | layers.keys()
            if _differ(layers.get(layer_id, ()), before.get(layer_id, ()))
        }
        if changed or list(before) != list(layers):
            self.kept.drop(lambda key: key.layers is None or not changed.isdisjoint(key.layers))

    async def _pack(self, visit: _Visit, page: BuiltFile, encoding: str) -> Made:
        reader = (visit.language, visit.view.grants, visit.signed_in)
        widget = visit.widget and visit.widget.query
        of = (page.digest, visit.site, visit.asked, visit.parts, visit.stated, visit.pictured, reader, widget)
        key = _Key(None, of)

        async def pack() -> Made:
            body, whole = await self.kept.get(key, lambda: self._fill(visit, page))
            return Made(await compress_apart(body, encoding), whole)

        if encoding == IDENTITY:
            return await self.kept.get(key, lambda: self._fill(visit, page))
        return await self.kept.get(_Key(None, (*of, encoding)), pack)

    async def _fill(self, visit: _Visit, page: BuiltFile) -> Made:
        """The page with the blocks that could be had, and whether these are all."""
        previews, found = await asyncio.gather(
            _preview(visit), asyncio.gather(*(self._ask(visit, one) for one in visit.asked))
        )
        answers = dict(zip(visit.asked, found, strict=True))
        if visit.widget:
            styles = _list_styles(visit.widget, visit.on, await visit.view.layers(), answers, visit.language)
            answers |= zip(styles, await asyncio.gather(*(self._ask(visit, one) for one in styles)), strict=True)
        place = answers.pop(_Asked(visit.widget.place), b"") if visit.widget else b""
        before, end, after = (await _dress(visit, page, answers, previews, place)).rpartition(b"</body>")
        told = [_render(asked.address, body) for asked, body in answers.items() if body]
        return Made(b"".join((before, *told, end, after)), all(answers.values()))

    async def _ask(self, visit: _Visit, asked: _Asked) -> bytes:
        """The body of our own answer at an address; empty when it is anything but 200, or late."""
        address = asked.address
        try:
            async with asyncio.timeout(_PATIENCE):
                key = _Key(asked.layers, (visit.site, visit.language, address, visit.view.grants))
                return (await self.kept.get(key, lambda: ask_ourselves(visit.request, address, visit.language))).body
        except TimeoutError:
            log.info("The page goes without %s: it is late", shorten(address))
            return b""


def _name_language(view: View, language: str) -> str:
    """As an address names it for everybody; the city's first one needs no name."""
    return "" if language == offered_languages(view.services.live.current.city)[0] else language


async def _preview(visit: _Visit) -> list[str]:
    """Lines of the page's head that tell of it where it is linked to; a widget has its own."""
    if visit.widget:
        return []

    async def ask(address: str) -> bytes:
        return (await ask_ourselves(visit.request, address, visit.language)).body

    city, drawn = visit.view.catalog.city, draws_maps(visit.request)
    page = Page(visit.site, visit.stated, visit.language, visit.pictured, drawn=drawn)
    return await render_head(page, city, visit.state, visit.shown, ask)


async def _dress(
    visit: _Visit, page: BuiltFile, answers: Mapping[_Asked, bytes], previews: Sequence[str], place: bytes
) -> bytes:
    """The page without what it tells; `place` is what was told of where a widget opens."""
    city = visit.view.catalog.city
    if visit.widget is None:
        return dress_page(page.body, city, visit.language, visit.parts, previews=previews, signed_in=visit.signed_in)
    layers = [found for found in await visit.view.layers() if found[0].id in visit.on]
    counts = {}
    for layer, status in layers:
        question = visit.widget.state.question(layer)
        answer = answers.get(_ask_summary(layer, question)) if question else None
        if answer or not question:
            counts[layer.id] = orjson.loads(answer)["count"] if answer else status.rows
    return visit.widget.dress(
        page.body,
        city=city,
        site=visit.site,
        language=visit.language,
        layers=layers,
        counts=counts,
        place=parse_place(orjson.loads(place)) if place else visit.widget.state.camera,
    )


def _differ(one: _State, other: _State) -> bool:
    """Whether the parts of two states are not the very same objects."""
    return len(one) != len(other) or any(new is not old for new, old in zip(one, other, strict=True))


def stated_language(request: Request) -> str | None:
    """What the address says, as the page reads it: the first that is not empty."""
    return next(filter(None, request.query_params.getlist("lang")), None)


def _render(address: str, body: bytes) -> bytes:
    """No text can end the block: within JSON a `<` stands in strings only."""
    name = address.replace("&", "&amp;").replace('"', "&quot;").encode()
    safe = body.replace(b"<", b"\\u003c")
    return b'<script type="application/json" data-address="' + name + b'">' + safe + b"</script>\n"


def _list_on(query: QueryParams, data: Sequence[Layer]) -> list[str]:
    """The layers that the page shows first."""
    if "layers" in query:
        stated = set(",".join(query.getlist("layers")).split(","))
        return [layer.id for layer in data if layer.id in stated]
    return [layer.id for layer in data if layer.visible] or [layer.id for layer in data[:1]]


def _find_pictured(loaded: Sequence[tuple[Layer, LayerStatus]], on: Sequence[str]) -> str:
    """The first that its reader sees and that has a place, of those that are on where there is one."""
    placed = [layer for layer, status in loaded if not layer.basemap and status.bounds]
    return next((layer.id for layer in sorted(placed, key=lambda layer: (layer.id not in on, not layer.visible))), "")


def _list_addresses(query: QueryParams, layers: Sequence[Layer], on: Sequence[str], lang: str) -> tuple[_Asked, ...]:
    """What the page asks for at once, as it writes it: about its layers, where their tiles are, and its style."""
    data = [layer for layer in layers if not layer.basemap]
    listed = [_LISTED, *([_SEARCHED] if len(data) <= _FEW else [])]
    catalogue = [_Asked(f"api/layers?fields={fields}&lang={lang}") for fields in listed]
    if len(on) > _MOST:
        return tuple(catalogue)
    details = [_Asked(f"api/layers/{quote(layer)}?lang={lang}", frozenset((layer,))) for layer in on]
    if any(name.startswith("filter.") or name in _NARROWING for name in query):
        return (*catalogue, *details)
    base = next((base for base in query.getlist("base") if base in _BASES), "")
    style = "?" + (f"layers={','.join(sorted(on))}&" if on else "") + f"lang={lang}"
    drawn = frozenset(layer.id for layer in layers if layer.basemap or layer.id in on)
    return (
        *catalogue,
        *details,
        *(_Asked(f"tiles/{quote(layer)}.json", frozenset((layer,))) for layer in on),
        # Which base a reader's system likes is not told; the second one takes a tenth of the first when compressed.
        *(_Asked(f"styles/{name}.json{style}", drawn) for name in ([base] if base else _BASES)),
    )


def _list_for_widget(widget: Widget, layers: Sequence[Layer], on: Sequence[str], lang: str) -> tuple[_Asked, ...]:
    """What a widget asks for at once, as it writes it; the style follows from where the filters leave tiles."""
    found = [_Asked(f"api/layers?fields={_LISTED}&lang={lang}")]
    if widget.place:
        found.append(_Asked(widget.place))
    if len(on) > _MOST:
        return tuple(found)
    for layer in layers:
        if layer.id not in on:
            continue
        own = frozenset((layer.id,))
        question = widget.state.question(layer)
        found.append(_Asked(f"api/layers/{quote(layer.id)}?lang={lang}", own))
        if question and layer.has_rows:
            found.append(_ask_summary(layer, question))
        if widget.view == "map":
            found.append(_ask_tiles(layer, question))
    return tuple(found)


def _list_styles(
    widget: Widget,
    on: Sequence[str],
    loaded: Sequence[tuple[Layer, LayerStatus]],
    answers: Mapping[_Asked, bytes],
    lang: str,
) -> list[_Asked]:
    """The styles that the widget draws by, once it is known from which zoom on its layers' tiles hold each feature."""
    if widget.view != "map" or len(on) > _MOST:
        return []
    drawn = sorted((found for found in loaded if found[0].id in on), key=lambda found: found[0].id)
    starts = []
    for layer, status in drawn:
        question = widget.state.question(layer)
        tiles = answers.get(_ask_tiles(layer, question))
        if not tiles:
            return []
        start = orjson.loads(tiles).get("features_from") if question else None
        starts.append("" if start in (None, status.plan.features_from) else str(start))
    asked = [("layers", ",".join(layer.id for layer, _ in drawn)), ("features-from", ",".join(starts))]
    if not any(starts):
        asked.pop()
    query = "&".join(f"{name}={text}" for name, text in (*asked, ("lang", lang)) if text)
    bases = [widget.state.base] if widget.state.base else _BASES
    return [_Asked(f"styles/{base}.json?{query}") for base in bases]


def _ask_tiles(layer: Layer, question: str) -> _Asked:
    asked = f"?filter={quote(question, safe=_PLAIN)}" if question else ""
    return _Asked(f"tiles/{quote(layer.id)}.json{asked}", frozenset((layer.id,)) if not question else None)


def _ask_summary(layer: Layer, question: str) -> _Asked:
    return _Asked(f"api/layers/{quote(layer.id)}/summary?filter={quote(question, safe=_PLAIN)}&fields=")


def as_nobody(request: Request) -> Request:
    """The same request of somebody who is not known."""
    return Request({**request.scope, "state": {**request.scope["state"], "access": NOBODY}}, request.receive)


async def ask_ourselves(request: Request, address: str, language: str) -> Made:
    """Our own answer at an address, to who asks for the page, in this language; empty unless it is a 200.

    Who asks stands in the scope's `state`, where `api.identify` finds it.
    """
    path, _, query = address.partition("?")
    host = [(name, value) for name, value in request.scope["headers"] if name == b"host"]
    scope: Scope = {
        **{name: request.scope[name] for name in _PASSED if name in request.scope},
        "method": "GET",
        "path": unquote(f"/{path}"),
        "raw_path": f"/{path}".encode(),
        "query_string": query.encode(),
        "headers": [*host, (b"accept-language", language.encode())],
    }
    status = 0
    body = bytearray()
    unasked = True

    async def receive() -> Message:
        """The request once; then nothing: whoever listens for a client that leaves waits until it is cancelled."""
        nonlocal unasked
        if not unasked:
            await asyncio.Event().wait()
        unasked = False
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    try:
        await request.app(scope, receive, send)
    except Exception as error:  # the page asks for itself, and is told there what is wrong
        log.info("The page goes without %s: %r", shorten(address), error)
        status = 0
    told = status == 200  # noqa: PLR2004
    return Made(bytes(body) if told else b"", told)
