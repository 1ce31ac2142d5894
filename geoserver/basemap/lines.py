"""Ways as lines: broken where the extract ends, and those that are the same and meet joined to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import osmium
import shapely
from osmium.geom import WKBFactory

from geoserver.basemap.shapes import Shape, as_line, read_line_positions, read_shapes
from geoserver.basemap.tags import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.basemap.writing import Names, Writer

__all__ = ["Lines"]

_JOINED = ("streets", "railways", "tracks")
_MAIN = ("motorway", "primary")


@dataclass(slots=True)
class Lines:
    """Takes ways, and keeps those that are joined at the end."""

    writer: Writer
    ways: int = 0
    lost: int = 0  # of them, without any of their nodes
    roads: dict[tuple[str, str], list[Shape]] = field(default_factory=dict)
    alike: dict[tuple[Row, Names], list[Shape]] = field(default_factory=dict)
    _factory: Any = field(default_factory=WKBFactory)

    def read_shape(self, way: Any) -> bytes | None:
        """The line of a way; None where nodes are missing, or too few."""
        try:
            return bytes.fromhex(self._factory.create_linestring(way))
        except (osmium.InvalidLocationError, RuntimeError):
            return None

    def take(self, way: Any, rows: list[Row], names: Names) -> None:
        """A way that is nothing but lines."""
        shape = self.read_shape(way)
        if shape is None:
            self.take_cut(way, rows, names)
            return
        for row in rows:
            self.add(row, shape, names)

    def add(self, row: Row, shape: Shape, names: Names) -> None:
        """One row."""
        if row.layer not in _JOINED:
            self.writer.add(row, shape, names)
            return
        self.alike.setdefault((row, names), []).append(shape)
        if row.layer == "streets" and row.values[0] in _MAIN and (refs := row.values[1]):
            ref = refs.split(";")[0].strip()
            if 0 < len(ref) <= 12:  # noqa: PLR2004 - as much as fits on a shield
                self.roads.setdefault((row.values[0], ref), []).append(shape)

    def take_cut(self, way: Any, rows: list[Row], names: Names) -> list[np.ndarray]:
        """A way some of whose nodes are not in the extract: lines end where it ends. Gives what is there of it."""
        runs, placed, missing = _find_runs(way)
        if not runs:
            self.lost += missing and not placed
            what = (
                "ways without a single stretch inside the extract" if missing else "lines of fewer than two positions"
            )
            self.writer.notes[f"{what} left out"] += 1
        elif rows:
            self.writer.notes["lines that end where the extract does"] += 1
        for run in runs:
            line = as_line(run)
            for row in rows:
                self.add(row, line, names)
        return runs

    def read_runs(self, way: Any) -> list[np.ndarray]:
        """Its positions in degrees, broken where nodes are missing; a run has two positions at least."""
        if (shape := self.read_shape(way)) is not None:
            return [read_line_positions(shape)]
        return _find_runs(way)[0]

    def join(self) -> None:
        """Make one of main streets and railways that are the same and meet: few and long ones are seen from afar."""
        for (kind, ref), shapes in self.roads.items():
            for line in _merge(shapes):
                self.writer.add(Row("road-numbers", (kind, ref)), line, ())
        for (row, names), shapes in self.alike.items():
            for line in _merge(shapes):
                self.writer.add(row, line, names)
        self.roads.clear()
        self.alike.clear()


def _find_runs(way: Any) -> tuple[list[np.ndarray], bool, bool]:
    """Stretches of a way that are in the extract; whether any of its nodes is there, and whether any is missing."""
    runs: list[list[tuple[float, float]]] = [[]]
    placed = False
    for node in way.nodes:
        place = node.location
        if not place.valid():
            runs.append([])
            continue
        placed = True
        at = (place.lon, place.lat)
        if not runs[-1] or at != runs[-1][-1]:
            runs[-1].append(at)
    return [np.array(run) for run in runs if len(run) > 1], placed, len(runs) > 1


def _merge(lines: list[Shape]) -> Sequence[shapely.Geometry]:
    """Lines that meet as one."""
    parts: Sequence[shapely.Geometry] = shapely.get_parts(
        shapely.line_merge(shapely.multilinestrings(read_shapes(lines)))
    )
    return parts
