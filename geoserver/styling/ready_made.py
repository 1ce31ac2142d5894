"""Our basemap styles over ready-made tiles: each of their layers is drawn from what stands for it in another schema.

A style layer that reads `streets` becomes one that reads, say, `roads`; `["get", "class"]` in it becomes an expression
over the fields that are there, as `styles/schemas/NAME.toml` says.
"""

from __future__ import annotations

import copy
import html
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoserver.catalog.schemas import Part, Schema, find_schema
from geoserver.styling.expressions import UnsupportedError, evaluate, fields_in, reads_zoom
from geoserver.tiling.sources.archive import ArchiveStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["ReadyMade", "find_ready_made", "list_fields", "list_layers", "redraw"]

_TAG = re.compile(r"<[^>]*>")
_NEAR = 18  # a zoom at which everything is drawn
_WORLD = 350  # degrees of longitude from which on tiles are of the whole world
Style = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """An archive that is drawn as the basemap."""

    layer: Layer
    status: ArchiveStatus
    schema: Schema

    @property
    def attribution(self) -> str:
        """As the layer file says, else the archive, else the schema; plain text."""
        said = self.status.archive.metadata.get("attribution")
        plain = html.unescape(_TAG.sub("", said)).strip() if isinstance(said, str) else ""
        return self.layer.attribution or plain or self.schema.attribution

    @property
    def zooms(self) -> tuple[int, int]:
        """Those that both the archive and the layer file have."""
        low, high = self.status.archive.zooms
        return max(self.layer.minzoom, low), min(self.layer.maxzoom, high)

    @property
    def is_world(self) -> bool:
        """Whether it shows the world from afar by itself."""
        bounds = self.status.archive.bounds
        return self.zooms[0] == 0 and bounds.east - bounds.west > _WORLD


def find_ready_made(catalog: Catalog, statuses: Mapping[str, LayerStatus]) -> ReadyMade | None:
    """The first archive of the basemap in a schema that we know; one whose file names the schema comes first."""
    layers = [layer for layer in catalog.layers.values() if layer.basemap and not layer.has_rows]
    for layer in sorted(layers, key=lambda layer: not layer.schema):
        status = statuses.get(layer.id)
        if not isinstance(status, ArchiveStatus):
            continue
        named = catalog.schemas.get(layer.schema)
        schemas = [named] if named and set(named.layers) <= set(list_layers(status)) else catalog.schemas.values()
        if schema := find_schema(schemas, list_layers(status)):
            return ReadyMade(layer, status, schema)
    return None


def list_layers(status: ArchiveStatus) -> list[str]:
    """Names of the layers in the archive's tiles."""
    return list(list_fields(status))


def list_fields(status: ArchiveStatus) -> dict[str, list[str]]:
    """Names of their fields, by layer."""
    return {item["id"]: list(item["fields"]) for item in status.archive.metadata["vector_layers"]}


def redraw(items: Sequence[Style], source: str, found: ReadyMade) -> list[Style]:
    """The layers of a style, those of `source` drawn from the archive; what has nothing to stand for it is left out.

    The first layer that stands for one keeps its id, by which anchors name it.
    """
    present = set(list_layers(found.status))
    redrawn = []
    for item in items:
        if item.get("source") != source:
            redrawn.append(item)
            continue
        parts = [part for part in found.schema.draw.get(item["source-layer"], ()) if part.layer in present]
        made = [made for part in parts if (made := _redraw(item, part)) is not None]
        for number, each in enumerate(made):
            each["id"] += f":{number + 1}" if number else ""
        redrawn += made
    return redrawn


def _redraw(item: Style, part: Part) -> Style | None:
    """The layer over one part; None when no feature of the part could pass its filter."""
    if (part.types and item["type"] not in part.types) or not _may_pass(item.get("filter"), part):
        return None
    made = copy.deepcopy(item) | {"source-layer": part.layer}
    made.pop("filter", None)
    conditions = [copy.deepcopy(part.filter)] if part.filter else []
    if "filter" in item and not _is_settled(item["filter"], part):
        conditions.append(_translate(item["filter"], part))
    if conditions:
        made["filter"] = conditions[0] if len(conditions) == 1 else ["all", *conditions]
    for group in ("paint", "layout"):
        if group in item:
            made[group] = {key: _translate(value, part) for key, value in item[group].items()}
    return made


def _translate(value: Any, part: Part) -> Any:
    """The value with our fields said in theirs; a field that they do not have is null."""
    if not isinstance(value, list):
        return value
    match value:
        case ["literal", *_]:
            return value
        case ["get", str(name)]:
            field = part.fields.get(name)
            # A bare value beside an operator would be read as the name of a field, as filters were written once.
            return copy.deepcopy(field) if isinstance(field, list) else ["literal", field]
        case ["has", str(name)]:
            field = part.fields.get(name)
            if isinstance(field, list):
                return ["has", field[1]] if field[0] == "get" else ["!=", copy.deepcopy(field), None]
            return field is not None
    return [_translate(item, part) for item in value]


def _may_pass(condition: Any, part: Part) -> bool:
    """Whether a feature of the part could pass a filter over our fields, as far as can be told."""
    match condition:
        case None:
            return True
        case ["all", *conditions]:
            return all(_may_pass(each, part) for each in conditions)
    choices = []
    names = sorted(fields_in(condition))
    for name in names:
        if (values := _outcomes(part.fields.get(name))) is None:
            return True
        choices.append(values)
    try:
        combined = (dict(zip(names, values, strict=True)) for values in itertools.product(*choices))
        return any(evaluate(condition, _drop_null(each), _NEAR) for each in combined)
    except UnsupportedError:
        return True


def _is_settled(condition: Any, part: Part) -> bool:
    """Whether a filter is passed by every feature of the part, at every zoom."""
    values = {name: part.fields.get(name) for name in fields_in(condition)}
    if reads_zoom(condition) or any(isinstance(value, list) for value in values.values()):
        return False
    try:
        return bool(evaluate(condition, _drop_null(values), _NEAR))
    except UnsupportedError:  # such as the type of a geometry
        return False


def _drop_null(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _outcomes(field: Any) -> list[Any] | None:
    """All values that a field may have; None when they cannot be listed."""
    if not isinstance(field, list):
        return [field]
    if field[0] not in ("match", "case"):
        return None
    found = []
    for part in _list_outputs(field):
        if (values := _outcomes(part)) is None:
            return None
        found += values
    return found


def _list_outputs(field: list[Any]) -> Iterator[Any]:
    start = 3 if field[0] == "match" else 2
    yield from field[start:-1:2]
    yield field[-1]
