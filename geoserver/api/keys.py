"""Keys by HTTP, for whoever holds one that may manage: listed, made and revoked, as far as their own grants go."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from geoserver.access import BY_CALLER, PRIVATE, access_of
from geoserver.api.key_documents import KeyEntry, KeyList, KeyWish, NewKey
from geoserver.api.params import base_url, read_parameters
from geoserver.database.keys import StoredKey, list_keys, revoke_key, write_audit
from geoserver.errors import ForbiddenError, NotFoundError, UnauthorizedError, UnavailableError
from geoserver.gate.giving import Giver
from geoserver.gate.grants import parse_grant
from geoserver.gate.making import Wish, describe, make

if TYPE_CHECKING:
    from geoserver.access import Access
    from geoserver.gate import Gate
    from geoserver.gate.making import Limits
    from geoserver.services import Services

_HEADERS = {"Cache-Control": PRIVATE, "Vary": BY_CALLER}
_ID = re.compile(r"[0-9a-f]{10}")
_NONE = "the id of a key that holds, as /api/keys lists it"


def manager(request: Request) -> Access:
    """Who asks, when they may manage something; raises UnauthorizedError and ForbiddenError."""
    read_parameters(request, ("made",) if request.method == "DELETE" else ())
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

    services: Services = request.app.state.services

    def write() -> bytes:
        return orjson.dumps({"keys": [describe(key) for key in _list(services, access)]})

    return Response(await asyncio.to_thread(write), media_type="application/json", headers=_HEADERS)


@router.post("", summary="Make a key", status_code=201, response_model=NewKey)
async def post_key(request: Request, wish: Annotated[KeyWish, Body()], access: Manager) -> Response:
    """The new key is in the answer this once, and kept nowhere. It may do no more than the caller's own grants, and
    holds no longer and asks no more often than the caller's own key.
    """
    services: Services = request.app.state.services
    gate: Gate = request.app.state.gate
    stored, key = await asyncio.to_thread(_make, services, access, wish, gate.limits_of(access))
    location = f"{base_url(request)}/api/keys/{stored.id}"
    return JSONResponse({**describe(stored), "key": key}, 201, headers={**_HEADERS, "Location": location})


@router.get("/{key_id}", summary="A key", response_model=KeyEntry)
async def get_key(request: Request, key_id: Annotated[str, Path()], access: Manager) -> Response:
    """One of those that are listed."""
    services: Services = request.app.state.services
    found = await asyncio.to_thread(_list, services, access, key_id)
    if not found:
        raise NotFoundError("key", key_id, _NONE)
    return JSONResponse(describe(found[0]), headers=_HEADERS)


@router.delete("/{key_id}", summary="Revoke a key", status_code=204)
async def delete_key(
    request: Request,
    key_id: Annotated[str, Path()],
    access: Manager,
    made: Annotated[bool, Query(description="Whether keys that were made with it end, too.")] = False,
) -> Response:
    """It ends at once, and with it whoever is signed in with it."""
    gate: Gate = request.app.state.gate
    await asyncio.to_thread(_revoke, request.app.state.services, access, key_id, made=made)
    with contextlib.suppress(UnavailableError):
        await gate.look()  # so that this worker knows when it says so; others are told by the database
    return Response(status_code=204, headers=_HEADERS)


def _giver(services: Services, access: Access) -> Giver:
    return Giver(access, services.live.current.layers)


def _list(services: Services, access: Access, key_id: str | None = None) -> list[StoredKey]:
    """Keys that hold or held, and that the caller could have made; or the one of that id among them."""
    if key_id is not None and not _ID.fullmatch(key_id):
        return []
    with services.database.connection_sync() as connection:
        found = list_keys(connection, key_id)
    giver = _giver(services, access)
    return [key for key in found if giver.is_within(key)]


def _make(services: Services, access: Access, given: KeyWish, limits: Limits) -> tuple[StoredKey, str]:
    grants = tuple(parse_grant(grant.model_dump()) for grant in given.grants)
    giver = _giver(services, access)
    for grant in grants:
        giver.check(grant)
    wish = Wish(given.label, grants, given.expires, given.rate, given.quota)
    with services.database.connection_sync() as connection:
        return make(connection, wish, access.subject, access.name, limits)


def _revoke(services: Services, access: Access, key_id: str, *, made: bool) -> None:
    if not _list(services, access, key_id):
        raise NotFoundError("key", key_id, _NONE)
    with services.database.connection_sync() as connection, connection.transaction():
        revoked = revoke_key(connection, key_id, made=made)
        if not revoked:
            raise NotFoundError("key", key_id, _NONE)
        for each in revoked:
            write_audit(connection, access.subject, access.name, "revoke key", details={"key": each})
