"""Small extracts of OpenStreetMap, written by pyosmium, and what the importer makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import pyarrow as pa
import shapely
from osmium.osm import mutable

from geoserver.basemap.nodes import read_nodes
from geoserver.basemap.reading import read_most
from geoserver.basemap.streets import read_streets
from geoserver.basemap.survey import survey
from geoserver.basemap.writing import Writer

type Points = Iterable[tuple[float, float]]
type Tags = Mapping[str, str]


@dataclass
class Extract:
    """Things with ids given one after the other; nodes at the same place are one."""

    box: tuple[float, float, float, float] | None = (10.0, 50.0, 10.1, 50.1)
    nodes: dict[tuple[float, float], int] = field(default_factory=dict)
    things: list[tuple[str, Any]] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    _last: int = 0

    def node(self, place: tuple[float, float], /, **tags: str) -> int:
        number = self.nodes.setdefault(place, len(self.nodes) + 1)
        if tags:
            self.things.append(("node", (number, place, spell(tags))))
        return number

    def way(self, points: Points, /, *, without: Iterable[int] = (), **tags: str) -> int:
        """A line along the points; those numbered in `without` are not in the extract."""
        numbers = [self.node(point) for point in points]
        self.missing |= {numbers[index] for index in without}
        self._last += 1
        self.things.append(("way", (self._last, numbers, spell(tags))))
        return self._last

    def relation(self, ways: Iterable[int], /, **tags: str) -> None:
        self._last += 1
        members = [("w", way, "outer") for way in ways]
        self.things.append(("relation", (self._last, members, spell({"type": "multipolygon"} | tags))))

    def write(self, path: Path) -> Path:
        path.unlink(missing_ok=True)
        header = osmium.io.Header()
        if self.box:
            low, high = osmium.osm.Location(*self.box[:2]), osmium.osm.Location(*self.box[2:])
            header.add_box(osmium.osm.Box(low, high))
        tagged = {number: tags for kind, (number, _, tags) in self.things if kind == "node"}
        with osmium.SimpleWriter(str(path), header=header) as writer:
            for place, number in self.nodes.items():
                if number not in self.missing:
                    writer.add_node(mutable.Node(id=number, location=place, tags=tagged.get(number, {}), version=1))
            for kind, (number, parts, tags) in self.things:
                if kind == "way":
                    writer.add_way(mutable.Way(id=number, nodes=parts, tags=tags, version=1))
            for kind, (number, parts, tags) in self.things:
                if kind == "relation":
                    writer.add_relation(mutable.Relation(id=number, members=parts, tags=tags, version=1))
        return path


def spell(tags: Tags) -> dict[str, str]:
    """Keys as OpenStreetMap writes them: `name__fr` is name:fr."""
    return {key.replace("__", ":"): value for key, value in tags.items()}


def ring(west: float, south: float, east: float, north: float, *, clockwise: bool = False) -> list[tuple[float, float]]:
    points = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return points[::-1] if clockwise else points


@dataclass
class Result:
    """The rows of each layer, with geometries in EPSG:3857, and what was said."""

    rows: dict[str, list[dict[str, Any]]]
    notes: Counter[str]
    languages: tuple[str, ...]

    def is_land(self, lon: float, lat: float) -> bool:
        point = shapely.Point(*mercator(lon, lat))
        return any(row["geometry"].contains(point) for row in self.rows.get("land", []) if row["class"] == "ground")

    def said(self, words: str) -> int:
        return sum(count for note, count in self.notes.items() if words in note)


def mercator(lon: float, lat: float) -> tuple[float, float]:
    radius = 6378137.0
    return np.radians(lon) * radius, np.log(np.tan(np.pi / 4 + np.radians(lat) / 2)) * radius


def read(extract: Extract, folder: Path) -> Result:
    """Import it as the two child processes do, one half after the other."""
    return read_file(extract.write(folder / "extract.osm.pbf"))


def read_file(path: Path) -> Result:
    rows: dict[str, list[dict[str, Any]]] = {}

    def take(layer: str, batch: pa.RecordBatch) -> None:
        found = [row | {"geometry": shapely.from_wkb(row["geometry"])} for row in batch.to_pylist()]
        rows.setdefault(layer, []).extend(found)

    notes: Counter[str] = Counter()
    found = survey(path, lambda *_: None)
    writer = Writer(take, found.languages, notes, found.edge)
    placing = read_nodes(found, "flex_mem", lambda *_: None, writer, writer)
    ways = read_streets(found, writer, lambda *_: None, placing)
    read_most(found, writer, lambda *_: None, placing, lambda: ways)
    return Result(rows, +notes, found.languages)
