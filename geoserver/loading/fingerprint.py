"""Where a layer's source is, and a short text that changes when its content or the way to load it changes."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from geoserver.catalog import source_path
from geoserver.catalog.declared import build_declaration
from geoserver.errors import LoadError
from geoserver.sources import Request, parse_table, read_parts, read_suffixes

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.model import Layer, Readings

__all__ = ["build_request", "read_fingerprint"]

_RULES = 3  # grows when a rule of loading changes, so that unchanged files are loaded again
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def build_request(
    layer: Layer, database_url: str, columns: tuple[str, ...], *, readings: Readings | None = None
) -> Request:
    """What to ask of the source of a layer, or of its readings."""
    source = readings.source if readings else layer.source
    return Request(
        source,
        find_path(layer, source),
        columns,
        positions=readings is None,
        layer="" if readings else layer.source_layer,
        csv=readings.csv if readings else layer.csv,
        crs=layer.crs,
        database_url=database_url,
        swap_axes=layer.swap_axes and readings is None,
    )


def find_path(layer: Layer, source: str) -> Path | None:
    """The file that is meant, or None for a table "schema.table"; raises LoadError for an address."""
    if _REMOTE.match(source):
        raise LoadError(f"{source}: sources are files and tables; download it first")
    path = source_path(layer, source)
    if parse_table(source) and not source.lower().endswith(read_suffixes()) and not path.is_file():
        return None
    return path


def read_fingerprint(layer: Layer) -> str:
    """Of file contents and of what the layer file says about loading; empty for a table: always loaded anew."""
    sources = [layer.source, *([layer.readings.source] if layer.readings else [])]
    digest = hashlib.blake2b(digest_size=16)
    indexed = sorted((item.name, item.filter, item.latest) for item in layer.fields.values())
    digest.update(repr((_RULES, build_declaration(layer), indexed)).encode())
    for source in dict.fromkeys(sources):
        path = find_path(layer, source)
        if path is None:
            return ""
        for part in read_parts(path):
            digest.update(os.fsencode(part.name))
            try:
                with part.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
            except OSError as error:
                raise LoadError(f"{source}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
