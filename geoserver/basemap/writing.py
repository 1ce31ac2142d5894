"""Rows of the basemap's layers into one GeoParquet file each, in batches, so that memory stays small."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from geoserver.basemap.shapes import build_strips, measure_hectares, read_shapes, split_at_antimeridian, to_mercator
from geoserver.basemap.sheets import SHEETS

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.basemap.sheets import Sheet
    from geoserver.basemap.tags import Row

__all__ = ["LONGEST_NAME", "Writer", "clean_text"]

_BATCH = 16_384
LONGEST_NAME = 100  # characters; OpenStreetMap takes 255
_TYPES = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
_CORNERS = "areas of fewer than three corners left out"
_SHORTENED = f"names longer than {LONGEST_NAME} letters shortened"
_SMALL = ("grass", "scrub", "wetland", "pitch", "playground", "basin", "dock", "river")  # whose names say little
_RANKS = {"parks": ((100, 4), (20, 5), (5, 6), (1, 7), (0, 8)), "water": ((1000, 3), (50, 4), (5, 6), (0, 8))}
_KINDS = {"parks": "park", "water": "water"}
_MOST_EVIDENCE, _EVIDENCE_OF = 20_000, ("buildings", "streets")


def clean_text(text: str | None, notes: Counter[str]) -> str | None:
    """A name in one line, without what cannot be seen, and not longer than people read."""
    if not text:
        return None
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    if len(text) > LONGEST_NAME:
        notes[_SHORTENED] += 1
        text = text[: LONGEST_NAME - 1].rstrip() + "…"
    return text or None


class Writer:
    """Takes rows with geometries in degrees (WKB, hexadecimal) and writes what is full."""

    def __init__(self, folder: Path, languages: Sequence[str], notes: Counter[str]) -> None:
        self.folder = folder
        self.languages = tuple(languages)
        self.notes = notes
        self.counts: Counter[str] = Counter()
        self.evidence: list[np.ndarray] = []
        self.box = np.array([np.inf, np.inf, -np.inf, -np.inf])  # of houses, streets and places
        self._pending: dict[str, list[tuple[str, dict[str, Any], Mapping[str, str]]]] = {name: [] for name in SHEETS}
        self._files: dict[str, pq.ParquetWriter] = {}
        self._places: set[tuple[str, str, int, int]] = set()

    def add(self, row: Row, shape: str, tags: Mapping[str, str]) -> None:
        """One row, with the tags that its names stand in."""
        waiting = self._pending[row.layer]
        waiting.append((shape, row.values, tags))
        if len(waiting) >= _BATCH:
            self._flush(row.layer)

    def add_shapes(self, layer: str, shapes: Sequence[shapely.Geometry], values: dict[str, Any]) -> None:
        """Geometries that have no names."""
        for shape, text in zip(shapes, shapely.to_wkb(np.array(shapes, object), hex=True), strict=True):
            del shape
            self._pending[layer].append((text, values, {}))
            if len(self._pending[layer]) >= _BATCH:
                self._flush(layer)

    def flush(self) -> None:
        """Write what is there; places last, because names of areas become places."""
        for name in sorted(SHEETS, key=lambda name: name == "places"):
            self._flush(name)

    def close(self) -> None:
        self.flush()
        for file in self._files.values():
            file.close()

    def _flush(self, name: str) -> None:
        sheet, rows = SHEETS[name], self._pending[name]
        if not rows:
            return
        self._pending[name] = []
        shapes = read_shapes([shape for shape, _, _ in rows])
        missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        if missing.any():
            self.notes[_CORNERS] += int(missing.sum())
            rows = [row for row, gone in zip(rows, missing, strict=True) if not gone]
            shapes = shapes[~missing]
        shapes = split_at_antimeridian(self._fit(sheet, shapes, rows), self.notes)
        if name in _KINDS:
            self._measure(name, shapes, rows)
        self._remember(name, shapes)
        names = [clean_text(tags.get("name"), self.notes) for _, _, tags in rows]
        if name == "places":
            keep = self._find_new(shapes, rows, names)
            shapes, rows, names = shapes[keep], [rows[i] for i in keep], [names[i] for i in keep]
        self._write(sheet, shapes, rows, names)

    def _fit(
        self, sheet: Sheet, shapes: np.ndarray, rows: list[tuple[str, dict[str, Any], Mapping[str, str]]]
    ) -> np.ndarray:
        """Points within areas where the layer holds points, strips around lines where it holds areas."""
        dimensions = shapely.get_dimensions(shapes)
        if sheet.kind == "points" and (other := dimensions > 0).any():
            shapes[other] = shapely.point_on_surface(shapes[other])
        if sheet.kind == "polygons" and (other := dimensions == 1).any():
            widths = np.array([values.get("width", 3.0) for _, values, _ in rows])[other]
            shapes[other] = build_strips(shapes[other], widths)
        return shapes

    def _measure(
        self, name: str, shapes: np.ndarray, rows: list[tuple[str, dict[str, Any], Mapping[str, str]]]
    ) -> None:
        """Hectares of parks; names of parks and lakes become places, the larger the more important."""
        hectares = measure_hectares(shapes)
        for shape, size, (_, values, tags) in zip(shapes, hectares, rows, strict=True):
            values["hectares"] = round(float(size), 2)
            if "name" in tags and values["class"] not in _SMALL:
                rank = next(rank for least, rank in _RANKS[name] if size >= least)
                place = {"kind": _KINDS[name], "class": values["class"], "rank": rank, "population": None}
                point = shapely.to_wkb(shapely.point_on_surface(shape), hex=True)
                self._pending["places"].append((point, place, tags))

    def _remember(self, name: str, shapes: np.ndarray) -> None:
        """Where houses and streets stand, which is on land; and where the city is."""
        if name in (*_EVIDENCE_OF, "places") and len(shapes):
            bounds = shapely.total_bounds(shapes)
            self.box[:2], self.box[2:] = np.minimum(self.box[:2], bounds[:2]), np.maximum(self.box[2:], bounds[2:])
        if name in _EVIDENCE_OF and sum(map(len, self.evidence)) < _MOST_EVIDENCE:
            some = shapes[:: max(1, len(shapes) // 1000)]
            self.evidence.append(shapely.get_coordinates(shapely.point_on_surface(some)))

    def _find_new(
        self, shapes: np.ndarray, rows: list[tuple[str, dict[str, Any], Mapping[str, str]]], names: list[str | None]
    ) -> list[int]:
        """Places that no other of the same kind and name stands beside: many are drawn as a point and as an area."""
        kept = []
        cells = np.floor(shapely.get_coordinates(shapes) * 50).astype(int)
        for index, ((x, y), (_, values, _), name) in enumerate(zip(cells, rows, names, strict=True)):
            near = [(values["kind"], name or "", int(x) + dx, int(y) + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
            if not name or not self._places.isdisjoint(near):
                continue
            self._places.add((values["kind"], name, int(x), int(y)))
            kept.append(index)
        return kept

    def _write(
        self,
        sheet: Sheet,
        shapes: np.ndarray,
        rows: list[tuple[str, dict[str, Any], Mapping[str, str]]],
        names: list[str | None],
    ) -> None:
        columns: dict[str, pa.Array] = {}
        for name, kind in sheet.fields.items():
            if name == "name":
                columns[name] = pa.array(names, pa.string())
            elif kind == "text" and name != "class":
                columns[name] = pa.array(
                    [clean_text(values.get(name), self.notes) for _, values, _ in rows], pa.string()
                )
            else:
                columns[name] = pa.array([values.get(name) for _, values, _ in rows], _TYPES[kind])
        for language in self.languages if sheet.languages else ():
            key = f"name:{language}"
            texts = [clean_text(tags[key], self.notes) if key in tags else None for _, _, tags in rows]
            other = [None if text == name else text for text, name in zip(texts, names, strict=True)]
            columns[f"name_{language.lower().replace('-', '_')}"] = pa.array(other, pa.string())
        columns["geometry"] = pa.array(shapely.to_wkb(to_mercator(shapes)), pa.binary())
        table = pa.table(columns)
        if sheet.id not in self._files:
            schema = table.schema.with_metadata({"geo": json.dumps(_describe())})
            path = self.folder / f"{sheet.id}.parquet"
            self._files[sheet.id] = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)
        self._files[sheet.id].write_table(table.cast(self._files[sheet.id].schema))
        self.counts[sheet.id] += len(rows)


def _describe() -> dict[str, Any]:
    """The metadata of GeoParquet 1.1."""
    column = {"encoding": "WKB", "geometry_types": [], "crs": CRS.from_epsg(3857).to_json_dict()}
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
