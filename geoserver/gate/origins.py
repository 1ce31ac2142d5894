"""Which page asks, by what a browser says in `Origin`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_from"]

_PORTS = {"http": 80, "https": 443}


def is_from(site: str, origins: Sequence[str]) -> bool:
    """Whether a page of the site asks, by the values of the header; no word of it is a no."""
    return len(origins) == 1 and _split(origins[0]) == _split(site) is not None


def _split(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no address, such as `null`."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
