"""An extract (.osm.pbf), read by osmium in three goes: what there is, what is drawn, and what relations are made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import osmium
import shapely
from osmium.filter import IdFilter, KeyFilter, TagFilter
from osmium.geom import WKBFactory

from geoserver.basemap.coast import Run, assemble
from geoserver.basemap.rings import Cut, build_area
from geoserver.basemap.shapes import as_polygon, subdivide
from geoserver.basemap.tags import KEYS, NODE_KEYS, Row, Tags, read_area, read_line, read_node

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.basemap.writing import Names, Writer

__all__ = ["Survey", "read_extract", "survey"]

type Tell = Callable[[str, int], None]
type Box = tuple[float, float, float, float]

_LANGUAGE = re.compile(r"name:([a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Za-z0-9]{2,8})?)")
_NO_LANGUAGES = ("name:old", "name:alt", "name:loc", "name:int", "name:off", "name:reg", "name:nat")
_MOST_LANGUAGES = 8
_SHARE, _SPOKEN_SHARE = 200, 2_000  # one in so many named things has to have a name in a language; in one of the page
_EVERY = 20_000  # things, between two words of progress
_LOOKED_AT = 10_000  # named nodes, and as many ways, to find the languages of names
_LOWEST_BORDER = 10
_BORDERS = {2: "country", 3: "state", 4: "state", 5: "district", 6: "district", 7: "municipality", 8: "municipality"}
_OF_AREAS = (("type", "multipolygon"), ("boundary", "administrative"))
_JOINED = ("streets", "railways", "tracks")
_MAIN = ("motorway", "primary")
_ANTIMERIDIAN, _NORTHMOST = 180.0, 85.0
_FRAME, _LEAST_FRAME = 6, 3.0  # around the extract: times its size, degrees
_TOO_WIDE, _NOT_WIDE = 30, 4.0  # times the area of what is in it, square degrees: the box is of something else
_MOST_CORNERS = 8_000


@dataclass(slots=True)
class Survey:
    """What a look at all named things and all relations tells."""

    box: Box | None = None  # of the header; west > east where it crosses the antimeridian
    languages: tuple[str, ...] = ()
    relations: dict[int, tuple[dict[str, str], list[Row], list[int]]] = field(default_factory=dict)
    borders: dict[int, int] = field(default_factory=dict)  # way -> the highest level of what it bounds


def _read(path: Path, entities: Any, *filters: Any, locations: Any = None) -> Iterator[Any]:
    with osmium.io.Reader(osmium.io.File(str(path), "pbf"), entities) as reader:
        handlers = list(filters)
        if locations is not None:
            placing = osmium.NodeLocationsForWays(locations)
            placing.ignore_errors()
            handlers.insert(0, placing)
        yield from osmium.OsmFileIterator(reader, *handlers)


def _filter(keys: Sequence[str], kind: Any) -> KeyFilter:
    """Leaves of things of one kind those with one of the keys."""
    wanted = KeyFilter(*keys)
    wanted.enable_for(kind)
    return wanted


def survey(path: Path, tell: Tell, spoken: Collection[str] = ()) -> Survey:
    """The first go; `spoken` are languages of readers.

    Raises RuntimeError where the file is none or ends too early, ValueError where it will not do.
    """
    found = Survey()
    with osmium.io.Reader(osmium.io.File(str(path), "pbf"), osmium.osm.NOTHING) as reader:
        header = reader.header()
        if header.has_multiple_object_versions:
            raise ValueError("holds several versions of things; take an extract without history")
        box = header.box()
        if box.valid():
            low, high = box.bottom_left, box.top_right
            if low.lon != high.lon and low.lat < high.lat:
                found.box = (low.lon, low.lat, high.lon, high.lat)
    for number, relation in enumerate(_read(path, osmium.osm.RELATION, TagFilter(*_OF_AREAS))):
        if number % _EVERY == 0:
            tell("looking", number)
        _note_relation(found, relation)
    found.languages = _find_languages(path, tell, spoken)
    return found


def _find_languages(path: Path, tell: Tell, spoken: Collection[str]) -> tuple[str, ...]:
    """Languages in which some of the names are, by the first named nodes and ways; the most common first.

    Languages of readers come before that.
    """
    named = 0
    languages: Counter[str] = Counter()
    for kind in (osmium.osm.NODE, osmium.osm.WAY):
        for number, thing in enumerate(islice(_read(path, kind, KeyFilter("name")), _LOOKED_AT)):
            if number % _EVERY == 0:
                tell("looking", named)
            named += 1
            keys = [tag.k for tag in thing.tags if tag.k.startswith("name:") and tag.k not in _NO_LANGUAGES]
            languages.update(match[1] for key in keys if (match := _LANGUAGE.fullmatch(key)))
    common = [
        tag for tag, count in languages.most_common() if count * (_SPOKEN_SHARE if tag in spoken else _SHARE) >= named
    ]
    return tuple(sorted(common, key=lambda tag: tag not in spoken)[:_MOST_LANGUAGES])


def _note_relation(found: Survey, relation: Any) -> None:
    tags = dict(relation.tags)
    if tags.get("boundary") == "administrative":
        level = tags.get("admin_level", "")
        if level.isascii() and level.isdigit() and 2 <= int(level) <= _LOWEST_BORDER and tags.get("maritime") != "yes":  # noqa: PLR2004 - a country's
            for way in _read_ways(relation):
                found.borders[way] = min(int(level), found.borders.get(way, _LOWEST_BORDER))
    elif tags.get("type") == "multipolygon" and (rows := read_area(tags)):
        found.relations[relation.id] = (tags, rows, list(dict.fromkeys(_read_ways(relation))))


def _read_ways(relation: Any) -> list[int]:
    return [member.ref for member in relation.members if member.type == "w"]


def read_extract(path: Path, found: Survey, writer: Writer, tell: Tell, storage: str) -> None:
    """The second go and the third, and then the coast."""
    extract = _Extract(writer, osmium.index.create_map(storage), tell)
    extract.read_things(path)
    extract.read_members(path, found)
    extract.join_lines()
    writer.flush()
    extract.finish(found, choose_boxes(found.box, writer.seen))


def choose_boxes(header: Box | None, seen: tuple[Box | None, Box | None]) -> list[Box]:
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

    writer: Writer
    locations: Any
    tell: Tell
    coasts: list[Run] = field(default_factory=list)
    open_areas: list[tuple[Names, list[Row], list[np.ndarray]]] = field(default_factory=list)
    members: dict[int, list[np.ndarray]] = field(default_factory=dict)
    roads: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    alike: dict[tuple[Row, Names], list[str]] = field(default_factory=dict)
    ways: int = 0
    lost: int = 0
    _factory: Any = field(default_factory=WKBFactory)

    def read_things(self, path: Path) -> None:
        """Everything with a tag that is drawn, of nodes and ways."""
        kinds = osmium.osm.NODE | osmium.osm.WAY
        filters = [_filter(keys, osmium.osm.NODE) for keys in NODE_KEYS] + [_filter(KEYS, osmium.osm.WAY)]
        for number, thing in enumerate(_read(path, kinds, *filters, locations=self.locations)):
            if number % _EVERY == 0:
                self.tell("reading", number)
            if thing.is_way():
                self.ways += 1
                self._take_way(thing)
            elif self.ways:
                raise ValueError("has nodes behind ways; sort it first (osmium sort)")
            else:
                self._take_node(thing)
        if self.ways and self.lost == self.ways:
            raise ValueError("has ways, and none of the nodes that they lead along")

    def _take_node(self, node: Any) -> None:
        tags = node.tags
        if rows := read_node(tags):
            try:
                shape = self._factory.create_point(node)
            except (osmium.InvalidLocationError, RuntimeError):
                self.writer.notes["points without a position left out"] += 1
                return
            names = self.writer.read_names(tags)
            for row in rows:
                self.writer.add(row, shape, names)

    def _take_way(self, way: Any) -> None:
        tags = way.tags
        if tags.get("natural") == "coastline":
            self.coasts += [Run(way.id, run) for run in self._read_runs(way)]
        areas, lines = _sort_out(tags, closed=way.is_closed())
        if not areas and not lines:
            return
        names = self.writer.read_names(tags)
        try:
            shape = self._factory.create_linestring(way)
        except (osmium.InvalidLocationError, RuntimeError):  # of nodes that are missing, or too few
            self._take_cut(way, names, areas, lines)
            return
        for row in lines:
            self._add_line(row, shape, names)
        if areas:
            polygon = as_polygon(shape)
            for row in areas:
                self.writer.add(row, polygon, names)

    def _add_line(self, row: Row, shape: str, names: Names) -> None:
        if row.layer not in _JOINED:
            self.writer.add(row, shape, names)
            return
        self.alike.setdefault((row, names), []).append(shape)
        if row.layer == "streets" and row.values[0] in _MAIN and (refs := row.values[1]):
            ref = refs.split(";")[0].strip()
            if 0 < len(ref) <= 12:  # noqa: PLR2004 - as much as fits on a shield
                self.roads.setdefault((row.values[0], ref), []).append(shape)

    def _take_cut(self, way: Any, names: Names, areas: list[Row], lines: list[Row]) -> None:
        """A way some of whose nodes are not in the extract: lines end where it ends, areas are closed later."""
        runs = self._read_runs(way)
        if not runs:
            missing = any(not node.location.valid() for node in way.nodes)
            self.lost += missing and not any(node.location.valid() for node in way.nodes)
            what = (
                "ways without a single stretch inside the extract" if missing else "lines of fewer than two positions"
            )
            self.writer.notes[f"{what} left out"] += 1
            return
        if lines:
            self.writer.notes["lines that end where the extract does"] += 1
        for run in runs:
            text = shapely.to_wkb(shapely.linestrings(run), hex=True)
            for row in lines:
                self._add_line(row, text, names)
        if areas:
            self.open_areas.append((names, areas, runs))

    def _read_runs(self, way: Any) -> list[np.ndarray]:
        """Its positions in degrees, broken where nodes are missing; a run has two positions at least."""
        runs: list[list[tuple[float, float]]] = [[]]
        for node in way.nodes:
            if not node.location.valid():
                runs.append([])
            elif not runs[-1] or (node.lon, node.lat) != runs[-1][-1]:
                runs[-1].append((node.lon, node.lat))
        return [np.array(run) for run in runs if len(run) > 1]

    def read_members(self, path: Path, found: Survey) -> None:
        """The ways that relations are made of: borders are written, those of areas kept."""
        wanted = {way for _, _, ways in found.relations.values() for way in ways}
        ids = wanted | found.borders.keys()
        if not ids:
            return
        for number, way in enumerate(_read(path, osmium.osm.WAY, IdFilter(ids), locations=self.locations)):
            if number % _EVERY == 0:
                self.tell("joining", number)
            runs = self._read_runs(way)
            level = found.borders.get(way.id)
            if level and way.tags.get("natural") != "coastline" and way.tags.get("maritime") != "yes":
                row = Row("boundaries", (_BORDERS.get(level, "quarter"), level))
                self._add_shapes(row, [shapely.linestrings(run) for run in runs])
            if way.id in wanted:
                self.members[way.id] = runs

    def join_lines(self) -> None:
        """Make one of main streets and railways that are the same and meet: few and long ones are seen from afar."""
        for (kind, ref), texts in self.roads.items():
            self._add_shapes(Row("road-numbers", (kind, ref)), _merge(texts))
        for (row, names), texts in self.alike.items():
            self._add_shapes(row, _merge(texts), names)

    def finish(self, found: Survey, boxes: list[Box]) -> None:
        """Areas of relations, what the edge has cut, and land."""
        self.tell("joining", 0)
        for tags, rows, ways in found.relations.values():
            lines = [run for way in ways for run in self.members.get(way, [])]
            if any(way not in self.members for way in ways) and lines:
                self.writer.notes["areas of which ways are not in the extract"] += 1
            self._add_area(self.writer.read_names(tags), rows, lines, boxes)
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
        text = shapely.to_wkb(area, hex=True)
        for row in rows:
            self.writer.add(row, text, names)

    def _add_shapes(self, row: Row, shapes: Sequence[shapely.Geometry], names: Names = ()) -> None:
        """Several geometries that are the same else."""
        for text in shapely.to_wkb(np.array(shapes, object), hex=True):
            self.writer.add(row, text, names)

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


def _merge(lines: list[str]) -> Sequence[shapely.Geometry]:
    """Lines that meet as one."""
    parts: Sequence[shapely.Geometry] = shapely.get_parts(
        shapely.line_merge(shapely.multilinestrings(list(shapely.from_wkb(lines))))
    )
    return parts


def _reaches(lines: list[np.ndarray], box: Box) -> bool:
    x, y = np.concatenate(lines).T
    return bool(((x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])).any())


def _sort_out(tags: Tags, *, closed: bool) -> tuple[list[Row], list[Row]]:
    """What a way is as an area, and as a line: a street that ends where it began bounds nothing by itself."""
    area = tags.get("area")
    if not closed or area == "no":
        return [], read_line(tags)
    if "highway" in tags and area != "yes" and "building" not in tags:
        return [], read_line(tags)
    areas = read_area(tags)
    lines = [] if area == "yes" else read_line(tags)
    return areas, [row for row in lines if row.layer != "land" or not areas]
