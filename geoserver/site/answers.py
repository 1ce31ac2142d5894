"""What the page will ask for first, told within it: on a slow line each question costs a way there and back.

Each answer is that of the address itself, in a block of JSON that no browser runs: `<script type="application/json"
data-address="api/layers?lang=en">`. The page takes it instead of asking (web/src/query/told.ts); what is not there it
asks for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import orjson

from geoserver.catalog.languages import page_language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request
    from starlette.types import Message, Scope

__all__ = ["render_answers"]

log = logging.getLogger("geoserver")

_BASES = ("light", "dark")
_MOST = 8  # layers of which the page tells; more of them are asked for as ever
_PATIENCE = 0.5  # seconds in which an answer must be there; later the page is better off to ask
_NARROWING = ("time", "area")  # parameters that, like filters, make other tiles of a layer
_KEPT = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "app_root_path", "state")
_PASSED = (b"host", b"accept-language")


async def render_answers(request: Request) -> bytes:
    """Blocks of JSON for the page at this address; those that could not be had in time are left out."""
    lang = page_language(request.query_params.get("lang"), request.headers.getlist("accept-language"))
    first = f"api/layers?lang={lang}"
    catalogue = await _ask(request, first)
    if catalogue is None:
        return b""
    addresses = _list_addresses(request, orjson.loads(catalogue)["layers"], lang)
    answers = await asyncio.gather(*(_ask(request, address) for address in addresses))
    told = [(first, catalogue), *zip(addresses, answers, strict=True)]
    return b"".join(_render(address, body) for address, body in told if body is not None)


def _render(address: str, body: bytes) -> bytes:
    """No text can end the block: within JSON a `<` stands in strings only."""
    name = address.replace("&", "&amp;").replace('"', "&quot;").encode()
    safe = body.replace(b"<", b"\\u003c")
    return b'<script type="application/json" data-address="' + name + b'">' + safe + b"</script>\n"


def _list_addresses(request: Request, layers: Sequence[dict[str, object]], lang: str) -> list[str]:
    """What the page asks for at once, as it writes it: about its layers, where their tiles are, and its style."""
    query = request.query_params
    data = [layer for layer in layers if not layer["basemap"]]
    if "layers" in query:
        stated = ",".join(query.getlist("layers")).split(",")
        on = [str(layer["id"]) for layer in data if layer["id"] in stated]
    else:
        visible = [str(layer["id"]) for layer in data if layer["visible"]]
        on = visible or [str(layer["id"]) for layer in data[:1]]
    if len(on) > _MOST:
        return []
    details = [f"api/layers/{quote(layer)}?lang={lang}" for layer in on]
    if any(name.startswith("filter.") or name in _NARROWING for name in query):
        return details
    base = query.get("base", "")
    style = "?" + (f"layers={','.join(sorted(on))}&" if on else "") + f"lang={lang}"
    # Which base a reader's system likes is not told; the second one takes a tenth of the first when compressed.
    bases = [base] if base in _BASES else _BASES
    return [
        *details,
        *(f"tiles/{quote(layer)}.json" for layer in on),
        *(f"styles/{name}.json{style}" for name in bases),
    ]


async def _ask(request: Request, address: str) -> bytes | None:
    """The body of our own answer at an address; None when it is anything but 200, or late."""
    path, _, query = address.partition("?")
    scope: Scope = {
        **{name: request.scope[name] for name in _KEPT if name in request.scope},
        "method": "GET",
        "path": unquote(f"/{path}"),
        "raw_path": f"/{path}".encode(),
        "query_string": query.encode(),
        "headers": [(name, value) for name, value in request.scope["headers"] if name in _PASSED],
    }
    status = 0
    body = bytearray()
    unasked = True

    async def receive() -> Message:
        """The request once; then nothing: whoever listens for a client that leaves waits until it is cancelled."""
        nonlocal unasked
        if not unasked:
            await asyncio.Event().wait()
        unasked = False
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    try:
        async with asyncio.timeout(_PATIENCE):
            await request.app(scope, receive, send)
    except Exception as error:  # the page asks for itself, and is told there what is wrong
        log.info("The page goes without %s: %r", address, error)
        return None
    return bytes(body) if status == 200 else None  # noqa: PLR2004
