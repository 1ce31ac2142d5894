"""`/api/me`: who the server takes you for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from geoserver.access import BY_CALLER, PRIVATE, access_of
from geoserver.api import params
from geoserver.catalog.languages import page_words

if TYPE_CHECKING:
    from geoserver.access import Access
    from geoserver.services import Services

router = APIRouter(prefix="/api/me", tags=["access"])


class Me(BaseModel):
    """Who asks, and what the page says about it."""

    kind: Literal["nobody", "key", "person"]
    name: str | None = Field(description="The person's name, or what the key is for.")
    signed_in: str | None = Field(description="Of whoever signed in: that they did, in the reader's language.")
    sign_out: str | None = Field(description="What the way out is called there.")
    freezes: bool = Field(description="You may freeze maps: any, or those of layers that you may manage.")


@router.get("", summary="Who you are to this server", response_model=Me)
async def read_me(request: Request, lang: params.Lang = None) -> Response:
    """By a key or by signing in; nobody without either."""
    params.read_parameters(request, ("lang",))
    languages, _ = params.read_languages(request, lang)
    access, words = access_of(request.scope), page_words(languages)
    told = {
        "kind": access.kind,
        "name": access.name or None,
        "signed_in": words.signed_in.format(access.name) if access.by_cookie else None,
        "sign_out": words.signout if access.by_cookie else None,
        "freezes": _may_freeze(request.app.state.services, access),
    }
    headers = {"Cache-Control": PRIVATE, "Vary": f"{BY_CALLER}, Accept-Language"}
    return Response(orjson.dumps(told), media_type="application/json", headers=headers)


def _may_freeze(services: Services, access: Access) -> bool:
    wanted = services.settings.freeze
    if wanted == "off" or access.read_only:
        return False
    return wanted == "anyone" or any(access.may("manage", layer_id) for layer_id in services.live.current.layers)
