"""What to ask of a layer's source, and a short text that changes when its content or the way to load it changes."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from geoserver.catalog.declared import build_declaration
from geoserver.errors import LoadError
from geoserver.sources import Request, read_parts
from geoserver.sources.location import find_location, list_locations

if TYPE_CHECKING:
    from geoserver.model import Layer, Readings

__all__ = ["build_request", "read_fingerprint"]

_RULES = 3  # grows when a rule of loading changes, so that unchanged files are loaded again


def build_request(
    layer: Layer, database_url: str, columns: tuple[str, ...], *, readings: Readings | None = None
) -> Request:
    """What to ask of the source of a layer, or of its readings."""
    source = readings.source if readings else layer.source
    return Request(
        source,
        find_location(layer, source).find_path(),
        columns,
        positions=readings is None,
        layer="" if readings else layer.source_layer,
        csv=readings.csv if readings else layer.csv,
        crs=layer.crs,
        database_url=database_url,
        swap_axes=layer.swap_axes and readings is None,
    )


def read_fingerprint(layer: Layer) -> str:
    """Of file contents and of what the layer file says about loading; empty for a table: always loaded again."""
    digest = hashlib.blake2b(digest_size=16)
    indexed = sorted((item.name, item.filter, item.latest) for item in layer.fields.values())
    digest.update(repr((_RULES, build_declaration(layer), indexed)).encode())
    for place in dict.fromkeys(place for _, place in list_locations(layer)):
        if (path := place.find_path()) is None:
            return ""
        for part in read_parts(path):
            digest.update(os.fsencode(part.name))
            try:
                with part.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
            except OSError as error:
                raise LoadError(f"{place.written}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
