"""Positions of a source that has latitude, or northing, first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from geoserver.sources.nesting import read_wkb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.sources.base import Batch, Opened

__all__ = ["swap_axes"]


def swap_axes(opened: Opened) -> Opened:
    """The same source with x and y exchanged."""
    return replace(opened, batches=_swap(opened.batches))


def _swap(batches: Iterator[Batch]) -> Iterator[Batch]:
    for batch in batches:
        if batch.points is not None:
            batch.points = batch.points[::-1]
        if batch.wkb is not None:
            shapes, bad = read_wkb(batch.wkb.to_pylist())
            batch.unreadable = bad if batch.unreadable is None else batch.unreadable | bad
            shapes = shapely.transform(shapely.force_2d(shapes), lambda xy: np.ascontiguousarray(xy[:, ::-1]))
            batch.wkb = pa.array(shapely.to_wkb(shapes), pa.binary())
        yield batch
