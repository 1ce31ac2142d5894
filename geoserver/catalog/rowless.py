"""What a layer file may say when its tiles do not come from rows: each kind in `tiling/sources/` brings its rules."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from geoserver.errors import BadParameterError, CatalogError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.model import Parameter
from geoserver.parameters import parse_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path
    from types import ModuleType

    from geoserver.fieldtypes import Scalar
    from geoserver.model import Layer

__all__ = [
    "OF_FUNCTIONS",
    "OF_ROWS",
    "Rules",
    "build_parameters",
    "check_keys",
    "check_rowless",
    "find_rules",
    "read_kinds",
]

OF_ROWS = frozenset(
    {"source_layer", "crs", "swap_axes", "csv", "key", "time", "facet", "features_from", "label", "readings", "live"}
)
OF_FUNCTIONS = frozenset({"parameters", "bounds", "max_age"})
_TAKEN = frozenset({"filter", "bbox", "datetime"})  # parameters of every tile request
_FOLDER = "geoserver.tiling.sources"


def _accept(path: Path, layer: Layer) -> None:
    """Nothing else is asked of the layer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the layer file of such a kind may say."""

    idle: frozenset[str]  # keys that would mean nothing, because:
    why: str
    what: str = ""  # its source is, where that is a file
    endings: tuple[str, ...] = ()  # of the file that `source` must name; none where it names something else
    schemas: bool = False  # it may be the basemap, in a schema of styles/schemas/
    knows_zooms: bool = False  # where the file does not say `maxzoom`, the source does
    check: Callable[[Path, Layer], None] = _accept  # what else is asked of the layer; raises CatalogError


@cache
def read_kinds() -> dict[str, ModuleType]:
    """Modules in `tiling/sources/` that name a kind of layer without rows, by that word: `KIND`, `RULES`, `SOURCE`.

    They are found by their place, as plug-ins are, when the first layer file is read: what is here knows only their
    rules, so that a new kind is one file there.
    """
    folder = importlib.import_module(_FOLDER)
    modules = [importlib.import_module(f"{_FOLDER}.{item.name}") for item in pkgutil.iter_modules(folder.__path__)]
    return {module.KIND: module for module in modules if hasattr(module, "KIND")}


def find_rules(kind: str) -> Rules | None:
    """The rules of a kind without rows; None for every other word, which is the name of a recipe."""
    module = read_kinds().get(kind)
    rules: Rules | None = module.RULES if module else None
    return rules


def check_keys(path: Path, kind: str, given: Collection[str]) -> None:
    """Refuse keys that would mean nothing for a layer of this kind; raises CatalogError."""
    if rules := find_rules(kind):
        idle, why = rules.idle, f'no such key with kind = "{kind}": {rules.why}'
    else:
        idle, why = OF_FUNCTIONS, 'no such key without kind = "function"'
    for key in sorted(idle & set(given)):
        raise CatalogError(str(path), key, why)


def check_rowless(path: Path, layer: Layer) -> None:
    """What a layer must keep to because its tiles come from rows, or because they do not; raises CatalogError."""
    rules, source = find_rules(layer.kind), layer.source.lower()
    if rules and rules.endings and not source.endswith(rules.endings):
        files = " or ".join(f"*{ending}" for ending in rules.endings)
        raise CatalogError(str(path), "source", f'a file {files}, because kind = "{layer.kind}"; got {layer.source!r}')
    for word, module in read_kinds().items():
        if rules is None and module.RULES.endings and source.endswith(module.RULES.endings):
            raise CatalogError(
                str(path), "kind", f'"{word}", because the source is {module.RULES.what}; got {layer.kind!r}'
            )
    if layer.schema and not (rules and rules.schemas):
        raise CatalogError(
            str(path), "basemap", f"true or false; {layer.schema!r} would be the schema of an archive of tiles"
        )
    if rules:
        for name in (name for name, item in layer.fields.items() if item.restricted):
            expected = f'no such key with kind = "{layer.kind}": its tiles are handed on as they are'
            raise CatalogError(str(path), f"fields.{name}.restricted", expected)
        rules.check(path, layer)


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
