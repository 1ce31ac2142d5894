"""The plan follows the question: from which zoom on all that a filter leaves is drawn as features."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from geoserver.tiling.held import Shapes
from geoserver.tiling.mvt import size_varints

if TYPE_CHECKING:
    from collections.abc import Callable

    from geoserver.model import Layer, TilePlan
    from geoserver.tiling.cells import Cells
    from geoserver.tiling.held import Points

__all__ = ["MOST_DRAWN", "ROOM", "lower_plan", "plan_cells", "plan_features"]

ROOM = 460_000  # bytes that the densest tile may take when it is planned
MOST_DRAWN = 20_000  # features that a tile within the budget could hold at the very most
_FRAME = 15  # bytes of a feature beside its id, tags and further vertices, with a first one, at most
_HEAVIER = 1.2  # by which a point may take more than one in the layer's fullest tile, as values repeat less
_VERTEX = 4  # bytes of each further vertex, which is rarely far from the one before
_TAG = 4  # bytes of a tag, at most


@functools.lru_cache(maxsize=512)
def lower_plan(plan: TilePlan, features_from: int, *, fits: bool = False) -> TilePlan:
    """The plan with features from an earlier zoom on; where they may not fit, too many are to be seen early."""
    if features_from >= plan.features_from:
        return plan
    crowd = 0 if fits else plan.crowd or MOST_DRAWN
    return replace(plan, features_from=features_from, zooms=plan.zooms[:features_from], crowd=crowd)


def plan_features(layer: Layer, plan: TilePlan, found: Points | Shapes) -> int:
    """The first zoom at which every tile of the layer can hold all of that as features; never after the layer's own."""
    return _bisect(layer.minzoom, plan.features_from, _Weigher(found).fits)


def plan_cells(layer: Layer, plan: TilePlan, cells: Cells) -> int:
    """The same for points of which only the places are known; each is taken to be as large as usual in the layer."""
    most = ROOM / (plan.weight * _HEAVIER)

    def fits(zoom: int) -> bool:
        if len(cells) <= most:
            return True
        if cells.densest(zoom) > most:
            return False
        _, counts = np.unique(cells.spread(zoom)[0], return_counts=True)
        return int(counts.max()) <= most

    return _bisect(layer.minzoom, plan.features_from, fits)


def _bisect(lowest: int, highest: int, fits: Callable[[int], bool]) -> int:
    """The first zoom of which it is true, as of all above it; 0 for the lowest, below which there are no tiles."""
    if highest == 0 or fits(lowest):
        return 0
    while highest - lowest > 1:
        middle = (lowest + highest) // 2
        if fits(middle):
            highest = middle
        else:
            lowest = middle
    return highest


class _Weigher:
    """How many bytes the tiles of a zoom take at most, of the features that they draw and the tables beside them."""

    def __init__(self, found: Points | Shapes) -> None:
        self._found = found
        self._own = _FRAME + size_varints(np.maximum(found.fid, 0).astype(np.uint64))
        self._values = np.zeros(len(found), dtype=np.int64)
        for column in found.columns:
            held = column.codes >= 0
            self._own = self._own + np.where(held, _TAG, 0)
            if len(column.lengths):
                self._values += np.where(held, column.lengths[np.maximum(column.codes, 0)], 0)

    def fits(self, zoom: int) -> bool:
        """Whether each tile of the zoom keeps within the room."""
        weight, shared, found = self._own, 0, self._found
        if isinstance(found, Shapes):
            weight = weight + _VERTEX * found.vertices_at(zoom)
        if int(weight.sum() + self._values.sum()) <= ROOM:
            return True
        tiles, places = found.spread(zoom)
        if isinstance(found, Shapes):
            shared = int((weight + self._values)[found.everywhere(zoom)].sum())
        _, number = np.unique(tiles, return_inverse=True)
        own = np.bincount(number, weights=weight[places], minlength=1) + shared
        if own.max() > ROOM:
            return False
        # Only tiles that would not fit with each value written out every time have their values looked through.
        full = own + np.bincount(number, weights=self._values[places], minlength=1)
        return all(
            own[tile] + self._weigh_values(places[number == tile]) <= ROOM
            for tile in np.flatnonzero(full > ROOM).tolist()
        )

    def _weigh_values(self, places: np.ndarray) -> int:
        """Bytes of the different values of these features."""
        size = 0
        for column in self._found.columns:
            used = np.unique(column.codes[places])
            size += int(column.lengths[used[used >= 0]].sum())
        return size
