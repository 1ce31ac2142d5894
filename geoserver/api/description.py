"""`/openapi.json`: FastAPI's document, made true where FastAPI supposes more than it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from geoserver.api.problems import PROBLEM_TYPE
from geoserver.api.schemas import Problem
from geoserver.gate import COOKIE

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["describe"]

_ABOUT = (
    "Layers, tiles and styles of a city map server. `HEAD` works wherever `GET` does. Errors are problem documents"
    " (RFC 9457). Features by OGC API have a description of their own: `/ogc/openapi`."
)
_NEVER_SENT = ("HTTPValidationError", "ValidationError")  # FastAPI's own form of a 400
_ERRORS = {
    "400": "A parameter is wrong; the answer says which, and what was expected.",
    "401": "The key that was sent is wrong, revoked or expired, or one is needed.",
    "404": "There is no such thing; the answer says what there is.",
    "429": "The key that was sent may not ask so often; try again after Retry-After seconds.",
    "503": "The database is away, the query took too long, or too many wait; try again after Retry-After seconds.",
}
_ALSO = {
    "/api/keys": {"403": "Who asks may not manage, or would give more than they have."},
    "/api/keys/{key_id}": {"403": "Who asks may not manage."},
    "/frozen": {"403": "Who asks may not freeze that."},
    "/frozen/{frozen_id}": {"403": "Who asks may not manage its layers.", "410": "It was deleted."},
    "/frozen/{frozen_id}/{path}": {"410": "It was deleted.", "416": "The file has no such part."},
    "/frozen/{frozen_id}.zip": {"410": "It was deleted.", "416": "The file has no such part."},
    "/frozen/{frozen_id}/status.json": {"410": "It was deleted."},
    "/frozen/{frozen_id}/changed.json": {"410": "It was deleted."},
    "/oembed": {"404": "There is no page of ours.", "501": "Another format than json and xml."},
    "/metrics": {"403": "Who asks is no operator.", "404": "Metrics are switched off."},
}
_WAYS_IN = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as `geoserver keys add` prints it."},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as password, with any user name."},
    "address": {"type": "apiKey", "in": "query", "name": "key", "description": "The key in the address; reads only."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of who signed in at `/signin`."},
}
_WITHOUT = {"health": {"400", "404", "503"}, "styles": {"503"}}  # tag -> errors that cannot happen


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, built once per app."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes, description=_ABOUT)
        for path, item in document["paths"].items():
            for operation in item.values():
                operation["responses"] = _amend_responses(path, operation)
        schemas = document["components"]["schemas"]
        for name in _NEVER_SENT:
            schemas.pop(name, None)
        schemas["Problem"] = Problem.model_json_schema()
        document["components"]["securitySchemes"] = _WAYS_IN
        document["security"] = [{}, *({name: []} for name in _WAYS_IN)]  # what is public needs none
        app.openapi_schema = document
    return app.openapi_schema


def _amend_responses(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """What the route says, without the 422 that is never sent, and every error as the problem that it is."""
    problem = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    absent = set().union(*(_WITHOUT.get(tag, set()) for tag in operation.get("tags", [])))
    if "{" not in path:
        absent.add("404")
    said = {status: item for status, item in operation["responses"].items() if status != "422"}
    errors = {status: words for status, words in _ERRORS.items() if status not in absent}
    errors |= _ALSO.get(path, {})
    said |= {status: item | {"content": problem} for status, item in said.items() if status >= "400"}
    return said | {status: {"description": words, "content": problem} for status, words in errors.items()}
