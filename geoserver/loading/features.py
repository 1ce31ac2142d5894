"""The features of a layer: batches of the source, converted, located, given ids and copied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from psycopg.sql import SQL, Identifier

from geoserver.errors import LoadError, UnstorableError
from geoserver.loading.area import LONLAT, MANY, Place, find_place
from geoserver.loading.columns import Columns, Converted
from geoserver.loading.convert import Converter
from geoserver.loading.copying import encode_points, encode_rows, encode_shapes
from geoserver.loading.geometry import Located, as_multi, locate
from geoserver.loading.keys import FidGiver, LineBook, delete_duplicates
from geoserver.loading.limits import MISPLACED, Limits
from geoserver.loading.report import Notes
from geoserver.model import Field

if TYPE_CHECKING:
    from geoserver.loading.rejects import Rejects
    from geoserver.loading.report import Progress
    from geoserver.loading.staging import Staging
    from geoserver.model import Layer
    from geoserver.sources import Batch, Opened

__all__ = ["FeatureLoader", "as_keys", "find_layer_place", "key_column", "wanted_columns"]

_KEY = Field(name="source_key", title="", type="text")
NO_KEY = "no key"
DUPLICATE = "key was there before"
LONG_KEY = "key is longer than 1,000 bytes"
_LONGEST_KEY = 1000  # bytes, well within what an index of PostgreSQL takes


def key_column(layer: Layer) -> str:
    """The source's column with the key: named by a field, or the column itself."""
    return layer.fields[layer.key].source_column if layer.key in layer.fields else layer.key


def wanted_columns(layer: Layer) -> tuple[str, ...]:
    """Columns of the source that a load reads, each once."""
    names = [item.source_column for item in layer.fields.values() if not item.latest]
    return tuple(dict.fromkeys([*names, key_column(layer)] if layer.key else names))


def find_layer_place(connection: psycopg.Connection, layer: Layer, opened: Opened) -> Place:
    """The layer file's CRS, else the source's, else longitude and latitude for a plain table; LoadError without."""

    def knows(authority: str, code: str) -> int | None:
        row = connection.execute(
            "SELECT srid FROM spatial_ref_sys WHERE auth_name = %s AND auth_srid::text = %s", [authority, code]
        ).fetchone()
        return int(row[0]) if row else None

    crs = layer.crs or opened.crs
    if not crs and not opened.assume_lonlat:
        raise LoadError(f"{layer.source}: does not say its CRS; set crs in the layer file, such as EPSG:25832")
    return find_place(crs or f"EPSG:{LONLAT}", layer.source, knows, None if layer.crs else opened.srid)


