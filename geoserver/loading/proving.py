"""What a look at the first rows of a source proves of its layer file, before anything is loaded.

Each finding names the layer file, the key in it, what was expected there, and the likely meant value where one is near.
What loading takes in its stride, a few bad rows or values, is none.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geoserver.catalog.files import is_file
from geoserver.errors import CatalogError, LoadError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.loading.area import LONLAT, MANY, find_place
from geoserver.loading.convert import Converter
from geoserver.loading.features import as_keys, key_column, wanted_columns
from geoserver.loading.fingerprint import build_request
from geoserver.loading.geometry import NOWHERE, Located, locate
from geoserver.loading.limits import find_limits, is_limited, prove_limits
from geoserver.loading.readings import wanted_reading_columns
from geoserver.sources import FEATURE_ID, Batch, open_source
from geoserver.sources.location import find_location
from geoserver.sources.names import has_name, suggest
from geoserver.sources.nesting import read_wkb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from geoserver.fieldtypes import FieldType
    from geoserver.loading.area import Place
    from geoserver.model import City, Field, Layer
    from geoserver.sources import Opened, Request

__all__ = ["prove_sources"]

_ROWS = 5_000  # that are looked at
_BAD = 0.1  # share of values or rows from which on it is the layer file's fault
_TWICE = 0.01  # share of rows without a key, or with one that was there before
_FAR = 3.0  # degrees between a layer and the others of its city
_CLOSE = 1.0  # degrees within which the others lie, if they are one city's
_TIMES: tuple[FieldType, ...] = ("timestamp", "date")
_WORDS = {"point": "points", "line": "lines", "polygon": "polygons"}


def prove_sources(
    layers: Iterable[Layer], database_url: str = "", city: City | None = None, tell: Callable[[str], None] = print
) -> Iterator[CatalogError]:
    """What is wrong with layers' sources; tables are left out where there is no database.

    Rows outside the limits of `city` are counted: few of them are told, many are the layer file's fault.
    """
    limits = find_limits(city, database_url) if city else None
    centres: dict[str, tuple[Layer, np.ndarray]] = {}
    for layer in layers:
        if not layer.has_rows:
            continue
        try:
            if _can_open(layer, layer.source, database_url):
                proof = _Proof(layer, database_url)
                yield from proof.run()
                if proof.sampled and limits and city and is_limited(layer, city):
                    yield from prove_limits(layer, limits, *proof.sampled, tell)
                if proof.lonlat is not None:
                    centres[layer.id] = (layer, proof.lonlat)
            if layer.readings and _can_open(layer, layer.readings.source, database_url):
                yield from _prove_readings(layer, database_url)
        except LoadError as error:
            yield CatalogError(str(layer.file), "source", f"a source that can be read: {error}")
    yield from _prove_neighbours(centres)


def _can_open(layer: Layer, source: str, database_url: str) -> bool:
    """Whether it is there to be looked at: a missing file is told by `check`, a table needs a database."""
    path = find_location(layer, source).find_path()
    return bool(database_url) if path is None else is_file(path)


@dataclass(slots=True)
class _Proof:
    """One layer's source, sampled."""

    layer: Layer
    database_url: str
    lonlat: np.ndarray | None = None  # the middles of the sampled rows, where enough of them are sound
    sampled: tuple[Located, Place] | None = None  # where they lie

    def run(self) -> Iterator[CatalogError]:
        request = replace(build_request(self.layer, self.database_url, ()), sample=True)
        try:
            columns = self._read_columns(request)
        except LoadError as error:
            yield self._explain(str(error))
            try:
                columns = _read_columns(request)
            except LoadError:
                return
            yield from _prove_columns(self.layer, self.layer.source, self._declared(), columns)
            return
        yield from _prove_columns(self.layer, self.layer.source, self._declared(), columns)
        wanted = tuple(name for name in wanted_columns(self.layer) if name == FEATURE_ID or has_name(name, columns))
        try:
            opened, batch = _read_sample(replace(request, columns=wanted))
        except LoadError as error:
            yield self._explain(str(error))
            return
        if len(batch.broken) > _BAD * (len(batch) + len(batch.broken)):
            count, broken = len(batch) + len(batch.broken), len(batch.broken)
            expected = f"rows like the header; of {count:,} sampled {broken:,} are not: {batch.broken[0].reason}"
            yield CatalogError(str(self.layer.file), "source", expected)
        if not len(batch):
            return
        fields = [item for item in self.layer.fields.values() if not item.latest and item.source_column in wanted]
        yield from _prove_values(self.layer, fields, opened, batch, "fields")
        if self.layer.key and key_column(self.layer) in wanted:
            yield from self._prove_key(batch)
        yield from self._prove_positions(opened, batch)

    def _read_columns(self, request: Request) -> tuple[str, ...]:
        """The source's columns; those of the header that a load finds, where all that it asks for is there."""
        try:
            opened = open_source(replace(request, columns=wanted_columns(self.layer)))
        except LoadError:
            opened = open_source(request)
        with closing(cast("_Closable", opened.batches)):
            return opened.columns

    def _declared(self) -> dict[str, str]:
        """Keys of the layer file and the columns that they name."""
        named = {
            f"fields.{item.name}" + (".column" if item.column else ""): item.source_column
            for item in self.layer.fields.values()
            if not item.latest
        }
        return named | ({"key": key_column(self.layer)} if self.layer.key else {})

    def _explain(self, why: str) -> CatalogError:
        """The key that an error in opening the source is about."""
        if "source_layer" in why or "has no layer" in why or "has several layers" in why:
            key = "source_layer"
        elif "under [csv]" in why or "[csv]" in why or "for the position" in why or "geometry column" in why:
            key = "csv"
        else:
            key = "source"
        return CatalogError(str(self.layer.file), key, why)

    def _prove_key(self, batch: Batch) -> Iterator[CatalogError]:
        column = key_column(self.layer)
        keys = as_keys(batch.columns[column], self.layer.fields.get(self.layer.key))
        shared = self.layer.readings and self.layer.readings.source == self.layer.source
        twice = 0 if shared else len(keys) - keys.null_count - pc.count_distinct(keys, mode="only_valid").as_py()
        for count, what in ((keys.null_count, "are empty"), (twice, "were there before")):
            if count > _TWICE * len(keys):
                expected = (
                    f"a column with one value for each row; of {len(keys):,} sampled values of {column!r} {count:,}"
                )
                yield CatalogError(str(self.layer.file), "key", f"{expected} {what}")
                return

    def _prove_positions(self, opened: Opened, batch: Batch) -> Iterator[CatalogError]:
        layer, file = self.layer, str(self.layer.file)
        crs = layer.crs or opened.crs
        if not crs and not opened.assume_lonlat:
            yield CatalogError(file, "crs", f"a CRS such as EPSG:25832, because {layer.source} does not say its own")
            return
        try:
            place = find_place(crs or f"EPSG:{LONLAT}", layer.source, _code, None if layer.crs else opened.srid)
        except LoadError as error:
            yield CatalogError(file, "crs", str(error))
            return
        place = replace(place, stored_as=None)
        located = locate(batch, layer.geometry, place, lambda wkb: [None] * len(wkb))
        reasons = Counter(str(reason) for reason in located.reasons if reason is not None)
        judged = len(batch) - sum(count for why, count in reasons.items() if why == NOWHERE)
        if reasons[NOWHERE] > 0.5 * len(batch):
            yield CatalogError(
                file, "source", f"rows with positions; of {len(batch):,} sampled {reasons[NOWHERE]:,} have none"
            )
        misfits = {why: count for why, count in reasons.items() if "the layer holds" in why}
        if sum(misfits.values()) > _BAD * max(judged, 1):
            found = max(misfits, key=lambda why: misfits[why]).split()[2].strip(";")
            expected = (
                f"the kind of what is in {layer.source}: {misfits and max(misfits.values()):,} of {judged:,} sampled"
            )
            yield CatalogError(file, "kind", f"{expected} rows are {_WORDS[found]}; did you mean {_WORDS[found]!r}?")
            return
        yield from _prove_area(layer, place, batch, reasons, judged, given=crs)
        self._keep(located, place)

    def _keep(self, located: Located, place: Place) -> None:
        self.sampled = (located, place)
        x, y = located.middles()
        if len(x) >= MANY:
            lon, lat = (x, y) if place.to_lonlat is None else place.to_lonlat.transform(x, y)
            self.lonlat = np.stack([lon, lat])


