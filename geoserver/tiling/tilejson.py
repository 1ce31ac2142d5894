"""TileJSON 3.0.0 (https://github.com/mapbox/tilejson-spec): what a map needs to know before it asks for tiles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from geoserver.errors import BadParameterError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.grid import MAX_LATITUDE
from geoserver.model import Bounds
from geoserver.tiling.bins import bins_layer, describe_bins, find_bins
from geoserver.tiling.sources import list_layers, tile_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer

__all__ = ["PLAN", "build_tilejson", "parse_plans"]

PLAN = "features-from"  # parameter of a tile: from which zoom on each of its layers is drawn as features

_START_ZOOM = 12
_LAST = 22  # zoom from which on there is none that a plan could begin at
_ZOOM = re.compile(r"[0-9]{0,2}")


def parse_plans(text: str, ids: Sequence[str]) -> list[int | None]:
    """From which zoom on each layer is drawn as features, as `features-from` says; None for its own plan."""
    if not text:
        return [None] * len(ids)
    zooms = text.split(",")
    if len(zooms) != len(ids) or not all(_ZOOM.fullmatch(zoom) and int(zoom or 0) <= _LAST for zoom in zooms):
        whose = f"each of {', '.join(ids)} in this order" if ids else "each of the layers that are named"
        expected = f"a zoom from 0 to {_LAST}, or nothing, for {whose}, with commas between, as the TileJSON says"
        raise BadParameterError(PLAN, text, expected)
    return [int(zoom) if zoom else None for zoom in zooms]


def build_tilejson(
    catalog: Catalog,
    layers: Sequence[tuple[Layer, LayerStatus]],
    base_url: str,
    query: str = "",
    plans: Sequence[int | None] = (),
) -> dict[str, Any]:
    """The document for one or several layers in one tile; `query` is carried into the address of the tiles.

    `features_from` is our own member: the zoom from which a tile holds every feature of its area. `plans` has it for
    each layer under the filter in `query`, or None for the layer's own, and is carried into the address, too.
    """
    own = [status.plan.features_from for _, status in layers]
    starts = [own[at] if plan is None else plan for at, plan in enumerate(plans)] or own
    if any(plan is not None for plan in plans):
        told = ",".join("" if plan is None else str(plan) for plan in plans)
        query = f"{query}&{PLAN}={told}"
    only = [layer for layer, _ in layers]
    bounds = join_bounds([status.bounds for _, status in layers if status.bounds])
    minzoom, maxzoom = min(layer.minzoom for layer in only), max(layer.maxzoom for layer in only)
    ids, ending = ",".join(layer.id for layer in only), tile_content(layers).endings[0]
    document: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": ", ".join(layer.title for layer in only),
        "version": f"{max(status.version for _, status in layers)}.0.0",
        "scheme": "xyz",
        "tiles": [f"{base_url.rstrip('/')}/tiles/{ids}/{{z}}/{{x}}/{{y}}.{ending}{'?' if query else ''}{query}"],
        "minzoom": minzoom,
        "maxzoom": maxzoom,
        "bounds": bounds.as_list(),
        "center": [*_centre(bounds), min(max(_START_ZOOM, minzoom), maxzoom)],
        "attribution": ", ".join(dict.fromkeys(layer.attribution for layer in only if layer.attribution)),
        "features_from": max(starts),
        "vector_layers": [
            entry
            for (layer, status), start in zip(layers, starts, strict=True)
            for entry in _vector_layers(catalog, layer, status, start)
        ],
    }
    if description := " ".join(layer.description for layer in only if layer.description):
        document["description"] = description
    return document


def join_bounds(parts: Sequence[Bounds]) -> Bounds:
    """The rectangle around all of them; the world as web mercator shows it when there is none.

    TileJSON's bounds must not cross the antimeridian, so what does is shown as the whole turn of the earth.
    """
    if not parts:
        return Bounds(-180.0, -MAX_LATITUDE, 180.0, MAX_LATITUDE)
    crossing = any(part.west > part.east for part in parts)
    return Bounds(
        -180.0 if crossing else min(part.west for part in parts),
        min(part.south for part in parts),
        180.0 if crossing else max(part.east for part in parts),
        max(part.north for part in parts),
    )


def _centre(bounds: Bounds) -> list[float]:
    return [round((bounds.west + bounds.east) / 2, 6), round((bounds.south + bounds.north) / 2, 6)]


def _vector_layers(catalog: Catalog, layer: Layer, status: LayerStatus, start: int) -> list[dict[str, Any]]:
    """The features, and the bins that count the others below `features_from`; or what the source itself tells."""
    if (told := list_layers(layer, status)) is not None:
        return told
    plan = status.plan
    fields = {name: _describe(layer.fields[name]) for name in layer.tile_fields}
    found = {"id": layer.id, "fields": fields, "minzoom": layer.minzoom, "maxzoom": layer.maxzoom}
    found |= {"description": layer.description} if layer.description else {}
    entries = [found | {"features_from": start}]
    kind = find_bins(catalog.recipes.get(layer.kind, ""))
    if kind and not layer.basemap:  # at any zoom, for a tile that would grow too large has them everywhere
        bins: dict[str, Any] = {"id": bins_layer(layer), "fields": describe_bins(layer, plan, kind)}
        bins |= {"bins_of": layer.id, "minzoom": layer.minzoom, "maxzoom": layer.maxzoom}
        entries.append(bins | {"facet": plan.facet or None, "values": list(plan.values)})
    return entries


def _describe(field: Field) -> str:
    """What a field holds, in a line: "Height. Measured from the ground. Number, in m."."""
    kind = FIELD_TYPES[field.type].described or field.type
    unit = f", in {field.unit}" if field.unit else ""
    parts = [field.title, field.description, f"{kind[0].upper()}{kind[1:]}{unit}"]
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)
