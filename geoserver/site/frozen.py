"""`/frozen`: maps that are kept as they were, made of an address and given out as files that never change."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import psycopg
from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from geoserver.access import BY_CALLER, PRIVATE, access_of, view_of
from geoserver.catalog.city_words import offered_languages
from geoserver.catalog.languages import page_language
from geoserver.catalog.sentences import say_sentence
from geoserver.database.copies import drop_left
from geoserver.errors import (
    ForbiddenError,
    GeoserverError,
    GoneError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from geoserver.etags import build_etag, is_known
from geoserver.freezing import Store, make
from geoserver.freezing.changes import Asking, Changes
from geoserver.freezing.seeing import is_public, may_see
from geoserver.site.answers import site_of, stated_language
from geoserver.site.city import PICTURE
from geoserver.site.frozen_folder import build_zip, find_built, find_sprite, render_page
from geoserver.site.frozen_orders import (
    FreezeWish,
    begin,
    check_rights,
    check_rows,
    name_client,
    name_order,
    read_order,
)
from geoserver.site.parts import Parts
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from geoserver.access import Access, View
    from geoserver.services import Services

__all__ = ["Freezer", "find_manifest", "router"]

log = logging.getLogger("geoserver")

router = APIRouter(prefix="/frozen", tags=["frozen maps"])

_FOREVER = "public, max-age=31536000, immutable"
_CHECKED = "public, max-age=0, must-revalidate"
_A_DAY = "public, max-age=86400"
_TYPES = {
    ".json": "application/json",
    ".pmtiles": "application/vnd.pmtiles",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
}
_EXPECTED = "the id of a frozen map"
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {kind: {} for kind in ("text/html", *_TYPES.values())}},
    206: {"description": "The part of the file that `Range` asks for."},
    304: {"description": "The client has it already."},
}
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"description": "The folder.", "content": {"application/zip": {}}},
    206: _FILES[206],
    304: _FILES[304],
}


class Freezer:
    """One per process: the frozen maps of the workspace, and those that this process makes just now."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.changes = Changes()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, database_url: str) -> None:
        """Remove, beside the start, what killed processes left."""
        self.start("sweep", asyncio.to_thread(self._sweep, database_url))

    def _sweep(self, database_url: str) -> None:
        try:
            self.store.sweep()
        except OSError as error:
            log.info("What was left of frozen maps stays on the disk: %s", error)
        try:
            drop_left(database_url)
        except (psycopg.Error, GeoserverError) as error:  # the next start does it
            log.info("What was left of frozen maps stays in the database: %s", error)

    def start(self, frozen_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Make one beside what is asked meanwhile."""
        task = asyncio.create_task(work, name=f"freeze {frozen_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what is being made; it is told as failed."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@router.get("", summary="Frozen maps")
async def list_maps(request: Request) -> Response:
    """Those all of whose layers the caller may manage, the newest first."""
    store, access = _store(request), access_of(request.scope)
    if access.kind == "nobody":
        raise UnauthorizedError("This needs a key that may manage: Authorization: Bearer KEY.")
    view, site = view_of(request.app.state.services, request.scope), site_of(request)
    maps = []
    for frozen_id in await asyncio.to_thread(store.list):
        private = await asyncio.to_thread(store.read_private, frozen_id)
        if private and _may_manage(access, private) and await may_see(view, _all_seen(private)):
            size = sum(size for size, _ in private["files"].values())
            told = {name: private[name] for name in ("title", "frozen", "counts", "query", "cite")}
            maps.append({"id": frozen_id, **told, "bytes": size, "address": f"{site}/frozen/{frozen_id}/"})
    headers = {"Cache-Control": PRIVATE, "Vary": BY_CALLER}
    return Response(orjson.dumps({"maps": maps}), 200, headers, "application/json")


@router.post("", summary="Freeze a map", status_code=202)
async def freeze(request: Request, wish: Annotated[FreezeWish, Body()]) -> Response:
    """Keep rows, counts, tiles and styles of what an address shows, for good. The answer says where to ask how far it
    is; the same state of the same data has the same id.
    """
    services: Services = request.app.state.services
    store, access = _store(request), access_of(request.scope)
    order = await read_order(request, wish)
    check_rights(services.settings, access, order)
    frozen_id = await asyncio.to_thread(store.name, await name_order(order))
    order = replace(order, address=f"{order.site}/frozen/{frozen_id}/")
    if store.find(frozen_id) is None:
        await check_rows(request, order)
        more = {"begun": time.time(), "client": name_client(request, access), "title": order.title}
        order = replace(order, private={**order.private, **more})
        try:
            making = await asyncio.to_thread(begin, store, frozen_id, order, services.settings)
        except OSError as error:
            log.exception("No map can be frozen")
            detail = "The server cannot write: its disk may be full. Whoever runs it can make room."
            raise UnavailableError(detail, retry_after=600) from error
        if making is not None:
            url = services.database.url
            _freezer(request).start(frozen_id, make(store, making, order, url, services.settings))
    status = _read_status(request, frozen_id)
    headers = {"Location": f"{order.site}/frozen/{frozen_id}/status.json", "Cache-Control": PRIVATE, "Vary": BY_CALLER}
    return Response(orjson.dumps(status), 202, headers, "application/json")


@router.get("/{frozen_id}/status.json", summary="How far a frozen map is")
async def read_status(request: Request, frozen_id: str) -> Response:
    """`state` is `waiting`, `working`, `done` or `failed`, with `error`; `done` of `total` steps are made."""
    view, private = await _find(request, frozen_id)
    headers = _headers(view, private, "no-store")
    status = _read_status(request, frozen_id)
    if status is None:
        raise NotFoundError("frozen map", frozen_id, _EXPECTED)
    return Response(orjson.dumps(status), 200, headers, "application/json")


@router.get("/{frozen_id}/changed.json", summary="Whether its rows are others by now", responses={304: _FILES[304]})
async def read_changes(request: Request, frozen_id: str) -> Response:
    """`changed`, and by layer how many rows there were (`then`) and are (`now`), under the question that was frozen."""
    view, private = await _find(request, frozen_id)
    _demand_folder(request, frozen_id)
    asking = Asking(view, request.app.state.questions, client_of(request.scope))
    found = await _freezer(request).changes.find(asking, frozen_id, private)
    body = orjson.dumps(found)
    headers = {**_headers(view, private, _CHECKED), "ETag": build_etag(body)}
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


@router.get(
    "/{frozen_id}.zip",
    summary="A frozen map as a folder for any web server",
    response_class=Response,
    responses=_ZIP,
)
async def read_zip(request: Request, frozen_id: str) -> Response:
    """Page, data, letters and licences; can be gone on with where it broke off."""
    view, private = await _find(request, frozen_id)
    folder = _demand_folder(request, frozen_id)
    made = await asyncio.to_thread(lambda: build_zip(folder, _read_manifest(folder), private["files"]))
    headers = _headers(view, private, _CHECKED)  # the page in it is that of this version of the program
    headers |= {"ETag": build_etag(made.digest), "Content-Disposition": f'attachment; filename="{frozen_id}.zip"'}
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Parts(made.blocks, made.size, request.headers, headers, "application/zip")


@router.get("/{frozen_id}", summary="To the page of a frozen map", status_code=308, response_class=Response)
async def to_page(request: Request, frozen_id: str) -> Response:
    """Its address ends with a slash, so that what is in it has relative ones."""
    view, private = await _find(request, frozen_id)
    query = f"?{request.url.query}" if request.url.query else ""
    there = f"{site_of(request)}/frozen/{frozen_id}/{query}"
    return Response(status_code=308, headers={**_headers(view, private, _CHECKED), "Location": there})


@router.delete("/{frozen_id}", summary="Delete a frozen map", status_code=204)
async def delete(request: Request, frozen_id: str) -> Response:
    """For whoever may manage all of its layers. Its address says from then on that it was deleted."""
    _, private = await _find(request, frozen_id)
    _demand_folder(request, frozen_id)
    access = access_of(request.scope)
    if not _may_manage(access, private):
        if access.kind == "nobody":
            raise UnauthorizedError("This needs a key that may manage: Authorization: Bearer KEY.")
        raise ForbiddenError(f"This needs a key that may manage the layers {', '.join(private['shown'])}.")
    store = _store(request)
    await asyncio.to_thread(store.delete, frozen_id, store.remember(private, datetime.now(UTC)))
    return Response(status_code=204, headers={"Cache-Control": PRIVATE, "Vary": BY_CALLER})


@router.get("/{frozen_id}/{path:path}", summary="A file of a frozen map", response_class=Response, responses=_FILES)
async def read_file(request: Request, frozen_id: str, path: str) -> Response:
    """The page, `manifest.json`, `data/tiles.pmtiles`, `data/{layer}.parquet`, `picture.png`: never another content of
    data at the same address. Parts of a file are given as `Range` asks.
    """
    view, private = await _find(request, frozen_id)
    folder = _demand_folder(request, frozen_id)
    if path in ("", "index.html"):
        body = render_page(await asyncio.to_thread(_read_manifest, folder), site_of(request))
        return HTMLResponse(body, headers=_headers(view, private, _CHECKED))
    if path not in private["files"]:
        return await _answer_built(request, path, _headers(view, private, _A_DAY))
    headers = {**_headers(view, private, _FOREVER), "ETag": build_etag(frozen_id, path)}  # its bytes never change
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    target = folder / path
    more = PICTURE if path.startswith("logo") else {}
    return FileResponse(target, headers={**headers, **more}, media_type=_TYPES.get(target.suffix))


async def _answer_built(request: Request, path: str, headers: dict[str, str]) -> Response:
    """A part of the page, letters or icons, as they are with this version of the program."""
    built, sprite = find_built(path), find_sprite(path)
    if built is None and sprite is None:
        raise NotFoundError("file", path, "a file of the frozen map, as its manifest.json names them")
    body = built.body if built else sprite or b""
    headers["ETag"] = build_etag(body)
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    kind = built.media_type if built else "image/png" if path.endswith(".png") else "application/json"
    return Response(body, headers=headers, media_type=kind)


async def _find(request: Request, frozen_id: str) -> tuple[View, dict[str, Any]]:
    """What the caller sees, and what is known of the frozen map. Raises NotFoundError for one that is not there, and in
    the same words for one that is not for the caller, GoneError for one that was deleted.
    """
    store, view = _store(request), view_of(request.app.state.services, request.scope)
    private = await asyncio.to_thread(store.read_private, frozen_id)
    if private and await may_see(view, _all_seen(private)):
        return view, private
    gone = None if private else await asyncio.to_thread(store.read_gone, frozen_id)
    if gone and await may_see(view, _all_seen(gone)):
        detail = f"The map {gone['title']!r}, frozen {gone['frozen']}, was deleted {gone['deleted']}."
        raise GoneError(detail, gone["deleted"])
    await view.ready()
    raise NotFoundError("frozen map", frozen_id, _EXPECTED)


async def find_manifest(request: Request, frozen_id: str) -> dict[str, Any]:
    """Of a frozen map that is whole and for the caller. Raises NotFoundError, GoneError."""
    await _find(request, frozen_id)
    return await asyncio.to_thread(_read_manifest, _demand_folder(request, frozen_id))


def _demand_folder(request: Request, frozen_id: str) -> Path:
    """Raises NotFoundError while it is being made."""
    folder = _store(request).find(frozen_id)
    if folder is None:
        raise NotFoundError("frozen map", frozen_id, _EXPECTED)
    return folder / "public"


def _read_manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((folder / "manifest.json").read_bytes())
    return found


def _headers(view: View, private: Mapping[str, Any], cache_control: str) -> dict[str, str]:
    """How an answer about it may be kept: as said, or by nobody where not everybody sees it."""
    if is_public(view, _all_seen(private)):
        return {"Cache-Control": cache_control}
    return {"Cache-Control": PRIVATE, "Vary": BY_CALLER}


def _all_seen(private: Mapping[str, Any]) -> dict[str, Any]:
    return {**private["base"], **private["layers"]}


def _may_manage(access: Access, private: Mapping[str, Any]) -> bool:
    return all(access.may("manage", layer_id) for layer_id in private["shown"])


def _read_status(request: Request, frozen_id: str) -> dict[str, Any] | None:
    store = _store(request)
    told = store.status(frozen_id)
    if told is None and store.find(frozen_id) is not None:
        told = {"id": frozen_id, "state": "done", "done": 1, "total": 1}
    if told is None:
        return None
    here = f"{site_of(request)}/frozen/{frozen_id}"
    private = store.read_private(frozen_id) or {"base": {}, "layers": {}}
    told["everybody"] = is_public(view_of(request.app.state.services, request.scope), _all_seen(private))
    if told.get("error"):
        offered = offered_languages(request.app.state.services.live.current.city)
        language = page_language(stated_language(request), request.headers.getlist("accept-language"), offered)
        told["error"] = say_sentence(told["error"], language)[0]
    return {"error": None, **told, "address": f"{here}/", "status": f"{here}/status.json"}


def _freezer(request: Request) -> Freezer:
    freezer: Freezer = request.app.state.freezer
    return freezer


def _store(request: Request) -> Store:
    return _freezer(request).store
