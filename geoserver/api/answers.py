"""JSON answers that can be kept and revalidated: orjson, a strong ETag, 304."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import Response
from fastapi.responses import JSONResponse

from geoserver.etags import build_etag, is_known

if TYPE_CHECKING:
    from fastapi import Request

    from geoserver.access import View

__all__ = ["UNCHANGED", "GeoJson", "answer", "unchanged"]

CACHE_CONTROL = "public, max-age=0, must-revalidate"  # a 304 is cheap, and rows may change at any moment
_ALWAYS: Mapping[str, str] = {}  # the same for whoever asks
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client has this state already: it sent its ETag in If-None-Match."}
}


class GeoJson(JSONResponse):
    """For the API's description: the media type of a feature."""

    media_type = "application/geo+json"


def unchanged(
    request: Request, view: View, etag: str, vary: Mapping[str, str] = _ALWAYS, cache_control: str = CACHE_CONTROL
) -> Response | None:
    """304 when the client has this very state already; `vary` is the header of that name, where one is needed."""
    if is_known(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=_headers(view, etag, vary, cache_control))
    return None


def answer(
    request: Request,
    view: View,
    body: object,
    *,
    etag: str | None = None,
    media_type: str = "application/json",
    vary: Mapping[str, str] = _ALWAYS,
    cache_control: str = CACHE_CONTROL,
) -> Response:
    """The body as JSON, times as UTC with a Z; without an ETag it is the body's digest, with what `view` looked at."""
    text = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    tag = etag or build_etag(text, *([view.scope] if view.scope else []))
    known = unchanged(request, view, tag, vary, cache_control)
    headers = _headers(view, tag, vary, cache_control)
    return known or Response(text, media_type=media_type, headers=headers)


def _headers(view: View, etag: str, vary: Mapping[str, str], cache_control: str) -> dict[str, str]:
    return {"ETag": etag, **view.headers(cache_control, vary)}