class _Closable:
    """What a source's batches are, beyond an iterator."""

    def close(self) -> None:
        """End the reading."""


def _code(authority: str, code: str) -> int | None:
    """Any srid will do here: nothing is stored."""
    return int(code) if authority and code.isdigit() else None


def _read_columns(request: Request) -> tuple[str, ...]:
    opened = open_source(replace(request, positions=False))
    with closing(cast("_Closable", opened.batches)):
        return opened.columns


def _read_sample(request: Request) -> tuple[Opened, Batch]:
    """The source and its first rows."""
    opened = open_source(request)
    with closing(cast("_Closable", opened.batches)):
        batch, broken = Batch(np.empty(0, np.int64), {}), []
        for batch in opened.batches:
            broken += batch.broken
            if len(batch) or len(broken) > _ROWS:
                break
    batch.broken = broken
    if len(batch) > _ROWS:
        rows = slice(0, _ROWS)
        batch = replace(
            batch,
            lines=batch.lines[rows],
            columns={name: column.slice(0, _ROWS) for name, column in batch.columns.items()},
            points=None if batch.points is None else (batch.points[0][rows], batch.points[1][rows]),
            wkb=None if batch.wkb is None else batch.wkb.slice(0, _ROWS),
            unreadable=None if batch.unreadable is None else batch.unreadable[rows],
        )
    return opened, batch


