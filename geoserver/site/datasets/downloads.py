"""Where the files of a dataset are had: the one place that pages and metadata take them from."""
# ruff: noqa: ARG001 - for what is to come

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["Download", "list_downloads", "list_formats"]


class Download(NamedTuple):
    """One file: `format` as in its address, `of` features or readings, about how large, and what it cannot hold."""

    format: str
    title: str
    media_type: str
    href: str
    bytes: int | None = None
    limits: Sequence[str] = ()
    of: str = "features"


def list_formats(layer: Layer, status: LayerStatus) -> list[str]:
    """The formats that rows of a layer can be had in, in the order in which they are shown; for lists of layers."""
    return []


async def list_downloads(
    database: Database,
    layer: Layer,
    status: LayerStatus,
    base: str,
) -> list[Download]:
    """The files of a layer as its reader sees it, in that order."""
    return []
