"""A layer as it can be served: what its file declares, as far as that is loaded.

A file may be ahead of its table (a field was added, renamed or retyped, and nobody has loaded since), or behind it (a
worker has not read its files again), and a table may have been changed by hand. What is loaded goes on being served; a
field that is no longer declared is hidden at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geoserver.catalog.declared import list_changes
from geoserver.catalog.labels import keep_fields
from geoserver.catalog.styles import find_geometry, find_misread
from geoserver.fieldtypes import FIELD_TYPES, type_of_column
from geoserver.model import GEOMETRIES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer, Live, Readings, TilePlan, Words

__all__ = ["Fit", "fit"]

_SHAPES = {"POINT": "points", "LINESTRING": "lines", "POLYGON": "polygons"}
_NEEDED = ("fid", "geom", "geom_3857")


@dataclass(frozen=True, slots=True)
class Fit:
    """`layer` is None where it cannot be served at all; `changes` names keys and what is loaded instead, for people."""

    layer: Layer | None
    status: LayerStatus
    changes: tuple[str, ...] = ()


def fit(layer: Layer, status: LayerStatus, recipes: Mapping[str, str]) -> Fit:
    """The layer with what is loaded of it; `recipes` are those that there are, by kind."""
    loaded = status.loaded
    if loaded is None:  # nothing is known beyond the file
        return Fit(layer.deepened(status.plan), status)
    changes = list_changes(loaded.declared, layer) if loaded.declared else {}
    kind = _find_kind(layer, status)
    if why := _find_fault(layer, status, kind, recipes):
        return Fit(None, status, (why,))
    fields = _fit_fields(layer.fields, loaded.columns or {}, changes)
    readings = _fit_readings(layer, status, changes)
    time = _find_time(layer, status, fields)
    live = _fit_live(layer, fields, changes)
    plan = _fit_plan(layer, status, fields, time, changes)
    said = tuple(f"{key}: {what}" for key, what in changes.items())
    status = status if plan == status.plan else replace(status, plan=plan)
    if (fields, readings, time, live, kind) == (layer.fields, layer.readings, layer.time, layer.live, layer.kind):
        return Fit(layer.deepened(plan), status, said)
    fitted = replace(
        layer,
        fields=fields,
        readings=readings,
        time=time,
        live=live,
        kind=kind,
        geometry=find_geometry(kind, recipes[kind]),
        facet=layer.facet if layer.facet in fields else "",
        label=keep_fields(layer.label, fields),
        languages={tag: _fit_words(words, fields) for tag, words in layer.languages.items()},
        tile_fields=tuple(name for name in layer.tile_fields if name in fields),
    )
    return Fit(fitted.deepened(plan), status, said)


def _fit_words(words: Words, fields: Collection[str]) -> Words:
    return replace(words, label=keep_fields(words.label, fields))


def _find_kind(layer: Layer, status: LayerStatus) -> str:
    """The kind as which it was loaded; without a record the one that fits its geometries."""
    if status.loaded and status.loaded.declared:
        return str(status.loaded.declared.get("kind", layer.kind))
    by_shape = _SHAPES.get(status.geometry_type.removeprefix("MULTI"))
    return by_shape if by_shape and layer.kind in GEOMETRIES else layer.kind


def _find_fault(layer: Layer, status: LayerStatus, kind: str, recipes: Mapping[str, str]) -> str:
    """Why nothing of it can be served; empty when it can."""
    columns = status.loaded.columns if status.loaded else None
    if columns is None:
        return f"its table layers.{layer.table} is gone"
    if kind not in recipes:
        return f"it was loaded as kind {kind!r}, of which there is no recipe in tiles/"
    restricted = [name for name, item in layer.fields.items() if item.restricted]
    if restricted and (found := find_misread(kind, recipes, restricted)):
        return f"tiles/{found[0]}.sql reads its field {found[1]!r}, which is restricted"
    points = find_geometry(kind, recipes[kind]) == "points"
    needed = _NEEDED if points or not status.plan.zooms else (*_NEEDED, "visible_from")
    if missing := [name for name in needed if name not in columns]:
        return f"column {missing[0]} of its table layers.{layer.table} is gone"
    return ""


def _fit_fields(
    declared: Mapping[str, Field], columns: Mapping[str, str], changes: dict[str, str], where: str = "fields"
) -> dict[str, Field]:
    """The declared fields that are loaded, in the types in which they are."""
    fields: dict[str, Field] = {}
    for name, item in declared.items():
        inside = f"readings.fields.{name}" if item.latest else f"{where}.{name}"
        loaded = type_of_column(columns.get(name, ""), item.type)
        if loaded is None:
            changes.setdefault(inside, "it is not loaded")
        elif loaded != item.type or (item.filter == "range" and not FIELD_TYPES[loaded].has_range):
            if loaded != item.type and inside not in changes:
                changes.setdefault(f"{inside}.type", f"it was loaded as {loaded!r}")
            control = "none" if item.filter == "range" and not FIELD_TYPES[loaded].has_range else item.filter
            fields[name] = replace(item, type=loaded, filter=control)
        else:
            fields[name] = item
    return fields


def _is_time(item: Field) -> bool:
    return FIELD_TYPES[item.type].kind == "time"


def _fit_readings(layer: Layer, status: LayerStatus, changes: dict[str, str]) -> Readings | None:
    readings, loaded = layer.readings, status.loaded
    if readings is None or loaded is None:
        return readings
    if loaded.readings is None or "fid" not in loaded.readings:
        changes.setdefault("readings", "they are not loaded")
        return None
    fields = _fit_fields(readings.fields, loaded.readings, changes, "readings.fields")
    before = (loaded.declared or {}).get("readings") or {}
    times = [name for name in (readings.time, before.get("time")) if name in fields and _is_time(fields[name])]
    if not times:
        return None
    return (
        readings
        if (times[0], fields) == (readings.time, readings.fields)
        else replace(readings, time=times[0], fields=fields)
    )


def _find_time(layer: Layer, status: LayerStatus, fields: Mapping[str, Field]) -> str:
    """The time field by which the layer was loaded, for its points are packed by that; empty where it is hidden."""
    declared = status.loaded.declared if status.loaded else None
    time = str(declared.get("time", "")) if declared else layer.time
    return time if time in fields and _is_time(fields[time]) and not fields[time].restricted else ""


def _fit_live(layer: Layer, fields: Mapping[str, Field], changes: dict[str, str]) -> Live | None:
    """No row leaves by a field that is not there, or that is no time."""
    live = layer.live
    if live is None or live.expires is None or (live.field in fields and _is_time(fields[live.field])):
        return live
    changes.setdefault("live", f"no row expires, because field {live.field!r} is not loaded as a date or timestamp")
    return replace(live, expires=None)


def _fit_plan(
    layer: Layer, status: LayerStatus, fields: Mapping[str, Field], time: str, changes: dict[str, str]
) -> TilePlan:
    """The plan without the parts that can no longer be used: fields now hidden, tables now gone, types now changed."""
    plan, loaded = status.plan, status.loaded
    assert loaded is not None  # noqa: S101 - the caller has looked
    if plan.facet and (plan.facet not in fields or fields[plan.facet].restricted):
        plan = replace(plan, facet="", values=(), prebuilt=-1)
    before = (loaded.declared or {}).get("fields", {}).get(time, {})
    if time and before and before.get("type") != fields[time].type:
        plan = replace(plan, block=-1)
    if plan.block >= 0 and not loaded.packed:
        changes["tiles"] = f"table layers.{layer.table}__packed is gone, and they are made from the rows"
        plan = replace(plan, block=-1)
    if plan.prebuilt >= 0 and not loaded.ready:
        changes["tiles"] = f"table layers.{layer.table}__bins is gone, and none are kept ready"
        plan = replace(plan, prebuilt=-1)
    return plan
