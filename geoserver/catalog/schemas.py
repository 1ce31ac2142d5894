"""Schemas of ready-made basemaps: a file in `styles/schemas/` says what of their tiles our styles draw as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic import Field as Key

from geoserver import assets
from geoserver.catalog.files import list_files
from geoserver.catalog.toml import read_toml
from geoserver.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

__all__ = ["FOLDER", "Part", "Schema", "find_schema", "read_schemas", "schema_folders"]

FOLDER = "schemas"
_DEEPEST = 20  # lists within lists


@dataclass(frozen=True, slots=True)
class Part:
    """What of one of its layers stands for one of ours: `fields` are ours, as values or expressions over its own.

    `types` are those of the style layers that it is drawn by (`fill`, `line`, `symbol`); all, when none is said.
    """

    layer: str
    filter: list[Any] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema of vector tiles; `layers` are those by which it is known, `draw` says what stands for our layers."""

    name: str
    title: str
    layers: tuple[str, ...]
    draw: Mapping[str, tuple[Part, ...]]
    attribution: str = ""
    names: str = "name:{lang}"  # fields that hold a name in another language
    land: bool = False  # whether there are areas of land; else all that is not water is land


def _check_value(value: object) -> object:
    """A value that a style may hold: MapLibre judges the rest."""
    if isinstance(value, str | bool | int | float) or _is_expression(value):
        return value
    raise ValueError(f"a text, a number, true, false or a MapLibre expression at most {_DEEPEST} levels deep")


def _check_expression(value: object) -> object:
    if value is None or _is_expression(value):
        return value
    raise ValueError(f"a MapLibre expression at most {_DEEPEST} levels deep")


def _is_expression(value: object) -> bool:
    if not isinstance(value, list) or len(value) < 2 or not isinstance(value[0], str):  # noqa: PLR2004 - [operator, argument]
        return False
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        level = [part for item in level if isinstance(item, list) for part in item]
        if any(not isinstance(part, str | bool | int | float | list) for part in level):
            return False
    return not level


Value = Annotated[Any, AfterValidator(_check_value)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _PartFile(_File):
    layer: str = Key(min_length=1)
    filter: Annotated[list[Any] | None, AfterValidator(_check_expression)] = None
    fields: dict[str, Value] = Key(default_factory=dict)
    types: list[Literal["fill", "line", "symbol", "circle"]] = Key(default_factory=list)


class _SchemaFile(_File):
    title: str = Key(min_length=1)
    layers: list[str] = Key(min_length=1)
    attribution: str = ""
    names: str = Key(default="name:{lang}", pattern=r"\{lang\}")
    land: bool = False
    draw: dict[str, list[_PartFile]]


def schema_folders(workspace: Path) -> list[Path]:
    """Where schemas lie: in the workspace's own styles, then in ours."""
    folders = [folder / FOLDER for folder in assets.roots("styles", workspace)]
    return [folder for folder in folders if folder.is_dir()]


def read_schemas(workspace: Path, problems: list[CatalogError]) -> dict[str, Schema]:
    """Schemas by the name of their file, the workspace's own first."""
    schemas: dict[str, Schema] = {}
    for folder in schema_folders(workspace):
        for path in list_files(folder, ".toml", problems):
            try:
                schemas.setdefault(path.stem, _read(path))
            except CatalogError as error:
                problems.append(error)
    return schemas


def find_schema(schemas: Iterable[Schema], found: Collection[str]) -> Schema | None:
    """The schema of an archive with layers of these names: the one of which it has most, where it has them all."""
    fitting = [schema for schema in schemas if set(schema.layers) <= set(found)]
    return max(fitting, key=lambda schema: len(schema.layers), default=None)


def _read(path: Path) -> Schema:
    try:
        parsed = _SchemaFile.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        expected = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"].lower()
        raise CatalogError(str(path), key, expected) from error
    draw = {
        name: tuple(Part(part.layer, part.filter, part.fields, tuple(part.types)) for part in parts)
        for name, parts in parsed.draw.items()
    }
    plain = parsed.model_dump(exclude={"draw", "layers"})
    return Schema(name=path.stem, layers=tuple(parsed.layers), draw=draw, **plain)