def _prove_columns(
    layer: Layer, source: str, declared: dict[str, str], columns: Sequence[str]
) -> Iterator[CatalogError]:
    for key, name in declared.items():
        if name != FEATURE_ID and not has_name(name, columns):
            expected = f"a column of {source}, which has none named {name!r}{suggest(name, columns)}"
            yield CatalogError(str(layer.file), key, expected)


def _prove_values(
    layer: Layer, fields: Iterable[Field], opened: Opened, batch: Batch, table: str
) -> Iterator[CatalogError]:
    for item in fields:
        column, samples = batch.columns[item.source_column], opened.samples.get(item.source_column)
        key = f"{table}.{item.name}"
        filled, bad, example = _count_bad(item, column, opened.decimal, samples)
        if filled and bad > _BAD * filled:
            why = _find_unit(item, column, opened.decimal, samples)
            likely = "" if why else _find_type(item, column, opened.decimal, samples)
            hint = f"; {why}" if why else f"; did you mean {likely!r}?" if likely else ""
            expected = f"a type that fits: {bad:,} of {filled:,} sampled values of {item.source_column!r} are no"
            yield CatalogError(str(layer.file), f"{key}.type", f"{expected} {item.type}, such as {example!r}{hint}")
        elif item.filter == "range" and not FIELD_TYPES[item.type].has_range:
            likely = _find_type(item, column, opened.decimal, samples)
            hint = f"; did you mean type = {likely!r}?" if likely else f"; 'choice' or 'search' filters {item.type}"
            yield CatalogError(str(layer.file), f"{key}.filter", f"'range' needs a number or a time{hint}")


def _count_bad(item: Field, column: pa.Array, decimal: str, samples: list[str] | None) -> tuple[int, int, object]:
    """How many values there are, how many of them do not fit the declared type, and one of these."""
    _, misfits = Converter(item, decimal, samples).convert(column)
    masks = [misfit.mask for misfit in misfits if "suppressed" not in misfit.why]
    bad = np.zeros(len(column), dtype=bool)
    for mask in masks:
        bad |= pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False)
    example = column[int(np.argmax(bad))].as_py() if bad.any() else None
    return len(column) - column.null_count, int(bad.sum()), example


def _find_unit(item: Field, column: pa.Array, decimal: str, samples: list[str] | None) -> str:
    """What a load says of numbers in a time field: which unit they may count."""
    _, misfits = Converter(item, decimal, samples).convert(column)
    return next((misfit.why for misfit in misfits if misfit.why.startswith("a number is no time")), "")


def _find_type(item: Field, column: pa.Array, decimal: str, samples: list[str] | None) -> str:
    """The narrowest type that nearly all values fit; empty for text."""
    types: tuple[FieldType, ...] = (
        ("integer", "number", *_TIMES) if item.type != "date" else ("timestamp", "integer", "number")
    )
    for kind in types:
        filled, bad, _ = _count_bad(replace(item, type=kind), column, decimal, samples)
        if filled and bad <= _BAD * filled and kind != item.type:
            return kind
    return "" if item.type == "text" else "text"


