"""What can be proved without a database: layer files, licences and sources against each other."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver import filtering
from geoserver.catalog import layer_folders, name_grant
from geoserver.catalog.files import is_file, is_folder
from geoserver.catalog.names import find_likely
from geoserver.errors import BadParameterError, CatalogError
from geoserver.sources.location import list_locations
from geoserver.tiling import open_layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geoserver.catalog import Catalog
    from geoserver.model import Layer
    from geoserver.settings import Settings

__all__ = ["check_files", "split_by_source"]


def check_files(settings: Settings, catalog: Catalog) -> list[CatalogError]:
    """Every file that cannot be read, and every source that is not there; styles are proved by `styling.check`."""
    found = list(catalog.problems)
    if not catalog.layers and not found:
        folders = " or ".join(str(folder) for folder in layer_folders(settings))
        found.append(CatalogError(folders, "", "at least one layer file (docs/add-a-layer.md)"))
    for layer in catalog.layers.values():
        found.extend(_check_sources(layer))
    return [*found, *_check_rows(catalog)]


@dataclass(frozen=True, slots=True)
class _Anywhere:
    """Stands for the table of a layer that need not be loaded: rows are told by filters of any CRS."""

    srid: int = 4326


def _check_rows(catalog: Catalog) -> Iterator[CatalogError]:
    """Row filters of groups that do not fit one of their layers, which is then not there for these people."""
    for group, grants in catalog.groups.items():
        for at, grant in enumerate(grants):
            for layer in catalog.layers.values():
                if not (grant.rows and layer.has_rows and grant.covers(layer.id)):
                    continue
                try:
                    filtering.build(layer, _Anywhere(), filter=grant.rows)
                except BadParameterError as error:
                    key = f"{name_grant(catalog.groups, group, at)}.rows"
                    expected = f"a filter of the rows of {layer.id}: {error.expected}; got {error.value!r}"
                    yield CatalogError(str(catalog.access_file), key, expected)


def split_by_source(catalog: Catalog) -> tuple[list[Layer], list[Layer]]:
    """Layers from files, and those of which a part comes from a table in the database."""
    files: list[Layer] = []
    tables: list[Layer] = []
    for layer in catalog.layers.values():
        (tables if any(place.is_table for _, place in list_locations(layer)) else files).append(layer)
    return files, tables


def _check_sources(layer: Layer) -> Iterator[CatalogError]:
    if not layer.has_rows:
        try:
            open_layer(layer)
        except CatalogError as error:
            yield error
        return
    for key, place in list_locations(layer):
        if (path := place.path) and not is_file(path):
            yield CatalogError(str(layer.file), key, f"a file; there is none at {path}{_suggest_file(path)}")


def _suggest_file(path: Path) -> str:
    """The name beside it that is likely meant."""
    if is_folder(path):
        return ", but a folder"
    beside: list[str] = []
    with contextlib.suppress(OSError):  # there is no such folder, or it is closed
        beside = [other.name for other in path.parent.iterdir() if other.is_file()]
    likely = find_likely(path.name, beside)
    return f"; did you mean {likely!r}?" if likely else ""
