"""The headers of every answer: what a page may load, who may frame it, and that open data may be read from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from geoserver.site.encoding import Compress
from geoserver.site.methods import Methods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["OPEN_DATA", "SECURITY", "SiteHeaders"]

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # MapLibre and Svelte set style attributes
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=(), payment=(), usb=()",
}
# Open data: any page may read these, and the headers that say how much there is and whether it changed.
OPEN = (
    *("/tiles", "/styles", "/fonts", "/sprites", "/static", "/api", "/ogc", "/download", "/assets", "/frozen"),
    *("/catalog", "/data.json", "/healthz", "/oembed", "/element.js"),
)
EXPOSED = (
    "Content-Crs, Content-Encoding, Content-Length, Content-Range, ETag, Link, Location, OGC-NumberMatched,"
    " OGC-NumberReturned, X-Tile-Stale"
)
ASKED = (
    "Accept, Accept-Crs, Accept-Language, Authorization, Content-Crs, Content-Type, If-Match, If-None-Match,"
    " If-Range, Last-Event-ID, Range"
)
OPEN_DATA = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": EXPOSED,
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def _encode(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_EVERYWHERE, _ON_DATA = _encode(SECURITY), _encode(OPEN_DATA)
(_POLICY,) = _encode({"Content-Security-Policy": CONTENT_SECURITY_POLICY})


class SiteHeaders:
    """ASGI middleware: security headers on all, a Content-Security-Policy on pages, CORS on data; inside it HEAD and
    compression.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute] = ()) -> None:
        """`routes` are all of the app's, for OPTIONS to tell of."""
        self.app = Methods(Compress(app), routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_open = _is_open(scope["path"])
        if is_open and _is_preflight(scope):
            await _answer_preflight(send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message["headers"], is_open=is_open)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _add_headers(headers: list[tuple[bytes, bytes]], *, is_open: bool) -> None:
    """Those that the answer does not set itself."""
    told = dict(headers)
    kind = told.get(b"content-type", b"")
    headers += [line for line in _EVERYWHERE if line[0] not in told]
    if kind.startswith((b"text/html", b"image/svg+xml")) and _POLICY[0] not in told:
        headers.append(_POLICY)
    if is_open:
        headers += [line for line in _ON_DATA if line[0] not in told]


def _is_open(path: str) -> bool:
    return any(path == prefix or path.startswith((f"{prefix}/", f"{prefix}.")) for prefix in OPEN)


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)


async def _answer_preflight(send: Send) -> None:
    """Reading is allowed from every origin; writing across origins is not (credentials are never sent)."""
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
        "Access-Control-Allow-Headers": ASKED,
        "Access-Control-Max-Age": "86400",
        "Vary": "Access-Control-Request-Headers",
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers | SECURITY).items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
