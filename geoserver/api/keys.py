"""Keys by HTTP, for whoever holds one that may manage: listed, made and revoked, as far as their own grants go."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from geoserver.access import BY_CALLER, PRIVATE, access_of
from geoserver.api.key_documents import KeyEntry, KeyList, KeyWish, NewKey
from geoserver.api.params import Limit, base_url, parse_limit, read_parameters
from geoserver.database.keys import StoredKey, list_keys, list_keys_after, revoke_key, write_audit
from geoserver.errors import BadParameterError, ForbiddenError, NotFoundError, UnauthorizedError, UnavailableError
from geoserver.gate.giving import Giver
from geoserver.gate.grants import parse_grant
from geoserver.gate.making import Wish, describe, make

if TYPE_CHECKING:
    from geoserver.access import Access
    from geoserver.gate import Gate
    from geoserver.gate.making import Limits
    from geoserver.services import Services

_HEADERS = {"Cache-Control": PRIVATE, "Vary": BY_CALLER}
_MOST = 1_000  # keys in one answer
_AT_ONCE = 1_001  # that are read at once, of all that there are
_ID = re.compile(r"[0-9a-f]{10}")
_NONE = "the id of a key that holds, as /api/keys lists it"


def manager(request: Request) -> Access:
    """Who asks, when they may manage something; raises UnauthorizedError and ForbiddenError."""
    known = {"GET": ("limit", "after"), "DELETE": ("made",)}
    read_parameters(
        request, () if "key_id" in request.path_params and request.method == "GET" else known.get(request.method, ())
    )
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
async def get_keys(
    request: Request,
    access: Manager,
    limit: Limit = None,
    after: Annotated[str | None, Query(description="The id of the key before the first of these.")] = None,
) -> Response:
    """Keys all of whose grants the caller could give, the newest last; never the keys themselves."""
    services: Services = request.app.state.services
    most = parse_limit(limit, _MOST, _MOST)
    here = f"{base_url(request)}/api/keys"

    def write() -> bytes:
        found = _list_page(services, access, after, most + 1)
        onward = f"{here}?{urlencode({'limit': most, 'after': found[most - 1].id})}" if len(found) > most else None
        return orjson.dumps({"keys": [describe(key) for key in found[:most]], "next": onward})

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
    found = await asyncio.to_thread(_find, services, access, key_id)
    return JSONResponse(describe(found), headers=_HEADERS)


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


def _find(services: Services, access: Access, key_id: str) -> StoredKey:
    """The key of that id, if the caller could have made it; raises NotFoundError."""
    if _ID.fullmatch(key_id):
        with services.database.connection_sync() as connection:
            found = list_keys(connection, key_id)
        if found and _giver(services, access).is_within(found[0]):
            return found[0]
    raise NotFoundError("key", key_id, _NONE)


def _list_page(services: Services, access: Access, after: str | None, most: int) -> list[StoredKey]:
    """So many keys that hold or held and that the caller could have made; raises BadParameterError for an `after` that
    is none of them.
    """
    if after is not None:
        try:
            _find(services, access, after)
        except NotFoundError:
            raise BadParameterError("after", after, "the id of a key, as /api/keys lists it") from None
    giver, kept = _giver(services, access), list[StoredKey]()
    with services.database.connection_sync() as connection:
        while len(kept) < most and (found := list_keys_after(connection, after, _AT_ONCE)):
            after = found[-1].id
            kept += [key for key in found if giver.is_within(key)]
    return kept[:most]


def _make(services: Services, access: Access, given: KeyWish, limits: Limits) -> tuple[StoredKey, str]:
    grants = tuple(parse_grant(grant.model_dump()) for grant in given.grants)
    giver = _giver(services, access)
    for grant in grants:
        giver.check(grant)
    wish = Wish(given.label, grants, given.expires, given.rate, given.quota)
    with services.database.connection_sync() as connection:
        return make(connection, wish, access.subject, access.name, limits)


def _revoke(services: Services, access: Access, key_id: str, *, made: bool) -> None:
    _find(services, access, key_id)
    with services.database.connection_sync() as connection, connection.transaction():
        revoked = revoke_key(connection, key_id, made=made)
        if not revoked:
            raise NotFoundError("key", key_id, _NONE)
        for each in revoked:
            write_audit(connection, access.subject, access.name, "revoke key", details={"key": each})
