"""Rows of the basemap's layers as tables, in batches, so that memory stays small."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from geoserver.basemap.plain import read_plain
from geoserver.basemap.shapes import (
    Shape,
    as_wkb,
    build_strips,
    cut_at_edge,
    measure_hectares,
    read_shapes,
    split_at_antimeridian,
    to_mercator,
)
from geoserver.basemap.sheets import SHEETS
from geoserver.basemap.tags import Row
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from geoserver.basemap.plain import Plain
    from geoserver.basemap.sheets import Sheet
    from geoserver.basemap.tags import Tags

__all__ = ["GEOMETRY", "Names", "Writer"]

type Box = tuple[float, float, float, float]
type Names = tuple[str | None, ...]
"""The local name and those in other languages, in their order; empty for what has no name."""

type Sink = Callable[[str, pa.RecordBatch], None]
"""Takes some rows of a layer: its fields, and `GEOMETRY` as WKB in EPSG:3857."""

GEOMETRY = "geometry"
_BATCH = 8_192
LONGEST_NAME = 100  # characters; OpenStreetMap takes 255
_CORNERS = "areas of fewer than three corners left out"
_SHORTENED = f"names longer than {LONGEST_NAME} letters shortened"
_SMALL = ("scrub", "wetland", "basin", "dock", "river")  # whose names say little
_RANKS = {"parks": ((100, 4), (20, 5), (5, 6), (1, 7), (0, 8)), "water": ((1000, 3), (50, 4), (5, 6), (0, 8))}
_KINDS = {"parks": "park", "water": "water"}
_PLAIN = (
    "greens",
    "plazas",
    "streets",
    "side-streets",
    "paths",
    "buildings",
    "house-numbers",
    "railways",
    "tracks",
    "waterways",
    "landmarks",
)
_CELLS = 50  # in a degree
_MOST_EVIDENCE = 20_000
_EVIDENCE_OF = ("buildings", "streets", "side-streets", "house-numbers", "landmarks")
_SETTLEMENTS = ("city", "town", "village", "hamlet", "district", "suburb")


@lru_cache(1 << 16)
def clean_text(text: str) -> str | None:
    """A name in one line, without what cannot be seen, and not longer than people read."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    if len(text) > LONGEST_NAME:
        text = text[: LONGEST_NAME - 1].rstrip() + "…"
    return text or None


class _Rows:
    """Rows of one layer that wait to be given on."""

    def __init__(self, sheet: Sheet, rows: Sequence[tuple[Shape, Row, Names]]) -> None:
        self.about = sheet
        self.shapes: Sequence[Shape] = [shape for shape, _, _ in rows]
        self.values = [row.values for _, row, _ in rows]
        self.names = [names for _, _, names in rows]
        self.widths = [row.width for _, row, _ in rows]

    def read_plain(self) -> Plain | None:
        """None where they need a library of geometry, or there are none."""
        if self.about.id not in _PLAIN or not self.shapes:
            return None
        self.shapes = as_wkb(self.shapes)
        return read_plain(self.shapes, self.about.kind)

    def keep(self, mask: np.ndarray) -> None:
        """No others."""
        for name in ("shapes", "values", "names", "widths"):
            setattr(self, name, list(compress(getattr(self, name), mask)))


