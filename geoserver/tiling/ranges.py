"""Which tiles a change touches: ranges of tiles at one zoom, carried to every other zoom in whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Rect", "TileRange", "find_touched", "touched_rect", "touches"]

_BUFFER = 64  # parts of a tile of which there are `_EXTENT`: what is drawn beyond a tile's edge
_EXTENT = 4096
_FEW = 8  # rectangles up to which trying each is the quickest way


class TileRange(NamedTuple):
    """Columns `x0` to `x1` and rows `y0` to `y1` of zoom `z`, both ends included."""

    z: int
    x0: int
    y0: int
    x1: int
    y1: int


type Rect = tuple[int, int, int, int]  # x0, y0, x1, y1 of one zoom, both ends included


def touched_rect(changed: TileRange, zoom: int) -> Rect:
    """The tiles of a zoom whose square, widened by the buffer, meets what changed; x1 < x0 is impossible."""
    last = (1 << zoom) - 1
    x0, x1 = _touched_span(changed.x0, changed.x1, changed.z, zoom)
    y0, y1 = _touched_span(changed.y0, changed.y1, changed.z, zoom)
    return max(0, x0), max(0, y0), min(last, x1), min(last, y1)


def _touched_span(first: int, last: int, source: int, target: int) -> tuple[int, int]:
    """Tile n of the target meets [first, last + 1] of the source when n - b <= end and n + 1 + b >= start."""
    if target >= source:  # the buffer is less than a tile: one more on either side
        scale = 1 << (target - source)
        return first * scale - 1, (last + 1) * scale
    scale = 1 << (source - target)
    whole = _EXTENT * scale
    lowest = _EXTENT * first - (_EXTENT + _BUFFER) * scale
    highest = _EXTENT * (last + 1) + _BUFFER * scale
    return -(-lowest // whole), highest // whole


def touches(changed: Iterable[TileRange], z: int, x: int, y: int) -> bool:
    """Whether one tile is among those that the change touches."""
    for item in changed:
        x0, y0, x1, y1 = touched_rect(item, z)
        if x0 <= x <= x1 and y0 <= y <= y1:
            return True
    return False


def find_touched[T](places: dict[tuple[int, int], T], changed: Sequence[TileRange], zoom: int) -> list[T]:
    """The values at those places (column, row) of a zoom that the change touches.

    Goes through the touched tiles or through the places, whichever are fewer.
    """
    rects = {touched_rect(item, zoom) for item in changed}
    if sum((x1 - x0 + 1) * (y1 - y0 + 1) for x0, y0, x1, y1 in rects) <= len(places):
        wanted = {(x, y) for x0, y0, x1, y1 in rects for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}
        return [places[place] for place in wanted if place in places]
    if len(rects) <= _FEW:
        return [
            value
            for (x, y), value in places.items()
            if any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in rects)
        ]
    return _scan_by_column(places, rects)


def _scan_by_column[T](places: dict[tuple[int, int], T], rects: set[Rect]) -> list[T]:
    """For many rectangles: each place is compared with those of its own column only."""
    columns: dict[int, list[tuple[int, int]]] = {x: [] for x, _ in places}
    ordered = sorted(columns)
    for x0, y0, x1, y1 in rects:
        held = range(x0, x1 + 1) if x1 - x0 < len(ordered) else [x for x in ordered if x0 <= x <= x1]
        for x in held:
            if x in columns:
                columns[x].append((y0, y1))
    return [value for (x, y), value in places.items() if any(y0 <= y <= y1 for y0, y1 in columns[x])]
