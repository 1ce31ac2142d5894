"""The nodes of an extract: house numbers and points with a name, and the positions that ways are drawn by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import osmium
from osmium.geom import WKBFactory

from geoserver.basemap.survey import EVERY, NO_TEXT, Survey, Tell, filter_things, iterate, iterate_file
from geoserver.basemap.tags import read_house_number, read_node

if TYPE_CHECKING:
    from geoserver.basemap.writing import Writer

__all__ = ["read_nodes"]

_NO_POSITION = "points without a position left out"
_WAY = b'<osm version="0.6"><way id="1"/></osm>'


def read_nodes(found: Survey, storage: str, tell: Tell, numbers: Writer, names: Writer) -> list[Any]:
    """House numbers for one writer, names for another; gives what places ways as they are iterated over.

    That is nothing where ways have positions of their own.
    """
    placing = [] if found.placed else [osmium.NodeLocationsForWays(osmium.index.create_map(storage))]
    for handler in placing:
        handler.ignore_errors()
    factory = WKBFactory()
    wanted = filter_things(("addr:housenumber", "name"), osmium.osm.NODE)
    for count, node in enumerate(iterate(found, osmium.osm.NODE, *placing, wanted)):
        if count % EVERY == 0:
            tell("reading", count)
        tags = node.tags
        try:
            number = read_house_number(tags)
            name = read_node(tags) if "name" in tags else None
            said = names.read_names(tags) if name else ()
        except UnicodeDecodeError:
            names.notes[NO_TEXT] += 1
            continue
        if not number and not name:
            continue
        try:
            shape = bytes.fromhex(factory.create_point(node))
        except (osmium.InvalidLocationError, RuntimeError):
            (numbers if number else names).notes[_NO_POSITION] += 1
            continue
        if number:
            numbers.add(number, shape, ())
        if name:
            names.add(name, shape, said)
    if placing:  # the first way makes it sort what it holds, which is to be done once
        list(iterate_file(osmium.io.FileBuffer(_WAY, "osm"), osmium.osm.WAY, placing))
    return placing
