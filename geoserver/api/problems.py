"""Errors as `application/problem+json` (RFC 9457): bytes and headers, whichever way the answer goes out."""

from __future__ import annotations

import orjson

from geoserver.errors import GeoserverError, TooManyError, UnauthorizedError, UnavailableError, shorten

__all__ = ["PROBLEM_TYPE", "build_plain_problem", "build_problem", "build_refusal"]

PROBLEM_TYPE = "application/problem+json"
_CHALLENGE = 'Basic realm="geoserver", charset="UTF-8", Bearer realm="geoserver"'


def build_problem(error: GeoserverError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer that says this error."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, UnavailableError | TooManyError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = _CHALLENGE
    body = {"type": "about:blank", "title": error.title, "status": error.status, "detail": str(error)}
    return error.status, headers, orjson.dumps(body | error.members(), default=str)


def build_plain_problem(status: int, title: str, method: str, path: str) -> bytes:
    """The body for what has no error of ours: an unknown address, a method that is not allowed, a fault."""
    return build_refusal(status, title, f"{shorten(method)} {shorten(path)}: {title}")


def build_refusal(status: int, title: str, detail: str) -> bytes:
    """The body for a request that no part of the app has seen."""
    return orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