class Writer:
    """Takes rows with geometries in degrees, and gives on what is full."""

    def __init__(self, sink: Sink, languages: Sequence[str], notes: Counter[str], edge: Box | None = None) -> None:
        self.sink = sink
        self.languages = tuple(languages)
        self.edge = edge
        self.notes = notes
        self.evidence: list[np.ndarray] = []
        self._boxes = np.tile([np.inf, np.inf, -np.inf, -np.inf], (2, 1))  # of houses, streets, places: west and east
        self._keys = tuple(f"name:{language}" for language in languages)
        self._waiting: dict[str, list[tuple[Shape, Row, Names]]] = {name: [] for name in SHEETS}
        self._places: set[tuple[str, str, int, int]] = set()

    @property
    def seen(self) -> tuple[Box | None, Box | None]:
        """The box around houses, streets and places, west and east of Greenwich."""
        west, east = (
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if np.isfinite(box).all() else None
            for box in self._boxes
        )
        return west, east

    def add_seen(self, boxes: Sequence[Sequence[float] | None], evidence: np.ndarray) -> None:
        """What another writer has seen."""
        self.evidence.append(evidence)
        for box, seen in zip(self._boxes, boxes, strict=True):
            if seen:
                box[:2], box[2:] = np.minimum(box[:2], seen[:2]), np.maximum(box[2:], seen[2:])

    def read_names(self, tags: Tags) -> Names:
        """The local name and those in other languages; empty without a name."""
        if (name := tags.get("name")) is None:
            return ()
        return (name, *(tags.get(key) for key in self._keys))

    def add(self, row: Row, shape: Shape, names: Names) -> None:
        """One row."""
        waiting = self._waiting[row.layer]
        waiting.append((shape, row, names))
        if len(waiting) >= _BATCH:
            self._flush(row.layer)

    def flush(self) -> None:
        """Give on what is there; places last, because names of areas become places."""
        for name in sorted(SHEETS, key=lambda name: name == "places"):
            self._flush(name)

    def _flush(self, name: str) -> None:
        if not self._waiting[name]:
            return
        rows = _Rows(SHEETS[name], self._waiting[name])
        self._waiting[name] = []
        plain = rows.read_plain()
        if plain is None or plain.is_wide():
            self._give_shaped(name, rows)
            return
        if self.edge and (out := plain.find_leaving(self.edge)).any():
            leaving = copy(rows)
            leaving.keep(out)
            self._give_shaped(name, leaving)
            rows.keep(~out)
            plain = rows.read_plain()
        if plain is not None:
            self._remember(name, plain.corners, plain.firsts)
            self._give(rows, plain.to_mercator())

    def _give_shaped(self, name: str, rows: _Rows) -> None:
        shapes = self._shape(name, rows)
        if len(shapes):
            corners, index = shapely.get_coordinates(shapes, return_index=True)
            self._remember(name, corners, np.flatnonzero(np.diff(index, prepend=-1)))
            self._give(rows, pa.array(shapely.to_wkb(to_mercator(shapes)), pa.binary()))

    def _shape(self, name: str, rows: _Rows) -> np.ndarray:
        """Geometries of the layer's kind, and rows without what has none: lines become strips, areas points."""
        shapes = read_shapes(rows.shapes)
        missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        if missing.any():
            self.notes[_CORNERS] += int(missing.sum())
            rows.keep(~missing)
            shapes = shapes[~missing]
        dimensions = shapely.get_dimensions(shapes)
        if rows.about.kind == "points" and (other := dimensions > 0).any():
            shapes[other] = shapely.point_on_surface(shapes[other])
        if rows.about.kind == "polygons" and (other := dimensions == 1).any():
            shapes[other] = build_strips(shapes[other], np.array(rows.widths)[other])
        shapes = split_at_antimeridian(shapes, self.notes)
        if self.edge and name != "beyond":
            shapes, kept = cut_at_edge(shapes, self.edge, self.notes)
            rows.keep(kept)
        if name in _KINDS:
            self._measure(name, shapes, rows)
        if name == "places":
            fresh = self._find_new(shapes, rows)
            rows.keep(fresh)
            shapes = shapes[fresh]
        return shapes

    def _measure(self, name: str, shapes: np.ndarray, rows: _Rows) -> None:
        """Hectares of parks; names of parks and lakes become places, the larger the more important."""
        hectares = [round(float(size), 2) for size in measure_hectares(shapes)]
        for shape, size, values, names in zip(shapes, hectares, rows.values, rows.names, strict=True):
            if names and values[0] not in _SMALL:
                rank = next(rank for least, rank in _RANKS[name] if size >= least)
                self.add(Row("places", (_KINDS[name], values[0], rank, None)), shapely.point_on_surface(shape), names)
        if name == "parks":
            rows.values = [(values[0], size) for values, size in zip(rows.values, hectares, strict=True)]

    def _remember(self, name: str, corners: np.ndarray, firsts: np.ndarray) -> None:
        """Where houses and streets stand, which is on land; and where the city is."""
        if name in (*_EVIDENCE_OF, "places"):
            for box, side in zip(self._boxes, (corners[:, 0] < 0, corners[:, 0] >= 0), strict=True):
                if len(here := corners[side]):
                    box[:2], box[2:] = np.minimum(box[:2], here.min(axis=0)), np.maximum(box[2:], here.max(axis=0))
        if name in _EVIDENCE_OF and sum(map(len, self.evidence)) < _MOST_EVIDENCE:
            self.evidence.append(corners[firsts[:: max(1, len(firsts) // 1000)]])

    def _find_new(self, shapes: np.ndarray, rows: _Rows) -> np.ndarray:
        """Places that no other of the same kind and name stands beside: many are drawn as a point and as an area.

        An island that is called as what stands on it, as most small ones are, is named once, too.
        """
        fresh = np.zeros(len(shapes), bool)
        cells = np.floor(shapely.get_coordinates(shapes) * _CELLS).astype(int)
        for index, ((x, y), values, names) in enumerate(zip(cells, rows.values, rows.names, strict=True)):
            kind, name = values[0], names[0] or ""
            kinds = (kind, *_SETTLEMENTS) if kind == "island" else (kind,)
            around = [(int(x) + dx, int(y) + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
            near = [(each, name, *cell) for each in kinds for cell in around]
            if self._places.isdisjoint(near):
                self._places.add((kind, name, int(x), int(y)))
                fresh[index] = True
        return fresh

    def _give(self, rows: _Rows, geometry: pa.Array) -> None:
        sheet = rows.about
        columns: dict[str, pa.Array] = {}
        plain = dict(
            zip((name for name in sheet.fields if name != "name"), zip(*rows.values, strict=True), strict=True)
        )
        for name, kind in sheet.fields.items():
            if name == "name":
                columns |= self._build_names(sheet, rows.names)
            elif kind == "text" and name not in ("class", "kind"):
                columns[name] = pa.array([text and clean_text(text) for text in plain[name]], pa.string())
            else:
                columns[name] = pa.array(plain[name], pa.type_for_alias(FIELD_TYPES[kind].arrow))
        self.sink(sheet.id, pa.record_batch({**columns, GEOMETRY: geometry}))

    def _build_names(self, sheet: Sheet, names: Sequence[Names]) -> dict[str, pa.Array]:
        """The local names, and others where they differ from them."""
        local = [clean_text(name[0]) if name and name[0] else None for name in names]
        self.notes[_SHORTENED] += sum(1 for name in names if name and name[0] and len(name[0]) > LONGEST_NAME)
        columns = {"name": pa.array(local, pa.string())}
        for at, language in enumerate(self.languages if sheet.languages else (), start=1):
            texts = [clean_text(text) if name and (text := name[at]) else None for name in names]
            other = [text if text and _differs(text, own) else None for text, own in zip(texts, local, strict=True)]
            columns[f"name_{language.lower().replace('-', '_')}"] = pa.array(other, pa.string())
        return columns


def _differs(text: str, own: str | None) -> bool:
    """Whether a name is another one than the local name to who reads both, and not "Art-Science" for "ArtScience"."""
    return text != own and (own is None or _find_letters(text) != _find_letters(own))


@lru_cache(1 << 14)
def _find_letters(text: str) -> str:
    """Letters and digits alone, of one size and without accents; of scripts without either all signs."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] in "LN") or plain
