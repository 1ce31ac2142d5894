"""Who asks: read from a request before anything else sees it, and kept in its scope as an `Access`.

A key in the query is taken out here, so that it is in no log, error or link that we make.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from geoserver.access import NOBODY, Access
from geoserver.api.problems import PROBLEM_TYPE, build_problem
from geoserver.errors import BadParameterError, GeoserverError
from geoserver.gate import MisplacedKeyError, has_key, read_given, take_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from geoserver.gate import Gate

__all__ = ["Identify", "is_local"]

_FORWARDING = frozenset(
    [b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"]
)
_WAYS_OUT = ("/signin", "/signout")  # for who is signed in with a key that has asked too often, too
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Identify:
    """ASGI middleware, in front of everything that reads an address."""

    def __init__(self, app: ASGIApp, gate: Gate, headers: Mapping[str, str]) -> None:
        """`headers` are those that every answer carries."""
        self.app = app
        self._gate = gate
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if isinstance(state.get("access"), Access):  # the page asks for its own answers, as who asks for the page
            await self.app(scope, receive, send)
            return
        state["local"] = _find_local(scope)
        try:
            state["access"] = await self._identify(scope)
        except GeoserverError as error:
            await self._refuse(error, scope["method"], send)
            return
        await self.app(scope, receive, send)

    async def _identify(self, scope: Scope) -> Access:
        try:
            scope["query_string"], keys = take_keys(scope["query_string"])
        except MisplacedKeyError as error:
            scope["query_string"] = error.query
            raise
        if has_key(scope["path"]):
            raise BadParameterError("path", "a key", "the key as Authorization: Bearer KEY, and nowhere in the address")
        given = read_given(scope["headers"], keys)
        if given is None:
            return NOBODY
        scope["state"]["given"] = given  # for what goes on for longer than a request, and asks once more
        return await self._gate.identify(given, counted=not scope["path"].endswith(_WAYS_OUT))

    async def _refuse(self, error: GeoserverError, method: str, send: Send) -> None:
        status, own, body = build_problem(error)
        told = {**own, "Content-Type": PROBLEM_TYPE, "Content-Length": str(len(body))} | dict(self._headers)
        headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def is_local(scope: Scope) -> bool:
    """Whether the request came from this machine by itself, and not through a proxy."""
    return bool(scope.get("state", {}).get("local"))


def _find_local(scope: Scope) -> bool:
    try:
        peer = ipaddress.ip_address(str((scope.get("client") or ("",))[0]).removeprefix("::ffff:"))
    except ValueError:
        return False
    if not peer.is_loopback:
        return False
    host = b""
    for name, value in scope["headers"]:
        if name in _FORWARDING:
            return False
        if name == b"host":
            host = value
    return host.decode("latin-1").lower().rpartition(":")[0].strip() in _LOCAL_NAMES or (
        host.decode("latin-1").lower() in _LOCAL_NAMES
    )
