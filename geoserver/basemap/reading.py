"""An extract (.osm.pbf), read by osmium in three goes: nodes, ways that are drawn, and those relations are made of.

Streets are the other half of its ways, which `streets` reads at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import osmium
import shapely
from osmium.filter import IdFilter, TagFilter

from geoserver.basemap.coast import Run, assemble, cut_at_antimeridian
from geoserver.basemap.lines import Lines
from geoserver.basemap.rings import Cut, build_area
from geoserver.basemap.shapes import as_polygon, subdivide
from geoserver.basemap.streets import Ways, is_line
from geoserver.basemap.survey import EVERY, NO_TEXT, Box, Survey, Tell, filter_things, iterate, iterate_parts
from geoserver.basemap.tags import KEYS, Row, Tags, parse_level, read_area, read_line, read_street

if TYPE_CHECKING:
    from geoserver.basemap.writing import Names, Writer

__all__ = ["read_most"]

_HIGHEST_BORDER, _LOWEST_BORDER = 2, 10  # a country's, a quarter's
_BORDERS = {2: "country", 3: "state", 4: "state", 5: "district", 6: "district", 7: "municipality", 8: "municipality"}
_OF_AREAS = (("type", "multipolygon"), ("boundary", "administrative"))
_ANTIMERIDIAN, _NORTHMOST = 180.0, 85.0
_FRAME, _LEAST_FRAME = 6, 3.0  # around the extract: times its size, degrees
_TOO_WIDE, _NOT_WIDE = 30, 4.0  # times the area of what is in it, square degrees: the box is of something else
_MOST_CORNERS = 8_000


type Others = Callable[[], Ways]
"""Waits for the other half, of which the writer has seen all then."""


def read_most(found: Survey, writer: Writer, tell: Tell, placing: list[Any], others: Others) -> None:
    """All ways but streets, and relations; and then what has to know of both halves."""
    extract = _Extract(found, writer, tell, placing)
    extract.read_things()
    extract.read_members()
    placing.clear()  # much memory
    extract.lines.join()
    writer.flush()
    extract.check(others())
    extract.finish(_choose_boxes(found.box, writer.seen))
    writer.flush()


def _choose_boxes(header: Box | None, seen: tuple[Box | None, Box | None]) -> list[Box]:
    """The header's box, where it is one of what was read; else the box around houses, streets and places.

    `seen` is that box west and east of Greenwich. Where the two are nearer to each other over the antimeridian, there
    are two boxes that end at it.
    """
    west, east = seen
    if header and header[0] > header[2]:
        return [(header[0], header[1], _ANTIMERIDIAN, header[3]), (-_ANTIMERIDIAN, header[1], header[2], header[3])]
    if west and east and east[0] - west[2] > _ANTIMERIDIAN:
        return [(east[0], east[1], _ANTIMERIDIAN, east[3]), (-_ANTIMERIDIAN, west[1], west[2], west[3])]
    halves = [half for half in seen if half]
    if not halves:
        return [header] if header else []
    data = (min(h[0] for h in halves), min(h[1] for h in halves), max(h[2] for h in halves), max(h[3] for h in halves))
    if header:
        meets = header[0] <= data[2] and data[0] <= header[2] and header[1] <= data[3] and data[1] <= header[3]
        size = (header[2] - header[0]) * (header[3] - header[1])
        if meets and size <= max(_TOO_WIDE * (data[2] - data[0]) * (data[3] - data[1]), _NOT_WIDE):
            return [header]
    return [data] if data[0] < data[2] and data[1] < data[3] else [header] if header else []


@dataclass(slots=True)
class _Extract:
    """What is collected while things go by."""

    found: Survey
    writer: Writer
    tell: Tell
    placing: list[Any]
    coasts: list[Run] = field(default_factory=list)
    open_areas: list[tuple[Names, list[Row], list[np.ndarray]]] = field(default_factory=list)
    relations: list[tuple[Names, list[Row], list[int]]] = field(default_factory=list)
    borders: dict[int, int] = field(default_factory=dict)  # way -> the highest level of what it bounds
    members: dict[int, list[np.ndarray]] = field(default_factory=dict)
    lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        self.lines = Lines(self.writer)

    def read_things(self) -> None:
        """Every way with a tag that is drawn; and of which ways areas and borders are made."""
        relations = TagFilter(*_OF_AREAS)
        relations.enable_for(osmium.osm.RELATION)
        handlers = *self.placing, filter_things(KEYS, osmium.osm.WAY), relations
        for number, thing in enumerate(iterate(self.found, osmium.osm.WAY | osmium.osm.RELATION, *handlers)):
            if number % EVERY == 0:
                self.tell("reading", number)
            try:
                if thing.is_way():
                    self._take_way(thing)
                else:
                    self._take_relation(thing)
            except UnicodeDecodeError:
                self.writer.notes[NO_TEXT] += 1

    def check(self, others: Ways) -> None:
        """Raises ValueError where none of the ways of both halves leads anywhere."""
        ways, lost = self.lines.ways + others.read, self.lines.lost + others.lost
        if ways and lost == ways:
            raise ValueError("has ways, and none of the nodes that they lead along")

    def _take_relation(self, relation: Any) -> None:
        tags = relation.tags
        if tags.get("boundary") == "administrative":
            level = parse_level(tags.get("admin_level"), _LOWEST_BORDER) or 0
            if level >= _HIGHEST_BORDER and tags.get("maritime") != "yes":
                for way in _read_ways(relation):
                    self.borders[way] = min(level, self.borders.get(way, _LOWEST_BORDER))
        elif tags.get("type") == "multipolygon" and (rows := read_area(tags)):
            self.relations.append((self.writer.read_names(tags), rows, list(dict.fromkeys(_read_ways(relation)))))

    def _take_way(self, way: Any) -> None:
        tags = way.tags
        highway = tags.get("highway")
        if highway is None and tags.get("natural") == "coastline":
            runs = self.lines.read_runs(way)
            self.coasts += [Run(way.id, part) for run in runs for part in cut_at_antimeridian(run)]
        street = read_street(tags, highway) if highway else None
        if street and is_line(way, tags):
            return  # of the other half
        self.lines.ways += 1
        areas, lines = _sort_out(tags, street, closed=way.is_closed())
        if not areas:
            if lines:
                self.lines.take(way, lines, self.writer.read_names(tags))
            return
        names = self.writer.read_names(tags)
        shape = self.lines.read_shape(way)
        if shape is None:
            if runs := self.lines.take_cut(way, lines, names):
                self.open_areas.append((names, areas, runs))
            return
        for row in lines:
            self.lines.add(row, shape, names)
        polygon = as_polygon(shape)
        for row in areas:
            self.writer.add(row, polygon, names)

    def read_members(self) -> None:
        """The ways that relations are made of: borders are written, those of areas kept."""
        wanted = {way for _, _, ways in self.relations for way in ways}
        ids = wanted | self.borders.keys()
        if not ids:
            return
        for number, way in enumerate(iterate(self.found, osmium.osm.WAY, *self.placing, IdFilter(ids))):
            if number % EVERY == 0:
                self.tell("joining", number)
            runs = self.lines.read_runs(way)
            level = self.borders.get(way.id)
            if level and not _is_at_sea(way.tags):
                row = Row("boundaries", (_BORDERS.get(level, "quarter"), level))
                self._add_shapes(row, [shapely.linestrings(run) for run in runs])
            if way.id in wanted:
                self.members[way.id] = runs

    def finish(self, boxes: list[Box]) -> None:
        """Areas of relations, what the edge has cut, and land."""
        self.tell("joining", 0)
        for names, rows, ways in self.relations:
            lines = [run for way in ways for run in self.members.get(way, [])]
            if any(way not in self.members for way in ways) and lines:
                self.writer.notes["areas of which ways are not in the extract"] += 1
            self._add_area(names, rows, lines, boxes)
        for names, rows, runs in self.open_areas:
            self._add_area(names, rows, runs, boxes)
        self.members.clear()
        for box in boxes:
            self._add_land(box)
        if len(boxes) == 1:
            self._add_beyond(boxes[0])

    def _add_area(self, names: Names, rows: list[Row], lines: list[np.ndarray], boxes: list[Box]) -> None:
        try:
            area = build_area(lines, None)
        except Cut:
            box = next((box for box in boxes if _reaches(lines, box)), None)
            area = build_area(lines, box) if box else None
            if area:
                self.writer.notes["areas that the extract's edge cuts, closed along it"] += 1
        if area is None:
            self.writer.notes["areas that do not close left out"] += 1
            return
        for row in rows:
            self.writer.add(row, area, names)

    def _add_shapes(self, row: Row, shapes: Sequence[shapely.Geometry], names: Names = ()) -> None:
        """Several geometries that are the same else."""
        for shape in shapes:
            self.writer.add(row, shape, names)

    def _add_beyond(self, box: Box) -> None:
        """A wide frame around the extract, so that its surroundings are neither sea nor cut off from it."""
        wide = max(_FRAME * (box[2] - box[0]), _LEAST_FRAME)
        high = max(_FRAME * (box[3] - box[1]), _LEAST_FRAME)
        south, north = max(box[1] - high, -_NORTHMOST), min(box[3] + high, _NORTHMOST)
        outer = (max(box[0] - wide, -_ANTIMERIDIAN), south, min(box[2] + wide, _ANTIMERIDIAN), north)
        frame = shapely.difference(shapely.box(*outer), shapely.box(*box))
        inland = not self.coasts and self.writer.evidence
        self._add_shapes(Row("beyond", ("land" if inland else "unknown",)), shapely.get_parts(frame))

    def _add_land(self, box: Box) -> None:
        self.tell("land and sea", 0)
        self._add_shapes(Row("beyond", ("inside",)), [shapely.box(*box)])
        evidence = np.concatenate(self.writer.evidence) if self.writer.evidence else np.empty((0, 2))
        made = assemble(self.coasts, box, evidence)
        self.writer.notes.update(made.notes)
        land = [part for shape in made.land for part in subdivide(shape, _MOST_CORNERS)]
        self._add_shapes(Row("land", ("ground",)), land)
        self._add_shapes(Row("coast", ("coast",)), [shapely.linestrings(line) for line in made.coast])


def _read_ways(relation: Any) -> list[int]:
    return [member.ref for member in iterate_parts(relation.members) if member.type == "w"]


def _is_at_sea(tags: Tags) -> bool:
    """Whether a border is drawn by the coast, or lies beyond it."""
    try:
        return tags.get("natural") == "coastline" or tags.get("maritime") == "yes"
    except UnicodeDecodeError:  # it is counted where all things are read
        return False


def _reaches(lines: list[np.ndarray], box: Box) -> bool:
    x, y = np.concatenate(lines).T
    return bool(((x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])).any())


def _sort_out(tags: Tags, street: Row | None, *, closed: bool) -> tuple[list[Row], list[Row]]:
    """What a way is as an area, and as a line: a street that ends where it began bounds nothing by itself."""
    area = tags.get("area") if closed else "no"
    if area == "no" or (area != "yes" and "highway" in tags and "building" not in tags):
        return [], [street] if street else read_line(tags)
    areas = read_area(tags)
    if areas and areas[0].layer == "buildings":
        return areas, []
    lines = [] if area == "yes" else [street] if street else read_line(tags)
    return areas, [row for row in lines if row.layer != "land" or not areas]
