"""A large extract of OpenStreetMap out of a small one, by repeating it side by side under new ids.

    python -m benchmarks.extract SMALL.osm.pbf LARGE.osm.pbf --megabytes 50

`python -m benchmarks basemap` compares the import of such a one with osm2pgsql's.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import osmium
from osmium.osm import mutable

_KINDS = {"n": 0, "w": 1, "r": 2}


class _Things:
    """What the small extract holds, with ids that begin at 1 and have no gaps; who is only named has one too."""

    def __init__(self, path: Path) -> None:
        self.ids: tuple[dict[int, int], dict[int, int], dict[int, int]] = ({}, {}, {})
        self.nodes: list[tuple[int, float, float, dict[str, str]]] = []
        self.ways: list[tuple[int, list[int], dict[str, str]]] = []
        self.relations: list[tuple[int, list[tuple[str, int, str]], dict[str, str]]] = []
        processor: Any = osmium.FileProcessor(str(path))
        for thing in processor:
            tags = dict(thing.tags)
            if thing.is_node():
                self.nodes.append((self._id(0, thing.id), thing.lon, thing.lat, tags))
            elif thing.is_way():
                self.ways.append((self._id(1, thing.id), [self._id(0, node.ref) for node in thing.nodes], tags))
            else:
                members = [(m.type, self._id(_KINDS[m.type], m.ref), m.role) for m in thing.members]
                self.relations.append((self._id(2, thing.id), members, tags))
        for things in (self.nodes, self.ways, self.relations):
            things.sort(key=lambda thing: thing[0])

    def _id(self, kind: int, old: int) -> int:
        return self.ids[kind].setdefault(old, len(self.ids[kind]) + 1)


def write_large(small: Path, large: Path, copies: int) -> None:
    """Write that many copies in rows of a square, sorted as extracts are: nodes, ways, relations, by their ids."""
    things = _Things(small)
    lons, lats = [node[1] for node in things.nodes], [node[2] for node in things.nodes]
    width, height = max(lons) - min(lons), max(lats) - min(lats)
    across = math.ceil(math.sqrt(copies))
    shifts = [(index % across * width, -(index // across) * height) for index in range(copies)]
    steps = [max(len(ids), 1) for ids in things.ids]
    header = osmium.io.Header()
    header.set("generator", "benchmarks.extract")
    low = osmium.osm.Location(min(lons), min(lats) + shifts[-1][1])
    header.add_box(osmium.osm.Box(low, osmium.osm.Location(max(lons) + (across - 1) * width, max(lats))))
    large.unlink(missing_ok=True)
    with osmium.SimpleWriter(str(large), header=header) as writer:
        for index, (x, y) in enumerate(shifts):
            for number, lon, lat, tags in things.nodes:
                place = (lon + x, lat + y)
                writer.add_node(mutable.Node(id=number + index * steps[0], location=place, tags=tags, version=1))
        for index in range(copies):
            for number, nodes, tags in things.ways:
                moved = [node + index * steps[0] for node in nodes]
                writer.add_way(mutable.Way(id=number + index * steps[1], nodes=moved, tags=tags, version=1))
        for index in range(copies):
            for number, members, tags in things.relations:
                of = [(kind, ref + index * steps[_KINDS[kind]], role) for kind, ref, role in members]
                writer.add_relation(mutable.Relation(id=number + index * steps[2], members=of, tags=tags, version=1))


def write_repeated(small: Path, large: Path, megabytes: float) -> int:
    """Write one of about that size; gives how many copies it holds."""
    write_large(small, large, 1)
    copies = max(1, round(megabytes * 1e6 / large.stat().st_size))
    write_large(small, large, copies)
    return copies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("small", type=Path)
    parser.add_argument("large", type=Path)
    parser.add_argument("--megabytes", type=float, default=50.0)
    asked = parser.parse_args()
    copies = write_repeated(asked.small, asked.large, asked.megabytes)
    print(f"{asked.large}: {copies} copies, {asked.large.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