def _prove_area(
    layer: Layer, place: Place, batch: Batch, reasons: Counter[str], judged: int, *, given: str | None
) -> Iterator[CatalogError]:
    """Positions that lie outside the area of the CRS, or look like numbers of another kind of CRS."""
    file = str(layer.file)
    degrees = _look_like_degrees(batch)
    if place.to_lonlat is not None and degrees is True and not place.geographic:
        expected = (
            f"the CRS of the positions in {layer.source}, which look like degrees and not like metres of {place.name}"
        )
        yield CatalogError(file, "crs", f"{expected}; did you mean 'EPSG:{LONLAT}'?")
        return
    swapped = sum(count for why, count in reasons.items() if why.endswith("with x and y swapped"))
    outside = sum(count for why, count in reasons.items() if why.startswith("outside")) - swapped
    if swapped > _BAD * max(judged, 1):
        yield CatalogError(
            file,
            "swap_axes",
            f"true: {swapped:,} of {judged:,} sampled positions fit {place.name} with x and y swapped only",
        )
    elif outside > _BAD * max(judged, 1):
        what = "no longitude and latitude" if place.geographic else f"outside the area of {place.name}"
        expected = (
            f"the CRS of {layer.source}, such as EPSG:25832: {outside:,} of {judged:,} sampled positions are {what}"
        )
        yield CatalogError(file, "crs" if given or degrees is False else "csv", expected)


def _look_like_degrees(batch: Batch) -> bool | None:
    """Whether all positions could be longitude and latitude with decimals; None where there are none."""
    if batch.points is not None:
        x, y = batch.points
    elif batch.wkb is not None:
        shapes, _ = read_wkb(batch.wkb.to_pylist())
        x, y = _middles(shapes)
    else:
        return None
    there = np.isfinite(x) & np.isfinite(y) & ~((x == 0) & (y == 0))
    if not there.any():
        return None
    x, y = x[there], y[there]
    return bool(((np.abs(x) <= 180) & (np.abs(y) <= 180)).all() and (x % 1 != 0).any())  # noqa: PLR2004 - degrees


def _middles(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bounds = shapely.bounds(shapes)
    return (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2


def _prove_readings(layer: Layer, database_url: str) -> Iterator[CatalogError]:
    readings = layer.readings
    assert readings is not None  # noqa: S101 - the caller looked
    request = replace(build_request(layer, database_url, (), readings=readings), sample=True)
    try:
        columns = _read_columns(request)
        declared = {"readings.key": readings.key} | {
            f"readings.fields.{item.name}" + (".column" if item.column else ""): item.source_column
            for item in readings.fields.values()
        }
        yield from _prove_columns(layer, readings.source, declared, columns)
        wanted = tuple(name for name in wanted_reading_columns(readings) if has_name(name, columns))
        opened, batch = _read_sample(replace(request, columns=wanted))
    except LoadError as error:
        yield CatalogError(str(layer.file), "readings.source", str(error))
        return
    fields = [item for item in readings.fields.values() if item.source_column in wanted]
    if len(batch):
        yield from _prove_values(layer, fields, opened, batch, "readings.fields")


def _prove_neighbours(centres: dict[str, tuple[Layer, np.ndarray]]) -> Iterator[CatalogError]:
    """A layer far from all others, which lie together: usually axes or a sign."""
    middles = {name: np.median(lonlat, axis=1) for name, (_, lonlat) in centres.items()}
    for name, (layer, lonlat) in centres.items():
        others = np.array([middle for other, middle in middles.items() if other != name])
        if len(others) < 2 or np.ptp(others, axis=0).max() > _CLOSE:  # noqa: PLR2004 - one may be wrong itself
            continue
        city = np.median(others, axis=0)
        if (np.abs(lonlat.T - city).max(axis=1) <= _FAR).any():
            continue
        key, hint = "crs", ""
        if np.abs(middles[name][::-1] - city).max() <= _FAR:
            key, hint = "swap_axes", "; did you mean true?"
        elif np.abs(np.abs(middles[name]) - np.abs(city)).max() <= _FAR:
            key, hint = "source", "; a sign is turned"
        lon, lat = city
        expected = f"positions near the other layers' ({lon:.2f}, {lat:.2f}); these are around"
        yield CatalogError(str(layer.file), key, f"{expected} {middles[name][0]:.2f}, {middles[name][1]:.2f}{hint}")
