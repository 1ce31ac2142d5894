"""`/api/versions`: which state the data of layers are in, for those who cannot listen to a stream.

Widgets in pages of others ask for it again and again, in every frame and for each of their readers. So it is answered
from memory, is the same for all who may see the same, and a proxy between may answer for a moment.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from geoserver.api import params
from geoserver.api.answers import CACHE_CONTROL, UNCHANGED, answer
from geoserver.errors import BadParameterError, NotFoundError

router = APIRouter(prefix="/api/versions", tags=["layers"], responses=UNCHANGED)

_MOST_LAYERS = 50
_SHARED = "public, max-age=2"  # seconds: all readers of a story behind one proxy are one

LayerIds = Annotated[str | None, Query(description="Ids of layers, with commas between.", examples=["crime,trees"])]


class Versions(BaseModel):
    """The state of the data of layers, as `/api/layers` tells it."""

    versions: dict[str, str] = Field(description="By layer; without those that are not there.")


@router.get("", summary="Which state the data of layers are in", response_model=Versions)
async def read_versions(request: Request, layers: LayerIds = None) -> Response:
    """A version is another one after every change."""
    params.read_parameters(request, ("layers",))
    names = sorted({name for name in (layers or "").split(",") if name})
    if not 0 < len(names) <= _MOST_LAYERS:
        raise BadParameterError("layers", layers or "", f"1 to {_MOST_LAYERS} ids of layers with commas between")
    view = params.view_of(request)
    versions = {}
    for name in names:
        try:
            _, status = await view.layer(name)
        except NotFoundError:
            continue
        versions[name] = status.stamp
    # What is missing may be there for somebody else.
    kept = _SHARED if len(versions) == len(names) else CACHE_CONTROL
    return answer(request, view, {"versions": versions}, cache_control=kept)
