"""Bins that are kept counted: a tile's cells with how many points each holds, to which edits are added.

Beside the least and the greatest day stands how many points are of that day: only when the last of these is removed
does the next one have to be looked up.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoserver.tiling.cells import NO_DAY, SLOTS, Groups, Positions, count_groups, encode_groups

if TYPE_CHECKING:
    from geoserver.model import Layer, TilePlan

__all__ = ["Counted", "change", "count", "encode", "encode_fitting", "fit", "join", "parse_counted", "write_counted"]

_NEVER = np.iinfo(np.int32).max
_ROW = SLOTS + 5  # numbers of 4 bytes that each cell takes


class Counted(NamedTuple):
    """Cells of one tile by their place, `row * cells + column`, which ascends.

    `counts` is (cells, `SLOTS`); `first` and `last` are days since 1970, `NO_DAY` where no point has one; `firsts` and
    `lasts` say how many points have those.
    """

    place: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    last: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray

    def take(self, chosen: np.ndarray) -> Counted:
        """Some of the cells."""
        return Counted(*(part[chosen] for part in self))

    def weigh(self, places: np.ndarray) -> int:
        """How many points some of the cells hold."""
        return int(self.counts[np.isin(self.place, places)].sum()) if len(places) else 0


def count(points: Positions, cells: int) -> Counted:
    """Points by their position in a tile of so many cells across."""
    place = points.row * cells + points.column
    order = np.argsort(place, kind="stable")
    place, slot, day = place[order], points.slot[order], points.day[order]
    if not len(place):
        empty = np.zeros(0, dtype=np.int64)
        return Counted(empty, np.zeros((0, SLOTS), dtype=np.int64), empty, empty, empty, empty)
    groups = count_groups(place, slot, day)
    number = np.repeat(np.arange(len(groups.group)), np.diff(np.flatnonzero(_starts(place)), append=len(place)))
    dated = day != NO_DAY
    firsts, lasts = (
        np.bincount(number, weights=dated & (day == end[number]), minlength=len(groups.group)).astype(np.int64)
        for end in (groups.first, groups.last)
    )
    return Counted(groups.group, groups.counts, groups.first, groups.last, firsts, lasts)


def join(*parts: Counted) -> Counted:
    """The cells of one tile, counted from parts of its points."""
    whole = Counted(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    if not len(whole.place):
        return whole
    whole = whole.take(np.argsort(whole.place, kind="stable"))
    starts = np.flatnonzero(_starts(whole.place))
    sizes = np.diff(starts, append=len(whole.place))
    early = np.where(whole.first == NO_DAY, _NEVER, whole.first)
    first, last = np.minimum.reduceat(early, starts), np.maximum.reduceat(whole.last, starts)
    firsts = np.add.reduceat(np.where(early == np.repeat(first, sizes), whole.firsts, 0), starts)
    lasts = np.add.reduceat(np.where(whole.last == np.repeat(last, sizes), whole.lasts, 0), starts)
    return Counted(
        whole.place[starts],
        np.add.reduceat(whole.counts, starts),
        np.where(first == _NEVER, NO_DAY, first),
        last,
        firsts,
        lasts,
    )


def change(before: Counted, added: Positions, removed: Positions, cells: int) -> tuple[Counted, np.ndarray]:
    """The cells after points were added, and others removed that were there or among those.

    With the places of those whose least or greatest day is not known any more.
    """
    whole = _add(before, added, cells)
    if not len(removed.column):
        return whole, np.zeros(0, dtype=np.int64)
    known, at = _find(whole, removed.row * cells + removed.column)
    at, slot, day = at[known], removed.slot[known], removed.day[known]
    size = len(whole.place)
    counts = whole.counts - _count_slots(at, slot, size)
    firsts, lasts = (
        many - np.bincount(at[(day == end[at]) & (day != NO_DAY)], minlength=size)
        for many, end in ((whole.firsts, whole.first), (whole.lasts, whole.last))
    )
    left = counts.any(axis=1)
    lost = left & (whole.last != NO_DAY) & ((firsts <= 0) | (lasts <= 0))
    changed = Counted(whole.place, counts, whole.first, whole.last, firsts, lasts)
    return changed.take(left) if not left.all() else changed, whole.place[lost]


def _add(before: Counted, added: Positions, cells: int) -> Counted:
    """Most points lie in cells that are there, on days within theirs: there is no more to it than to count them."""
    known, at = _find(before, added.row * cells + added.column)
    plain = np.zeros(len(known), dtype=bool)
    day, at_known = added.day[known], at[known]
    plain[known] = (day == NO_DAY) | ((day > before.first[at_known]) & (day < before.last[at_known]))
    if plain.any():
        before = before._replace(counts=before.counts + _count_slots(at[plain], added.slot[plain], len(before.place)))
    if plain.all():
        return before
    return join(before, count(Positions(*(part[~plain] for part in added)), cells))


def _find(counted: Counted, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the places have a cell, and at which number."""
    if not len(counted.place):
        return np.zeros(len(places), dtype=bool), np.zeros(len(places), dtype=np.int64)
    at = np.minimum(np.searchsorted(counted.place, places), len(counted.place) - 1)
    return counted.place[at] == places, at


def _count_slots(at: np.ndarray, slot: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(at * SLOTS + slot, minlength=size * SLOTS).reshape(size, SLOTS)


def coarsen(counted: Counted, cells: int) -> Counted:
    """The same tile with half as many cells across."""
    row, column = np.divmod(counted.place, cells)
    return join(counted._replace(place=(row >> 1) * (cells >> 1) + (column >> 1)))


def fit(counted: Counted, cells: int, wanted: int) -> Counted:
    """The same tile with fewer cells across, as many as are `wanted`."""
    while cells > wanted:
        counted, cells = coarsen(counted, cells), cells >> 1
    return counted


def encode(layer: Layer, plan: TilePlan, counted: Counted, cells: int) -> bytes:
    """The tile's bins; `b""` for none."""
    return encode_groups(layer, plan, cells, Groups(*counted[:4])) if len(counted.place) else b""


def encode_fitting(
    layer: Layer, plan: TilePlan, counted: Counted, cells: int, budget: int, *, least: int = 1
) -> tuple[bytes, int]:
    """The tile in so many bytes, and how many cells across it then has: `cells`, half of it, ... down to `least`."""
    body = encode(layer, plan, counted, cells)
    while cells > least and len(body) > budget:
        counted, cells = coarsen(counted, cells), cells >> 1
        body = encode(layer, plan, counted, cells)
    return body, cells


def write_counted(counted: Counted) -> bytes:
    """As it is stored: numbers of 4 bytes, part by part, compressed."""
    parts = [np.ascontiguousarray(part, dtype="<i4").tobytes() for part in counted]
    return zlib.compress(b"".join(parts), 1)


def parse_counted(stored: bytes) -> Counted:
    """What `write_counted` made."""
    numbers = np.frombuffer(zlib.decompress(stored), dtype="<i4").astype(np.int64)
    many = len(numbers) // _ROW
    ends = np.cumsum([many, many * SLOTS, many, many, many])
    place, counts, *rest = np.split(numbers, ends)
    return Counted(place, counts.reshape(many, SLOTS), *rest)


def _starts(place: np.ndarray) -> np.ndarray:
    """Where another cell begins."""
    return np.concatenate([[True], place[1:] != place[:-1]])
