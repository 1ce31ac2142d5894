"""Statements as text, for the kinds of tile that were asked for lately.

Putting one together takes longer than the query of a small tile, and only the tile's place differs within a zoom.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from geoserver.tiling.packed import place_values

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from geoserver.filtering import Where
    from geoserver.model import Tile, ZoomPlan
    from geoserver.tiling.bins import Subject
    from geoserver.tiling.compose import Statement

__all__ = ["find_texts"]

_LONG = 2_000  # characters of a filter whose statement is not worth to be kept
_MOST = 1024

type Text = tuple[bytes, dict[str, Any]]

_known: OrderedDict[tuple[Hashable, ...], tuple[Subject, list[Text]]] = OrderedDict()


def find_texts(
    build: Callable[[Subject, Tile, ZoomPlan | None, Where], list[Statement]],
    subject: Subject,
    tile: Tile,
    step: ZoomPlan | None,
    where: Where,
) -> list[Text]:
    """What `build` gives for this tile: statements as text, each with its values."""
    # An entry holds on to what its key names by identity, so no other object can have that identity meanwhile.
    own = (id(subject.recipes), id(subject.layer), id(subject.plan), subject.geometry_type, subject.few)
    key = (build, *own, tile.z, step, where.canonical)
    if (known := _known.get(key)) is None:
        known = subject, [(statement.as_bytes(None), values) for statement, values in build(subject, tile, step, where)]
        if len(where.canonical) < _LONG:
            _known[key] = known
            if len(_known) > _MOST:
                _known.popitem(last=False)
    else:
        _known.move_to_end(key)
    place = place_values(subject.plan, tile)
    return [(text, values | {name: place[name] for name in place if name in values}) for text, values in known[1]]
