"""Keys by HTTP, for whoever holds one that may manage: listed, made and revoked, as far as their own grants go."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from geoserver.access import ANY, Grant, access_of
from geoserver.api.key_documents import KeyEntry, KeyList, KeyWish, NewKey
from geoserver.api.params import read_parameters
from geoserver.database.keys import StoredKey, list_keys, revoke_key, write_audit
from geoserver.errors import BadParameterError, ForbiddenError, NotFoundError, UnauthorizedError, UnavailableError
from geoserver.gate.grants import check_grant, contains, parse_grant
from geoserver.gate.making import Wish, describe, make, read_grants

if TYPE_CHECKING:
    from geoserver.access import Access
    from geoserver.database.pool import Database
    from geoserver.gate import Gate
    from geoserver.services import Services

_HEADERS = {"Cache-Control": "private, no-store", "Vary": "Authorization, Cookie"}
_ID = re.compile(r"[0-9a-f]{10}")
_NONE = "the id of a key that holds, as /api/keys lists it"


def manager(request: Request) -> Access:
    """Who asks, when they may manage something; raises UnauthorizedError and ForbiddenError."""
    read_parameters(request, ())
    access = access_of(request.scope)
    if access.kind == "nobody":
        raise UnauthorizedError("This needs a key that may manage: Authorization: Bearer KEY.")
    if access.read_only:
        raise ForbiddenError("A key in the address is for reading alone; send it as Authorization: Bearer KEY.")
    if not any("manage" in grant.may for grant in access.grants):
        raise ForbiddenError("This needs a key that may manage.")
    return access


Manager = Annotated[Any, Depends(manager)]
router = APIRouter(prefix="/api/keys", tags=["keys"])


@router.get("", summary="Keys", response_model=KeyList)
async def get_keys(request: Request, access: Manager) -> Response:
    """Every key all of whose grants the caller could give, the newest last; never the keys themselves."""

    def write() -> bytes:
        return orjson.dumps({"keys": [describe(key) for key in _list(_database(request), access)]})

    return Response(await asyncio.to_thread(write), media_type="application/json", headers=_HEADERS)


@router.post("", summary="Make a key", status_code=201, response_model=NewKey)
async def post_key(request: Request, wish: Annotated[KeyWish, Body()], access: Manager) -> Response:
    """The new key is in the answer this once, and kept nowhere. It may do no more than the caller's own grants."""
    services: Services = request.app.state.services
    stored, key = await asyncio.to_thread(_make, services, access, wish)
    location = f"{str(request.base_url).rstrip('/')}/api/keys/{stored.id}"
    return JSONResponse({**describe(stored), "key": key}, 201, headers={**_HEADERS, "Location": location})


@router.get("/{key_id}", summary="A key", response_model=KeyEntry)
async def get_key(request: Request, key_id: Annotated[str, Path()], access: Manager) -> Response:
    """One of those that are listed."""
    found = await asyncio.to_thread(_list, _database(request), access, key_id)
    if not found:
        raise NotFoundError("key", key_id, _NONE)
    return JSONResponse(describe(found[0]), headers=_HEADERS)


@router.delete("/{key_id}", summary="Revoke a key", status_code=204)
async def delete_key(request: Request, key_id: Annotated[str, Path()], access: Manager) -> Response:
    """It ends at once, and with it whoever is signed in with it."""
    gate: Gate = request.app.state.gate
    await asyncio.to_thread(_revoke, _database(request), access, key_id)
    with contextlib.suppress(UnavailableError):
        await gate.look()  # so that this worker knows when it says so; others are told by the database
    return Response(status_code=204, headers=_HEADERS)


def _database(request: Request) -> Database:
    services: Services = request.app.state.services
    return services.database


def _list(database: Database, access: Access, key_id: str | None = None) -> list[StoredKey]:
    """Keys that hold or held, and whose grants the caller could give; or the one of that id among them."""
    if key_id is not None and not _ID.fullmatch(key_id):
        return []
    with database.connection_sync() as connection:
        found = list_keys(connection, key_id)
    return [key for key in found if _is_within(access, key)]


def _is_within(access: Access, key: StoredKey) -> bool:
    """Whether all of its grants could be given by the caller; of a broken one only by who may give everything."""
    try:
        grants = read_grants(key)
    except BadParameterError:
        grants = (Grant(frozenset({ANY}), frozenset({"manage"}), fields=frozenset({ANY})),)
    return all(contains(access.grants, grant) for grant in grants)


def _make(services: Services, access: Access, given: KeyWish) -> tuple[StoredKey, str]:
    known = services.live.current.layers
    layers = {name: layer for name, layer in known.items() if access.may("manage", name)}
    grants = tuple(parse_grant(grant.model_dump()) for grant in given.grants)
    for grant in grants:
        if not contains(access.grants, grant):
            raise ForbiddenError(
                "Each grant must be within one of your own that may manage, in layers, may, rows and fields."
            )
        check_grant(grant, layers)
    wish = Wish(given.label, grants, given.expires, given.rate, given.quota)
    with services.database.connection_sync() as connection:
        return make(connection, wish, access.subject, access.name)


def _revoke(database: Database, access: Access, key_id: str) -> None:
    if not _list(database, access, key_id):
        raise NotFoundError("key", key_id, _NONE)
    with database.connection_sync() as connection, connection.transaction():
        if not revoke_key(connection, key_id):
            raise NotFoundError("key", key_id, _NONE)
        write_audit(connection, access.subject, access.name, "revoke key", details={"key": key_id})
