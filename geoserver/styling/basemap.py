"""What a workspace's basemap is, in a line for the city's data person, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.catalog.schemas import FOLDER, find_schema
from geoserver.errors import CatalogError
from geoserver.styling.build import BASE
from geoserver.styling.ready_made import find_ready_made, list_layers
from geoserver.styling.valid import find_faults
from geoserver.tiling import open_layer
from geoserver.tiling.sources.archive import ArchiveStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.catalog import Catalog

__all__ = ["check_basemap", "describe_basemap"]

_SOME = 8
_NONE = (
    "No basemap: the map shows coasts, borders and lines of longitude and latitude alone."
    " `geoserver basemap EXTRACT.osm.pbf` makes one of OpenStreetMap, and a PMTiles file can be one"
    " (docs/ready-made-basemaps.md)."
)


def describe_basemap(catalog: Catalog) -> str:
    """One line: what is drawn under the data, or how to get something."""
    statuses = _open_archives(catalog)
    if found := find_ready_made(catalog, statuses):
        drawn = {part.layer for parts in found.schema.draw.values() for part in parts} & set(list_layers(found.status))
        where = f"{found.layer.source} in the {found.schema.title} schema"
        return f"Basemap: {where}, of which {len(drawn)} layers are drawn (layer {found.layer.id})."
    own = [layer_id for layer_id in _list_drawn(catalog) if layer_id in catalog.layers]
    if own:
        return f"Basemap: the layers {', '.join(own)}."
    if statuses:
        layer_id, status = next(iter(statuses.items()))
        titles = ", ".join(schema.title for schema in catalog.schemas.values())
        return (
            f"Basemap: layer {layer_id} is drawn where a style of yours names its layers"
            f" ({_shorten(list_layers(status))}); it is in none of the schemas {titles}."
        )
    return _NONE


def check_basemap(catalog: Catalog) -> Iterator[CatalogError]:
    """Archives that are not in the schema that their layer file names, and schemas that do not say how to draw."""
    yield from _check_schemas(catalog)
    for layer_id, status in _open_archives(catalog).items():
        layer = catalog.layers[layer_id]
        schema, there = catalog.schemas.get(layer.schema), list_layers(status)
        if schema is None or set(schema.layers) <= set(there):
            continue
        like = find_schema(catalog.schemas.values(), there)
        hint = f"; did you mean {like.name!r}?" if like else ""
        expected = (
            f"an archive with the layers {', '.join(schema.layers)} ({schema.title}); it has {_shorten(there)}{hint}"
        )
        yield CatalogError(str(layer.file), "basemap", expected)


def _check_schemas(catalog: Catalog) -> Iterator[CatalogError]:
    """Filters and fields that are no expressions, by the specification that MapLibre proves styles by."""
    for schema in catalog.schemas.values():
        for layer, parts in schema.draw.items():
            for number, part in enumerate(parts):
                values = {"filter": part.filter, **{f"fields.{name}": value for name, value in part.fields.items()}}
                for key, value in values.items():
                    for expected in find_faults(value):
                        yield CatalogError(
                            f"styles/{FOLDER}/{schema.name}.toml", f"draw.{layer}.{number}.{key}", expected
                        )


def _open_archives(catalog: Catalog) -> dict[str, ArchiveStatus]:
    """Archives of the basemap that can be opened; the others are told of where sources are checked."""
    found = {}
    for layer in catalog.layers.values():
        if layer.basemap and not layer.has_rows:
            try:
                status = open_layer(layer)[1]
            except CatalogError:
                continue
            if isinstance(status, ArchiveStatus):
                found[layer.id] = status
    return found


def _list_drawn(catalog: Catalog) -> list[str]:
    items = catalog.styles.get("light", {"layers": []})["layers"]
    return list(dict.fromkeys(item["source-layer"] for item in items if item.get("source") == BASE))


def _shorten(names: list[str]) -> str:
    return ", ".join(names[:_SOME]) + (f" and {len(names) - _SOME} more" if len(names) > _SOME else "")
