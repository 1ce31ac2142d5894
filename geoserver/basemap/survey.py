"""A first look at an extract: whether it will do, where it lies, and in which languages its names are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import osmium
from osmium.filter import KeyFilter

from geoserver.basemap.blobs import find_format, read_samples

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "EVERY",
    "NO_TEXT",
    "Box",
    "Survey",
    "Tell",
    "filter_things",
    "iterate",
    "iterate_file",
    "iterate_parts",
    "survey",
]

type Tell = Callable[[str, int], None]
type Box = tuple[float, float, float, float]

EVERY = 20_000  # things, between two words of progress
NO_TEXT = "things whose tags are no UTF-8 left out"
_LANGUAGE = re.compile(r"name:([a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Za-z0-9]{2,8})?)")
_NO_LANGUAGES = ("name:old", "name:alt", "name:loc", "name:int", "name:off", "name:reg", "name:nat")
_MOST_LANGUAGES = 8
_SHARE, _SPOKEN_SHARE = 200, 2_000  # one in so many named things has to have a name in a language; in one of the page
_SAMPLES, _OF_EACH = 24, 250  # pieces of the file, and named things of each that are looked at
_FIRST = 5_000  # named things of a file that has no pieces
_WAYS = 10  # ways that tell whether they have positions of their own
_HALF = 180.0  # degrees
_VERSIONS = "holds several versions of things; take an extract without history"


@dataclass(slots=True)
class Survey:
    """What a look at the header and at some things tells."""

    path: Path
    format: str = "pbf"
    box: Box | None = None  # of the header; west > east where it crosses the antimeridian
    edge: Box | None = None  # the same, where things may be cut at it: most of what was looked at is inside
    languages: tuple[str, ...] = ()
    placed: bool = False  # ways have positions of their own, and need those of nodes no more


def filter_things(keys: tuple[str, ...], kind: Any) -> KeyFilter:
    """Leaves of things of one kind those with one of the keys."""
    wanted = KeyFilter(*keys)
    wanted.enable_for(kind)
    return wanted


def iterate_parts(parts: Any) -> Iterator[Any]:
    """Tags or members; osmium takes long to say that there are no more, so it is not asked."""
    return islice(parts, len(parts))


def iterate(found: Survey, entities: Any, *handlers: Any) -> Iterator[Any]:
    """The things that pass all handlers that are filters."""
    return iterate_file(osmium.io.File(str(found.path), found.format), entities, handlers)


def iterate_file(file: Any, entities: Any, handlers: Sequence[Any]) -> Iterator[Any]:
    """The things of a file or of what is held in memory; no thread is left behind."""
    threads = osmium.io.ThreadPool(1)  # which end with it: those that osmium has for all would be missed after a fork
    with osmium.io.Reader(file, entities, thread_pool=threads) as reader:
        yield from osmium.OsmFileIterator(reader, *handlers)


def survey(path: Path, tell: Tell, spoken: Collection[str] = ()) -> Survey:
    """The first go; `spoken` are languages of readers.

    Raises RuntimeError where the file is none or ends too early, ValueError where it will not do.
    """
    tell("looking", 0)
    found = Survey(path, find_format(path))
    with osmium.io.Reader(osmium.io.File(str(path), found.format), osmium.osm.NOTHING) as reader:
        header = reader.header()
        if header.has_multiple_object_versions:
            raise ValueError(_VERSIONS)
        box = header.box()
        if box.valid():
            low, high = box.bottom_left, box.top_right
            if low.lon < high.lon and low.lat < high.lat:
                found.box = (low.lon, low.lat, high.lon, high.lat)
    _look_at_samples(found, spoken)
    return found


def _look_at_samples(found: Survey, spoken: Collection[str]) -> None:
    """Languages in which some of the names are, those of readers first and then the most common; where it lies; and
    where ways have their positions.
    """
    named = 0
    languages: Counter[str] = Counter()
    last = ("", 0)
    inside = outside = 0
    for thing in _iterate_samples(found, osmium.osm.NODE | osmium.osm.WAY, _FIRST, _OF_EACH, KeyFilter("name")):
        named += 1
        try:
            parts = iterate_parts(thing.tags)
            keys = [tag.k for tag in parts if tag.k.startswith("name:") and tag.k not in _NO_LANGUAGES]
        except UnicodeDecodeError:
            keys = []
        languages.update(match[1] for key in keys if (match := _LANGUAGE.fullmatch(key)))
        this = (thing.type_str(), thing.id)
        if this == last:
            raise ValueError(_VERSIONS)
        last = this
        if thing.is_node() and found.box:
            within = _holds(found.box, thing.lon, thing.lat)
            inside, outside = inside + within, outside + (not within)
    ways = _iterate_samples(found, osmium.osm.WAY, _WAYS, _WAYS)
    found.placed = any(node.location.valid() for way in ways for node in way.nodes)
    wide = found.box is not None and found.box[2] - found.box[0] > _HALF
    if found.box and inside >= outside + wide:
        found.edge = found.box
    elif found.box and wide and outside:  # osmium takes a box across the antimeridian for all that is not in it
        found.box = (found.box[2], found.box[1], found.box[0], found.box[3])
    common = [
        tag for tag, count in languages.most_common() if count * (_SPOKEN_SHARE if tag in spoken else _SHARE) >= named
    ]
    found.languages = tuple(sorted(common, key=lambda tag: tag not in spoken)[:_MOST_LANGUAGES])


def _iterate_samples(found: Survey, kinds: Any, first: int, of_each: int, *filters: Any) -> Iterator[Any]:
    """The first things that pass the filters: of each piece of the file, or of the whole where it has none."""
    if found.format != "pbf":
        yield from islice(iterate(found, kinds, *filters), first)
        return
    for sample in read_samples(found.path, _SAMPLES):
        yield from islice(iterate_file(osmium.io.FileBuffer(sample, "pbf"), kinds, filters), of_each)


def _holds(box: Box, x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
