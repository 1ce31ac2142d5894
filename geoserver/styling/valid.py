"""Proof that an expression is one of the MapLibre style specification: known operators, as many arguments as they take.

Which operators there are, and how many arguments each takes, is as `v8.json` of @maplibre/maplibre-gl-style-spec says.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from geoserver.catalog.names import near

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OPERATORS", "find_faults"]

type Counts = tuple[int, int | None, int]
"""Fewest arguments, most of them (None: any number), and how many come at a time from the fewest on."""


def _spread(counts: Counts, names: str) -> dict[str, Counts]:
    return dict.fromkeys(names.split(), counts)


OPERATORS: dict[str, Counts] = {
    **_spread(
        (0, 0, 1), "accumulated e elevation geometry-type heatmap-density id line-progress ln2 pi properties zoom"
    ),
    **_spread(
        (1, 1, 1),
        "! abs acos asin atan ceil collator cos distance downcase feature-state floor global-state image"
        " is-supported-script length literal ln log10 log2 resolved-locale round semiliteral sin sqrt tan to-boolean"
        " to-rgba to-string typeof upcase var within",
    ),
    **_spread((1, 2, 1), "- get has"),
    **_spread((1, 3, 1), "array"),
    **_spread(
        (1, None, 1),
        "* + all any boolean coalesce concat format max min number object string to-color to-number",
    ),
    **_spread((2, 2, 1), "% / ^ at in join number-format split"),
    **_spread((2, 3, 1), "!= < <= == > >= index-of slice"),
    **_spread((3, 3, 1), "rgb"),
    **_spread((4, 4, 1), "rgba"),
    **_spread((3, None, 2), "case let"),
    **_spread((4, None, 2), "interpolate interpolate-hcl interpolate-lab match step"),
}
_INTERPOLATIONS = {"linear": 1, "exponential": 2, "cubic-bezier": 5}  # how long they are


def find_faults(value: Any) -> Iterator[str]:
    """What was expected, for every part of a value that is no expression; nothing for one that is."""
    if not isinstance(value, list):
        return
    if not value or not isinstance(value[0], str) or value[0] not in OPERATORS:
        shown = value[0] if value else value
        yield f"an operator of MapLibre's expressions; got {shown!r}{near(str(shown), list(OPERATORS))}"
        return
    name, arguments = value[0], value[1:]
    fewest, most, step = OPERATORS[name]
    count = len(arguments)
    if count < fewest or (most is not None and count > most) or (count - fewest) % step:
        some = (
            f"{fewest} arguments" if most == fewest else f"at least {fewest}" if most is None else f"{fewest} to {most}"
        )
        pairs = ", and more in pairs" if step > 1 else ""
        yield f"{some}{pairs} behind {name!r}; got {count}"
        return
    yield from _find_in(name, arguments)


def _find_in(name: str, arguments: list[Any]) -> Iterator[str]:
    """Faults in the arguments, which mean something else with each operator."""
    if name in ("literal", "semiliteral", "collator", "within", "distance"):
        return
    if name in ("get", "has") and not isinstance(arguments[0], str | list):
        yield f"the name of a field behind {name!r}; got {arguments[0]!r}"
        return
    if name == "match":
        yield from _find_in_labels(arguments[1:-1:2])
        arguments = [arguments[0], *arguments[2:-1:2], arguments[-1]]
    elif name == "step":
        yield from _find_in_stops(name, arguments[2::2])
        arguments = [arguments[0], arguments[1], *arguments[3::2]]
    elif name.startswith("interpolate"):
        kind = arguments[0]
        if not isinstance(kind, list) or not kind or _INTERPOLATIONS.get(str(kind[0])) != len(kind):
            yield f"one of {', '.join(_INTERPOLATIONS)} behind {name!r}, in a list with its numbers; got {kind!r}"
        yield from _find_in_stops(name, arguments[2::2])
        arguments = [arguments[1], *arguments[3::2]]
    for argument in arguments:
        yield from find_faults(argument)


def _find_in_labels(labels: list[Any]) -> Iterator[str]:
    """Labels of `match` are texts or whole numbers, each of them once, and all of one kind."""
    each = [label for group in labels for label in (group if isinstance(group, list) else [group])]
    if not each or not all(isinstance(label, str) or _is_whole(label) for label in each):
        yield f"texts or whole numbers as labels of 'match'; got {labels!r}"
    elif len({isinstance(label, str) for label in each}) > 1:
        yield f"labels of 'match' that are all texts or all numbers; got {each!r}"
    elif twice := sorted({str(label) for label in each if each.count(label) > 1}):
        yield f"each label of 'match' once; got {', '.join(twice)} more often"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)


def _find_in_stops(name: str, stops: list[Any]) -> Iterator[str]:
    numbers = all(isinstance(stop, int | float) and not isinstance(stop, bool) for stop in stops)
    if not numbers or any(one >= other for one, other in pairwise(stops)):
        yield f"numbers that rise as stops of {name!r}; got {stops!r}"
