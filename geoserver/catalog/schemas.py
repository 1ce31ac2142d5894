"""Schemas of ready-made basemaps: a file in `styles/schemas/` says what of their tiles our styles draw as what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Key

from geoserver import assets
from geoserver.catalog.files import list_files, read_text
from geoserver.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

__all__ = ["FOLDER", "Part", "Schema", "find_schema", "read_schemas", "schema_folders"]

FOLDER = "schemas"


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


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _PartFile(_File):
    layer: str = Key(min_length=1)
    filter: list[Any] | None = None
    fields: dict[str, Any] = Key(default_factory=dict)
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
        parsed = _SchemaFile.model_validate(tomllib.loads(read_text(path)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise CatalogError(str(path), key, first["msg"].lower()) from error
    except (ValueError, RecursionError) as error:
        raise CatalogError(str(path), "", f"valid TOML: {error}") from error
    draw = {
        name: tuple(Part(part.layer, part.filter, part.fields, tuple(part.types)) for part in parts)
        for name, parts in parsed.draw.items()
    }
    plain = parsed.model_dump(exclude={"draw", "layers"})
    return Schema(name=path.stem, layers=tuple(parsed.layers), draw=draw, **plain)
