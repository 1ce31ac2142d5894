"""`access.toml`, beside `layers/`: which groups of people who sign in may do what with which layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, ValidationError
from pydantic import Field as Key

from geoserver.catalog.names import near
from geoserver.catalog.toml import Part, explain, read_toml
from geoserver.errors import CatalogError
from geoserver.model import ANY, Grant, Layer, May

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from geoserver.settings import Settings

__all__ = ["LONGEST_ROWS", "check_access", "find_access", "name_grant", "read_access"]

NAME = "access.toml"
_PAGE = "docs/access.md"
LONGEST_ROWS = 8_000  # characters of a row filter

type Groups = Mapping[str, tuple[Grant, ...]]


def _check_rows(value: str) -> str:
    """An empty filter may be one that got lost; all rows are for who has no such key."""
    if not value.strip():
        raise ValueError("a filter in CQL2, or no such key for all rows")
    return value


class _GrantFile(Part):
    layers: Annotated[list[str], Key(min_length=1)]
    may: list[May] = Key(default=["read"], min_length=1)
    rows: Annotated[str, Key(max_length=LONGEST_ROWS), AfterValidator(_check_rows)] = ""
    fields: list[str] = Key(default_factory=list)


class _AccessFile(Part):
    groups: dict[str, list[_GrantFile]] = Key(default_factory=dict)


def find_access(settings: Settings) -> Path | None:
    """The workspace's own file; the sample city has none."""
    path = settings.workspace / NAME
    return path if path.exists() else None


def read_access(path: Path) -> Groups:
    """Grants by the name of the group; raises CatalogError. A file with a fault grants nothing at all."""
    document = read_toml(path)
    if isinstance(groups := document.get("groups"), dict):
        document = document | {"groups": {name: _as_list(given) for name, given in groups.items()}}
    try:
        parsed = _AccessFile.model_validate(document)
    except ValidationError as error:
        raise explain(path, error, lambda places: _GrantFile if places else _AccessFile, _PAGE) from error
    return {name: tuple(_build_grant(item) for item in items) for name, items in parsed.groups.items()}


def check_access(
    path: Path, groups: Groups, layers: Mapping[str, Layer], broken: Callable[[str], bool]
) -> list[CatalogError]:
    """Layers and fields that the file names and that there are none of; what is broken itself is told there."""
    return [
        CatalogError(str(path), f"{name_grant(groups, group, at)}.{key}", expected)
        for group, grants in groups.items()
        for at, grant in enumerate(grants)
        for key, expected in _find_faults(grant, layers, broken)
    ]


def name_grant(groups: Groups, group: str, at: int) -> str:
    """Where a grant stands in the file."""
    return f"groups.{group}" + (f".{at}" if len(groups[group]) > 1 else "")


def _as_list(given: Any) -> Any:
    """`[groups.NAME]` for one grant, `[[groups.NAME]]` for several."""
    return [given] if isinstance(given, dict) else given


def _build_grant(item: _GrantFile) -> Grant:
    return Grant(frozenset(item.layers), frozenset(item.may), item.rows.strip(), frozenset(item.fields))


def _find_faults(grant: Grant, layers: Mapping[str, Layer], broken: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    for name in sorted(grant.layers - {ANY} - layers.keys()):
        if not broken(name):
            yield "layers", f'ids of layers, or "*" for all; got {name!r}{near(name, list(layers))}'
    covered = [layer for layer in layers.values() if grant.covers(layer.id)]
    if any(broken(name) for name in grant.layers - layers.keys()):
        return  # one of them may have the fields
    restricted = sorted({item.name for layer in covered for item in layer.fields.values() if item.restricted})
    for name in sorted(grant.fields - {ANY} - set(restricted)):
        known = f": {', '.join(restricted)}" if restricted else ", of which these layers have none"
        yield "fields", f"restricted fields of its layers{known}; got {name!r}{near(name, restricted)}"
    for layer in covered:
        if grant.rows and not layer.has_rows and layer.id in grant.layers:
            yield "rows", f"nothing for {layer.id}, whose tiles are not made of rows; give it a grant of its own"
