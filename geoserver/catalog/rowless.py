"""What a layer file may say when its tiles do not come from rows: `kind = "tiles"` and `kind = "function"`."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from geoserver.errors import BadParameterError, CatalogError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.model import Parameter
from geoserver.parameters import parse_parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from geoserver.fieldtypes import Scalar
    from geoserver.model import Layer

__all__ = ["build_parameters", "check_keys", "check_rowless"]

_OF_ROWS = frozenset(
    {"source_layer", "crs", "swap_axes", "csv", "key", "time", "facet", "features_from", "label", "readings"}
)
_OF_FUNCTIONS = frozenset({"parameters", "bounds", "max_age"})
_TAKEN = frozenset({"filter", "bbox", "datetime"})  # parameters of every tile request
_FUNCTION = re.compile(r"[^.\0]{1,63}\.[^.\0]{1,63}")


def check_keys(path: Path, kind: str, given: Collection[str]) -> None:
    """Refuse keys that would mean nothing for a layer of this kind; raises CatalogError."""
    match kind:
        case "tiles":
            idle, why = (
                _OF_ROWS | _OF_FUNCTIONS | {"fields"},
                'no such key with kind = "tiles": the archive says it all',
            )
        case "function":
            idle, why = _OF_ROWS, 'no such key with kind = "function": it has no rows'
        case _:
            idle, why = _OF_FUNCTIONS, 'no such key without kind = "function"'
    for key in sorted(idle & set(given)):
        raise CatalogError(str(path), key, why)


def check_rowless(path: Path, layer: Layer) -> None:
    """What a layer without rows must keep to; raises CatalogError."""
    if layer.kind == "tiles" and not layer.source.lower().endswith(".pmtiles"):
        raise CatalogError(str(path), "source", f'a file *.pmtiles, because kind = "tiles"; got {layer.source!r}')
    if layer.kind not in ("tiles", "function") and layer.source.lower().endswith(".pmtiles"):
        raise CatalogError(str(path), "kind", f'"tiles", because the source is an archive of tiles; got {layer.kind!r}')
    if layer.schema and layer.kind != "tiles":
        raise CatalogError(
            str(path), "basemap", f"true or false; {layer.schema!r} would be the schema of an archive of tiles"
        )
    if layer.kind != "function":
        return
    if not _FUNCTION.fullmatch(layer.source):
        raise CatalogError(str(path), "source", f"a function as schema.name; got {layer.source!r}")
    for name, item in layer.fields.items():
        if item.restricted:
            expected = 'no such key with kind = "function": its tiles are handed on as they are'
            raise CatalogError(str(path), f"fields.{name}.restricted", expected)
        if item.filter != "none":
            raise CatalogError(str(path), f"fields.{name}.filter", "none: a function's tiles cannot be filtered")
    if (box := layer.bounds) and not (-180 <= box.west < box.east <= 180 and -90 <= box.south < box.north <= 90):  # noqa: PLR2004 - degrees
        raise CatalogError(str(path), "bounds", f"[west, south, east, north] in degrees; got {box.as_list()}")


def build_parameters(path: Path, declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Parameter]:
    """The tables `[parameters.NAME]`, each value of them proved against the type; raises CatalogError."""
    return {name: _build_parameter(path, name, item) for name, item in declared.items()}


def _build_parameter(path: Path, name: str, item: Mapping[str, Any]) -> Parameter:
    where = f"parameters.{name}"
    if name in _TAKEN:
        raise CatalogError(str(path), where, "another name: this one is a parameter of every tile request")
    kind = item["type"]
    if not FIELD_TYPES[kind].has_range:
        for key in ("minimum", "maximum"):
            if item[key] is not None:
                raise CatalogError(str(path), f"{where}.{key}", f"no such key for type {kind}")
    plain = Parameter(name, item["title"] or name.replace("_", " ").capitalize(), kind)
    low, high = (
        None if item[key] is None else _read(path, plain, f"{where}.{key}", item[key]) for key in ("minimum", "maximum")
    )
    choices = tuple(_read(path, plain, f"{where}.choices", choice) for choice in item["choices"])
    whole = Parameter(
        name,
        plain.title,
        kind,
        description=item["description"],
        unit=item["unit"],
        minimum=low,
        maximum=high,
        choices=choices,
    )
    return replace(whole, default=_read(path, whole, f"{where}.default", item["default"]))


def _read(path: Path, declared: Parameter, key: str, value: object) -> Scalar:
    """A value of the layer file, as a request would give it."""
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    kind = FIELD_TYPES[declared.type].kind
    fits = isinstance(value, bool) == (kind == "boolean") and (
        isinstance(value, date | datetime) or isinstance(value, str) == (kind in ("text", "time"))
    )
    if not fits:
        raise CatalogError(str(path), key, f"a value of type {declared.type}; got {text!r}")
    try:
        return parse_parameter(declared, text)
    except BadParameterError as error:
        raise CatalogError(str(path), key, f"{error.expected}; got {error.value!r}") from error
