"""The address at which a client asks for us: exactly one Host, well formed, that answers may link to; under which path.

Links in answers are built from the Host header where no `public_url` is set, and proxies keep answers for others; so
nobody may choose a name for us.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from geoserver.addresses import ROOT
from geoserver.api.problems import PROBLEM_TYPE, build_refusal
from geoserver.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from geoserver.settings import Settings

__all__ = ["CheckHost", "Hosts"]

log = logging.getLogger("geoserver")

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?)(?::(\d{1,5}))?", re.ASCII)
_LONGEST = 255  # characters of a name
_PORTS = 65_535
_KEPT = 256  # Host headers that are remembered as good
# Answers without a link in them, which probes and map clients may ask for under any name.
_UNLINKED = re.compile(r"/(?:healthz|readyz|metrics|(?:tiles|world)/.+\.(?:mvt|pbf)|fonts/.+|assets/.+)")
_EVERY = 60.0  # seconds between two lines in the log about an unknown name


class Hosts:
    """Which names are ours, and under which path we are. `known` are Host headers that have passed."""

    def __init__(self, settings: Settings, own: Collection[str] = ()) -> None:
        """`own` are the first parts of our own addresses: a proxy that serves us under one of them takes it away."""
        self._public = urlsplit(settings.public_url or "")
        self._own_parts = frozenset(own)
        self._allowed = {name.strip("[]") for name in settings.allowed_hosts}
        self._own = {settings.host.lower(), socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}
        self._told = -_EVERY
        self.known: set[bytes] = set()

    def check(self, scope: Scope) -> tuple[int, str, str] | None:
        """None when the request may go on; else status, title and detail. Puts the name to link to into the scope."""
        values = [value for name, value in scope["headers"] if name == b"host"]
        if not values and scope["http_version"] == "1.0":
            self._replace(scope, None)
            return None
        text = values[0].decode("latin-1").lower() if values else ""
        name = parse_host(text) if len(values) == 1 else None
        if name is None:
            got = "none" if not values else "more than one" if len(values) > 1 else repr(shorten(text, 100))
            return 400, "Bad Host", f"Host: got {got}; expected exactly one name or address, with or without a port"
        if self._public.netloc or self._is_ours(name, scope):
            self._remember(values[0])
            self._replace(scope, text)
        elif not _UNLINKED.fullmatch(scope["path"]):
            self._tell(name)
            return 421, "Unknown host", _explain(text)
        return None

    def strip(self, scope: Scope) -> str:
        """Take away the path under which a proxy serves us, where it has left that in.

        Gives the address to go to instead when the path lacks the slash at its end, in which addresses that are
        relative to a page would lead elsewhere.
        """
        prefix = self._prefix(scope)
        bare = unquote(prefix)
        if not prefix or bare.split("/")[1] in self._own_parts or not f"{scope['path']}/".startswith(f"{bare}/"):
            return ""
        if scope["path"] == bare:
            query = scope["query_string"].decode("latin-1")
            return f"{prefix}/" + ("?" + query if query else "")
        scope["path"] = scope["path"].removeprefix(bare)
        raw, start = scope.get("raw_path") or b"", prefix.encode()
        scope["raw_path"] = raw.removeprefix(start) if raw.startswith(start) else quote(scope["path"]).encode()
        return ""

    def _prefix(self, scope: Scope) -> str:
        """The path of the public address; without one, that which a trusted proxy tells of."""
        return self._public.path if self._public.netloc else str(scope.get(ROOT, ""))

    def _remember(self, value: bytes) -> None:
        if value not in self.known:
            if len(self.known) >= _KEPT:
                self.known.clear()
            self.known.add(value)

    def _is_ours(self, name: str, scope: Scope) -> bool:
        here = (scope.get("server") or ("",))[0].removeprefix("::ffff:")  # where this very connection came in
        if name in self._own or name in self._allowed or "*" in self._allowed or name in ("localhost", here):
            return True
        if name.endswith(".localhost") or any(item[0] == "." and name.endswith(item) for item in self._allowed):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    def _replace(self, scope: Scope, text: str | None) -> None:
        """Every address that the app builds follows the scope (`addresses.site_of`)."""
        scope[ROOT] = self._prefix(scope)
        if self._public.netloc:
            text, scope["scheme"] = self._public.netloc, self._public.scheme
        kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [*kept, (b"host", text.encode("latin-1"))] if text else kept

    def _tell(self, name: str) -> None:
        if time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            log.warning("Refused a request for the unknown host %r: set GEOSERVER_PUBLIC_URL, or allow the name", name)


class CheckHost:
    """ASGI middleware, in front of everything that knows our address."""

    def __init__(self, app: ASGIApp, hosts: Hosts, headers: Mapping[str, str]) -> None:
        """`headers` are those that every answer carries."""
        self.app = app
        self.hosts = hosts
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        better = self.hosts.strip(scope)
        problem = self.hosts.check(scope)
        if problem is None and not better:
            await self.app(scope, receive, send)
            return
        status, body, own = 307, b"", {"Location": better, "Cache-Control": "no-store", "Content-Length": "0"}
        if problem is not None:
            status, body = problem[0], build_refusal(*problem)
            own = {"Content-Type": PROBLEM_TYPE, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        headers = [(name.lower().encode(), value.encode()) for name, value in (own | dict(self._headers)).items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def parse_host(text: str) -> str | None:
    """The name or address without port and brackets; None for what is no Host (RFC 9112, 3.2)."""
    found = _HOST.fullmatch(text)
    if found is None or len(text) > _LONGEST or ".." in text or int(found[2] or 0) > _PORTS:
        return None
    name = found[1].rstrip(".")
    if name.startswith("["):
        try:
            return str(ipaddress.IPv6Address(name.strip("[]")))
        except ValueError:
            return None
    return name


def _explain(host: str) -> str:
    return (
        f"This server was asked as {shorten(host, 100)!r}, which is no name that it knows for itself. Whoever runs it:"
        f" set GEOSERVER_PUBLIC_URL to the address that people use, such as https://{shorten(host, 100)}, or name the"
        " host in GEOSERVER_ALLOWED_HOSTS."
    )
