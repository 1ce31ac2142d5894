"""The half of an extract's ways that is the most and the simplest: streets as lines.

It is read beside the other half (`reading`), which has all that areas and the coast are made of. A thing is of one half
alone, and each layer but that of house numbers is, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import osmium

from geoserver.basemap.lines import Lines
from geoserver.basemap.survey import EVERY, NO_TEXT, Survey, Tell, filter_things, iterate
from geoserver.basemap.tags import Tags, read_street

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.basemap.writing import Writer

__all__ = ["LAYERS", "Ways", "is_line", "read_streets"]

LAYERS = ("streets", "side-streets", "paths", "road-numbers", "house-numbers")


@dataclass(frozen=True, slots=True)
class Ways:
    """How many have been read, and how many of them without any of their nodes."""

    read: int
    lost: int


def is_line(way: Any, tags: Tags) -> bool:
    """Whether a street is a line and nothing else."""
    area = tags.get("area")
    return area == "no" or (area != "yes" and "building" not in tags) or not way.is_closed()


def read_streets(found: Survey, writer: Writer, tell: Tell, placing: Sequence[Any]) -> Ways:
    """All of it, in one go."""
    lines = Lines(writer)
    ways = iterate(found, osmium.osm.WAY, *placing, filter_things(("highway",), osmium.osm.WAY))
    for number, way in enumerate(ways):
        if number % EVERY == 0:
            tell("reading", number)
        tags = way.tags
        try:
            if (street := read_street(tags, tags["highway"])) and is_line(way, tags):
                lines.ways += 1
                lines.take(way, [street], writer.read_names(tags))
        except UnicodeDecodeError:
            writer.notes[NO_TEXT] += 1
    lines.join()
    writer.flush()
    return Ways(lines.ways, lines.lost)
