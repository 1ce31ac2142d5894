"""The half of an extract that is the most things and the simplest: streets as lines, and numbers of houses.

It is read beside the other half (`reading`), which has all that areas, names of places and the coast are made of. A
thing is of one half alone, and each layer but that of house numbers is, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import osmium
from osmium.filter import KeyFilter
from osmium.geom import WKBFactory

from geoserver.basemap.lines import Lines
from geoserver.basemap.survey import EVERY, NO_POSITION, NO_TEXT, UNSORTED, Survey, Tell, create_index, iterate
from geoserver.basemap.tags import Tags, read_house_number, read_street

if TYPE_CHECKING:
    from geoserver.basemap.writing import Writer

__all__ = ["LAYERS", "Ways", "filter_things", "is_line", "read_streets"]

LAYERS = ("streets", "side-streets", "paths", "road-numbers", "house-numbers")


@dataclass(frozen=True, slots=True)
class Ways:
    """How many have been read, and how many of them without any of their nodes."""

    read: int
    lost: int


def filter_things(keys: tuple[str, ...], kind: Any) -> KeyFilter:
    """Leaves of things of one kind those with one of the keys."""
    wanted = KeyFilter(*keys)
    wanted.enable_for(kind)
    return wanted


def is_line(way: Any, tags: Tags) -> bool:
    """Whether a street is a line and nothing else."""
    area = tags.get("area")
    return area == "no" or (area != "yes" and "building" not in tags) or not way.is_closed()


def read_streets(found: Survey, writer: Writer, tell: Tell, storage: str) -> Ways:
    """All of it, in one go."""
    lines, factory = Lines(writer), WKBFactory()
    kinds = osmium.osm.NODE | osmium.osm.WAY
    filters = filter_things(("addr:housenumber",), osmium.osm.NODE), filter_things(("highway",), osmium.osm.WAY)
    things = iterate(found, kinds, *filters, locations=create_index(found, storage))
    for number, thing in enumerate(things):
        if number % EVERY == 0:
            tell("reading", number)
        tags = thing.tags
        if thing.is_node() and lines.ways:
            raise ValueError(UNSORTED)
        try:
            if thing.is_way():
                if (street := read_street(tags, tags["highway"])) and is_line(thing, tags):
                    lines.ways += 1
                    lines.take(thing, [street], writer.read_names(tags))
            elif row := read_house_number(tags):
                writer.add(row, factory.create_point(thing), ())
        except UnicodeDecodeError:
            writer.notes[NO_TEXT] += 1
        except (osmium.InvalidLocationError, RuntimeError):  # of a point; lines say it themselves
            writer.notes[NO_POSITION] += 1
    lines.join()
    writer.flush()
    return Ways(lines.ways, lines.lost)
