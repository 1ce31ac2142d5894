"""Where the files of a dataset are had: the one place that pages, feeds and metadata take them from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["Download", "list_downloads"]


class Download(NamedTuple):
    """One file: `format` as in its address, about how large it is, and what it cannot hold."""

    format: str
    title: str
    media_type: str
    href: str
    bytes: int | None = None
    limits: tuple[str, ...] = ()


def list_downloads(layer: Layer, status: LayerStatus, base: str) -> list[Download]:  # noqa: ARG001 - for what is to come
    """The files of a layer as its reader sees it, in the order in which they are offered."""
    return []
