"""`/frozen`: maps that are kept as they were, made of an address and given out as files that never change."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import psycopg
from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import FileResponse

from geoserver.access import BY_CALLER, PRIVATE, access_of, view_of
from geoserver.database.copies import drop_left
from geoserver.errors import GeoserverError, NotFoundError
from geoserver.etags import build_etag, is_known
from geoserver.freezing import Store, make
from geoserver.freezing.seeing import is_public, may_see
from geoserver.site.answers import site_of
from geoserver.site.frozen_orders import FreezeWish, check_budget, check_rights, name_client, name_order, read_order

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from geoserver.services import Services

__all__ = ["Freezer", "router"]

log = logging.getLogger("geoserver")

router = APIRouter(prefix="/frozen", include_in_schema=False)

_FOREVER = "public, max-age=31536000, immutable"
_NOW = "no-store"
_TYPES = {
    ".json": "application/json",
    ".pmtiles": "application/vnd.pmtiles",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
}
_EXPECTED = "the id of a frozen map"


class Freezer:
    """One per process: the frozen maps of the workspace, and those that this process makes just now."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, database_url: str) -> None:
        """Remove, beside the start, what killed processes left."""
        self.start("sweep", asyncio.to_thread(self._sweep, database_url))

    def _sweep(self, database_url: str) -> None:
        self.store.sweep()
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
        client = name_client(request, access)
        await check_budget(request, store, order, client)
        private = {**order.private, "begun": time.time(), "client": client, "title": order.title}
        order = replace(order, private=private)
        if (making := await asyncio.to_thread(store.begin, frozen_id, private)) is not None:
            making.tell(state="waiting", done=0, total=0)
            url = services.database.url
            _freezer(request).start(frozen_id, make(store, making, order, url, services.settings))
    status = _read_status(request, frozen_id)
    headers = {"Location": f"{order.site}/frozen/{frozen_id}/status.json", "Cache-Control": PRIVATE, "Vary": BY_CALLER}
    return Response(orjson.dumps(status), 202, headers, "application/json")


@router.get("/{frozen_id}/status.json", summary="How far a frozen map is")
async def read_status(request: Request, frozen_id: str) -> Response:
    """`state` is `waiting`, `working`, `done` or `failed`, with `error`; `done` of `total` steps are made."""
    headers = await _demand(request, frozen_id)
    status = _read_status(request, frozen_id)
    if status is None:
        raise NotFoundError("frozen map", frozen_id, _EXPECTED)
    return Response(orjson.dumps(status), 200, {**headers, "Cache-Control": _NOW}, "application/json")


@router.get("/{frozen_id}/{path:path}", summary="A file of a frozen map", response_class=Response)
async def read_file(request: Request, frozen_id: str, path: str) -> Response:
    """`manifest.json`, `data/tiles.pmtiles`, `data/{layer}.parquet`, `picture.png`: never another content at the same
    address. Parts of a file are given as `Range` asks.
    """
    headers = await _demand(request, frozen_id)
    folder = _store(request).find(frozen_id)
    target = (folder / "public" / path).resolve() if folder else None
    if folder is None or target is None or not target.is_relative_to((folder / "public").resolve()):
        raise NotFoundError("frozen map", frozen_id, _EXPECTED)
    if target.suffix not in _TYPES or not target.is_file():
        raise NotFoundError("file", path, "a file of the frozen map, as its manifest.json names them")
    headers["ETag"] = build_etag(frozen_id, path)  # its bytes never change
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return FileResponse(target, headers=headers, media_type=_TYPES[target.suffix])


async def _demand(request: Request, frozen_id: str) -> dict[str, str]:
    """How an answer about it may be kept. Raises NotFoundError for one that is not there, and in the same words for one
    that is not for the caller.
    """
    private = await asyncio.to_thread(_store(request).read_private, frozen_id)
    view = view_of(request.app.state.services, request.scope)
    if private is None or not await may_see(view, {**private["base"], **private["layers"]}):
        raise NotFoundError("frozen map", frozen_id, _EXPECTED)
    if is_public(view, {**private["base"], **private["layers"]}):
        return {"Cache-Control": _FOREVER}
    return {"Cache-Control": PRIVATE, "Vary": BY_CALLER}


def _read_status(request: Request, frozen_id: str) -> dict[str, Any] | None:
    store = _store(request)
    told = store.status(frozen_id)
    if told is None and store.find(frozen_id) is not None:
        told = {"id": frozen_id, "state": "done", "done": 1, "total": 1}
    if told is None:
        return None
    here = f"{site_of(request)}/frozen/{frozen_id}"
    return {"error": None, **told, "address": f"{here}/", "status": f"{here}/status.json"}


def _freezer(request: Request) -> Freezer:
    freezer: Freezer = request.app.state.freezer
    return freezer


def _store(request: Request) -> Store:
    return _freezer(request).store
