"""What a running server holds of the layers without rows: open archives, and a status as loaded layers have one."""

from __future__ import annotations

import logging
import time
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from geoserver.catalog import source_path
from geoserver.database.status import LayerStatus
from geoserver.errors import CatalogError
from geoserver.model import TilePlan
from geoserver.tilesets.archive import open_archive, read_signature

if TYPE_CHECKING:
    from geoserver.catalog import Catalog
    from geoserver.model import Bounds, Layer
    from geoserver.tilesets.archive import Archive

__all__ = ["ArchiveStatus", "Tilesets", "open_layer"]

log = logging.getLogger("geoserver")


@dataclass(frozen=True, slots=True)
class ArchiveStatus(LayerStatus):
    """The state of a layer whose tiles lie in an archive; whoever holds it reads from that very file to the end."""

    archive: Archive = field(kw_only=True)


def open_layer(layer: Layer) -> tuple[Layer, LayerStatus]:
    """The layer, its zooms narrowed to those there are, and its state; raises CatalogError for a bad archive."""
    if layer.kind == "function":
        since = period_of(layer)
        return layer, LayerStatus(**_common(layer, since, since, layer.bounds))
    path = source_path(layer)
    try:
        archive = open_archive(path)
    except OSError as error:
        raise CatalogError(str(layer.file), "source", f"a readable file at {path}: {error.strerror}") from error
    except ValueError as error:
        raise CatalogError(str(layer.file), "source", f"{error} ({path})") from error
    low, high = archive.zooms
    narrowed = replace(layer, minzoom=max(layer.minzoom, low), maxzoom=min(layer.maxzoom, high))
    if narrowed.minzoom > narrowed.maxzoom:
        raise CatalogError(str(layer.file), "minzoom", f"zooms that the archive has: {low} to {high}")
    changed = archive.signature[2] / 1e9
    said = archive.metadata.get("features_from")
    plan = TilePlan(features_from=said if isinstance(said, int) and 0 <= said <= high else 0)
    return narrowed, ArchiveStatus(**_common(layer, int(changed), changed, archive.bounds), plan=plan, archive=archive)


def period_of(layer: Layer) -> int:
    """When the present `max_age` seconds began for the tiles of a function, in seconds since 1970: at moments of the
    layer's own, which are the same in every process."""
    shift = zlib.crc32(layer.id.encode()) % layer.max_age
    return (int(time.time()) + shift) // layer.max_age * layer.max_age - shift


class Tilesets:
    """Opens archives, and opens them anew when they change; what breaks keeps its last good state."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Layer, LayerStatus]] = {}
        self.problems: tuple[CatalogError, ...] = ()
        self._made_of: dict[str, object] = {}

    def refresh(self, catalog: Catalog) -> bool:
        """Look at the files again and give whether anything changed. Blocks for the disk; one call at a time."""
        layers = [layer for layer in catalog.layers.values() if not layer.has_rows]
        held: dict[str, tuple[Layer, LayerStatus]] = {}
        made_of: dict[str, object] = {}
        problems = []
        for layer in layers:
            state = (layer, _signature(layer))
            before = self.held.get(layer.id)
            made_of[layer.id] = state
            if before and self._made_of.get(layer.id) == state:
                held[layer.id] = before
                continue
            try:
                held[layer.id] = open_layer(layer)
            except Exception as error:
                if not isinstance(error, CatalogError):  # no archive may take the others down, whatever is in it
                    log.exception("%s: its archive cannot be read", layer.file)
                    error = CatalogError(str(layer.file), "source", f"an archive that can be read: {error}")
                problems.append(error)
                made_of[layer.id] = None  # tried again next time
                if before:
                    held[layer.id] = before
        changed = held != self.held or tuple(map(str, problems)) != tuple(map(str, self.problems))
        self.held, self.problems, self._made_of = held, tuple(problems), made_of
        return changed

    def renew(self) -> list[tuple[Layer, LayerStatus]]:
        """Begin a new period for the functions whose `max_age` is over, and give those."""
        old = [item for item in self.held.values() if item[0].kind == "function"]
        over = [open_layer(layer) for layer, status in old if period_of(layer) != status.version]
        self.held = self.held | {layer.id: (layer, status) for layer, status in over}
        return over


def _signature(layer: Layer) -> object:
    """What differs when the layer must be opened anew; nothing outside the layer file for a function."""
    try:
        return read_signature(source_path(layer)) if layer.kind == "tiles" else None
    except OSError:
        return None


def _common(layer: Layer, version: int, since: float, bounds: Bounds | None) -> dict[str, Any]:
    return {
        "id": layer.id,
        "version": version,
        "rows": 0,
        "rejected": 0,
        "readings": 0,
        "bounds": bounds,
        "srid": 4326,
        "geometry_type": "",
        "loaded_at": datetime.fromtimestamp(since, UTC),
        "seconds": 0.0,
    }
