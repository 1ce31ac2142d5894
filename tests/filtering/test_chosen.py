"""Which values of a field a filter leaves."""

from __future__ import annotations

import pytest

from geoserver.filtering import list_chosen
from geoserver.filtering.syntax import Call, Literal, Node, Property

FIELD = Property("category")
ONE = Call("=", (FIELD, Literal("burglary")))
TWO = Call("in", (FIELD, Literal("burglary"), Literal("theft")))
OTHER = Call("=", (Property("district"), Literal("Vrá")))


@pytest.mark.parametrize(
    ("tree", "values"),
    [
        (None, None),
        (ONE, {"burglary"}),
        (TWO, {"burglary", "theft"}),
        (OTHER, None),
        (Call("and", (OTHER, TWO)), {"burglary", "theft"}),
        (Call("and", (ONE, TWO)), {"burglary"}),
        (Call("or", (ONE, TWO)), {"burglary", "theft"}),
        (Call("or", (ONE, OTHER)), None),
        (Call("not", (ONE,)), None),
        (Call("<>", (FIELD, Literal("burglary"))), None),
    ],
)
def test_only_values_that_a_filter_names_are_left(tree: Node | None, values: set[str] | None) -> None:
    assert list_chosen(tree, "category") == values