@dataclass(slots=True)
class FeatureLoader:
    """Fills one staging table. After `run`, `box` is the extent in stored coordinates."""

    connection: psycopg.Connection
    layer: Layer
    staging: Staging
    place: Place
    fids: FidGiver
    rejects: Rejects
    multi: bool = False  # geometries of several parts are expected: the column is made for them at once
    merge_keys: bool = False  # later rows of a key are readings of the same feature, no mistake
    assumed: bool = False  # the CRS is taken to be longitude and latitude
    limits: Limits | None = None  # of the city
    notes: Notes = field(default_factory=Notes)
    box: np.ndarray = field(default_factory=lambda: np.array([np.inf, np.inf, -np.inf, -np.inf]))
    read: int = 0
    book: LineBook = field(default_factory=LineBook)
    columns: Columns = field(init=False)
    _made: bool = False
    _settled: bool = False

    def __post_init__(self) -> None:
        self.columns = Columns(tuple(item for item in self.layer.fields.values() if not item.latest), self.notes)

    def run(self, opened: Opened, progress: Progress) -> None:
        """Copy every batch; raises LoadError when not one row can be stored. The columns have to be open."""
        progress(0, opened.total, "reading")
        for batch in opened.batches:
            self.add(batch)
            progress(self.read, opened.total, "reading")
        self.finish()

    def finish(self) -> None:
        """After the last batch."""
        self.staging.wait()
        if not self._made:
            self.staging.create(multi=False)
        if self.read and not self.book.rows:
            why = "; ".join(f"{count} x {reason}" for reason, count in self.rejects.reasons.most_common(3))
            hint = "; set swap_axes = true in the layer file" if "x and y swapped" in why else ""
            raise UnstorableError(f"{self.layer.source}: not one of {self.read} rows can be stored: {why}{hint}")

    def add(self, batch: Batch) -> None:
        """Copy the rows of a batch that can be stored."""
        self.read += len(batch) + len(batch.broken)
        self.rejects.add_broken(batch.broken)
        if not len(batch):
            return
        located = self._locate(batch)
        self._guard_assumption(batch, located)
        if self.limits:
            self._look_outside(located, self.limits)
        converted = self._convert(batch, located)
        keys = self._read_keys(batch, located) if self.layer.key else None
        kept = located.kept
        if not kept.all():
            self.rejects.add_rows(located.reasons, batch.lines, self.columns.declared(batch))
        self.columns.count(batch, converted, kept)
        if kept.any():
            self._store(batch.lines[kept], located, [item.values for item in converted], keys)
        self.notes.update(located.notes)

    def _locate(self, batch: Batch) -> Located:
        """Positions by the rules; the first batch with enough rows also tells where the layer lies."""
        located = locate(batch, self.layer.geometry, self.place, self._linearise)
        if not self._settled and located.kept.any():
            x, y = located.middles()
            self._settled = len(x) >= MANY
            self.place = self.place.settle(x, y)
            if self.place.home:
                return locate(batch, self.layer.geometry, self.place, self._linearise)
        return located

    def _look_outside(self, located: Located, limits: Limits) -> None:
        """Rows outside the city are counted, with the place of one; rejected only where `city.toml` says so."""
        rows, places = limits.misplaced(located, self.place)
        if limits.reject:
            mask = np.zeros(len(located.reasons), bool)
            mask[rows] = True
            located.reject(mask, MISPLACED)
        elif len(rows):
            lon, lat = places[:, 0]
            self.notes.add(f"{MISPLACED}, kept", len(rows), example=f"{lat:.5f}, {lon:.5f}")

    def _store(self, lines: np.ndarray, located: Located, values: list[pa.Array], keys: pa.Array | None) -> None:
        if not self._made:
            self.staging.wait()
            self.staging.create(multi=located.multi or self.multi)
            self._made = True
        elif located.multi:
            self.staging.promote()
        mask = None if located.kept.all() else pa.array(located.kept)
        values, keys = _filter(values, mask), None if keys is None else _filter([keys], mask)[0]
        geometry = self._encode(located)
        if self.fids.old:
            self.staging.wait()  # ids are looked up over the same connection
        fids = self.fids.give(len(lines), keys)
        self.staging.copy(encode_rows([fids, *([] if keys is None else [keys]), *values, geometry]))
        self.book.add(lines)

    def _encode(self, located: Located) -> pa.Array:
        kept = located.kept
        if located.points is not None:
            x, y = (axis[kept] for axis in located.points)
            bounds = np.array([x.min(), y.min(), x.max(), y.max()])
            text = encode_points(x, y, self.place.srid)
        else:
            assert located.shapes is not None  # noqa: S101 - one of the two is set
            shapes = located.shapes[kept]
            if self.staging.geometry_type.startswith("Multi"):
                shapes = as_multi(shapes, self.layer.geometry)
            bounds = shapely.total_bounds(shapes)
            text = encode_shapes(shapes, self.place.srid)
        self.box[:2] = np.minimum(self.box[:2], bounds[:2])
        self.box[2:] = np.maximum(self.box[2:], bounds[2:])
        return text

    def _convert(self, batch: Batch, located: Located) -> list[Converted]:
        """Values in declared types; one that does not fit becomes null and is counted; a time so rejects the row."""
        converted = self.columns.convert(batch)
        for item in converted:
            if item.field.name == self.layer.time:
                for mask, reason in item.rejections():
                    located.reject(mask, reason)
        return converted

    def _read_keys(self, batch: Batch, located: Located) -> pa.Array:
        keys = as_keys(batch.columns[key_column(self.layer)], self.layer.fields.get(self.layer.key))
        located.reject(keys.is_null().to_numpy(zero_copy_only=False), NO_KEY)
        long = pc.greater(pc.fill_null(pc.binary_length(keys), 0), _LONGEST_KEY)
        located.reject(long.to_numpy(zero_copy_only=False), LONG_KEY)
        return keys

    def _guard_assumption(self, batch: Batch, located: Located) -> None:
        """Numbers that are no longitude and latitude, and no CRS: say so instead of rejecting row after row."""
        if self.assumed and not self.book.rows:
            reasons = [str(reason) for reason in located.reasons if reason]
            if sum(reason.endswith("with x and y swapped") for reason in reasons) > len(batch) // 2:
                raise LoadError(
                    f"{self.layer.source}: most positions fit with x and y swapped;"
                    " set swap_axes = true in the layer file"
                )
            if sum(reason.startswith("outside") for reason in reasons) > len(batch) // 2:
                raise LoadError(
                    f"{self.layer.source}: the coordinates are no longitude and latitude;"
                    " set crs in the layer file, such as EPSG:25832"
                )

    def _linearise(self, wkb: list[bytes]) -> list[bytes | None]:
        """WKB without curves, by PostGIS; None for what it cannot read."""
        self.staging.wait()
        try:
            with self.connection.transaction():
                rows = self.connection.execute(
                    "SELECT ST_AsBinary(ST_CurveToLine(ST_GeomFromWKB(w)))"
                    " FROM unnest(%s::bytea[]) WITH ORDINALITY AS t (w, n) ORDER BY n",
                    [wkb],
                ).fetchall()
        except psycopg.Error:
            return [None] if len(wkb) == 1 else [self._linearise([value])[0] for value in wkb]
        return [bytes(row[0]) for row in rows]

    def make_keys_unique(self) -> int:
        """Build the unique index on the key; the first row of a key stays. Gives how many were removed."""
        index = SQL("CREATE UNIQUE INDEX {} ON {} (source_key)").format(
            Identifier(f"{self.layer.table}__staging__key"), self.staging.table
        )
        try:
            with self.connection.transaction():
                self.connection.execute(index)
        except psycopg.errors.UniqueViolation:
            removed = 0
            for position, key in delete_duplicates(self.connection, self.staging.table, ["source_key"]):
                removed += 1
                if not self.merge_keys:
                    shown = {self.layer.key: key} if self.layer.key in self.layer.fields else {}
                    self.rejects.add(self.book.line(position), DUPLICATE, shown)
            self.connection.execute(index)
            return removed
        return 0


def as_keys(column: pa.Array, declared: Field | None) -> pa.Array:
    """Keys as text, in the declared type's spelling where the key is a field; null where there is none."""
    if declared is not None and declared.type == "integer":
        column = Converter(declared).convert(column)[0]
    texts = Converter(_KEY).convert(column)[0]
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _filter(columns: list[pa.Array], mask: pa.Array | None) -> list[pa.Array]:
    return columns if mask is None else [column.filter(mask) for column in columns]
