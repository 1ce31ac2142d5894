"""Where clients see this server: read from a request once its Host was checked, for every link that is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ROOT", "path_of", "site_of"]

ROOT = "app_root_path"  # in the scope: the path under which a proxy shows us; Starlette calls it so
_PORTS = {"http": 80, "https": 443}


class Asked(Protocol):
    """A request of whatever library: its ASGI scope is all that is looked at."""

    @property
    def scope(self) -> Mapping[str, Any]: ...


def site_of(request: Asked) -> str:
    """The address at which whoever asks sees us, without a slash at its end."""
    scope = request.scope
    return f"{scope.get('scheme', 'http')}://{_host_of(scope)}{path_of(request).rstrip('/')}"


def path_of(request: Asked) -> str:
    """The path of that address, as it is written in addresses; a slash where we are alone on our host."""
    scope = request.scope
    return str(scope.get(ROOT, scope.get("root_path", ""))).rstrip("/") or "/"


def _host_of(scope: Mapping[str, Any]) -> str:
    """The name that the client used, with its port; of one that tells none, where its connection came in."""
    for name, value in scope["headers"]:
        if name == b"host":
            return str(value.decode("latin-1"))
    host, port = scope.get("server") or ("localhost", None)
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, _PORTS.get(scope.get("scheme", "http"))) else f"{host}:{port}"
