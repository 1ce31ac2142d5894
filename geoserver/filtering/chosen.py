"""Which values of a field a filter leaves, where it names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.filtering.syntax import Call, Literal, Property

if TYPE_CHECKING:
    from geoserver.filtering.syntax import Node

__all__ = ["list_chosen"]

type Value = str | int | float | bool


def list_chosen(tree: Node | None, field: str) -> frozenset[Value] | None:
    """The values that rows may have at most; None where the filter does not name them."""
    match tree:
        case Call("=", (Property(name), Literal(value))) if name == field:
            return frozenset([value])
        case Call("in", (Property(name), *items)) if name == field:
            return frozenset(item.value for item in items if isinstance(item, Literal))
        case Call("and", conditions):
            named = [found for each in conditions if (found := list_chosen(each, field)) is not None]
            return frozenset.intersection(*named) if named else None
        case Call("or", choices):
            either = [list_chosen(each, field) for each in choices]
            named = [found for found in either if found is not None]
            return frozenset[Value]().union(*named) if len(named) == len(either) else None
    return None
