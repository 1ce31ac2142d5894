"""Readings of a layer's features: copied to their own table, the latest of each joined into the layer's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.sql import SQL, Identifier

from geoserver.loading.columns import Columns
from geoserver.loading.copying import encode_rows
from geoserver.loading.features import as_keys
from geoserver.loading.keys import LineBook, delete_duplicates, find_fids
from geoserver.loading.report import Notes
from geoserver.loading.staging import column_types, copy_rows

if TYPE_CHECKING:
    from geoserver.loading.rejects import Rejects
    from geoserver.loading.report import Progress
    from geoserver.model import Layer, Readings
    from geoserver.sources import Batch, Opened

__all__ = ["ReadingLoader", "wanted_reading_columns"]

UNKNOWN = "reading of an unknown {}"
NO_TIME = "reading without a time"
DUPLICATE = "reading of a time that was there before"


def wanted_reading_columns(readings: Readings) -> tuple[str, ...]:
    """Columns of the source of readings, each once."""
    return tuple(dict.fromkeys([readings.key, *(item.source_column for item in readings.fields.values())]))


@dataclass(slots=True)
class ReadingLoader:
    """Fills the staging table of readings and the columns of the layer that show the latest ones."""

    connection: psycopg.Connection
    layer: Layer
    readings: Readings
    features: Identifier  # the staging table of the layer
    rejects: Rejects
    notes: Notes = field(default_factory=Notes)
    book: LineBook = field(default_factory=LineBook)
    columns: Columns = field(init=False)
    read: int = 0
    rejected: int = 0
    stored: int = 0

    def __post_init__(self) -> None:
        self.columns = Columns(tuple(self.readings.fields.values()), self.notes)

    @property
    def name(self) -> str:
        return f"{self.layer.readings_table}__staging"

    @property
    def table(self) -> Identifier:
        return Identifier("layers", self.name)

    def run(self, opened: Opened, progress: Progress) -> None:
        """Copy every reading, index them and note the latest; then `stored` says how many there are."""
        columns = SQL(", ").join([SQL("fid bigint NOT NULL"), *column_types(self.readings.fields.values())])
        self.connection.execute(SQL("CREATE TABLE {} ({})").format(self.table, columns))
        self.columns.open(opened)
        already = len(self.rejects)
        for batch in opened.batches:
            self._load_batch(batch)
            progress(self.read, opened.total, "readings")
        removed = self._make_unique()
        self.rejected = len(self.rejects) - already
        self.connection.execute(SQL("ANALYZE {}").format(self.table))
        self._join_latest()
        self.stored = self.book.rows - removed

    def _load_batch(self, batch: Batch) -> None:
        self.read += len(batch) + len(batch.broken)
        self.rejects.add_broken(batch.broken)
        if not len(batch):
            return
        reasons = np.full(len(batch), None, dtype=object)
        keys = as_keys(batch.columns[self.readings.key], self.layer.fields.get(self.layer.key))
        fids = find_fids(self.connection, self.features, keys)
        reasons[_mask(pc.is_null(fids))] = UNKNOWN.format(self.readings.key)
        converted = self.columns.convert(batch)
        for item in converted:
            if item.field.name == self.readings.time:
                for mask, reason in item.rejections():
                    if reason == f"{item.field.name} is no {item.field.type}":
                        continue  # then it is without a time, as an empty one
                    reasons[mask & (reasons == None)] = reason  # noqa: E711 - compares element by element
                reasons[_mask(pc.is_null(item.values)) & (reasons == None)] = NO_TIME  # noqa: E711 - compares element by element
        kept = np.asarray(reasons == None)  # noqa: E711 - compares element by element
        if not kept.all():
            self.rejects.add_rows(reasons, batch.lines, self.columns.declared(batch))
        self.columns.count(batch, converted, kept)
        mask = pa.array(kept)
        names = [Identifier(name) for name in ("fid", *self.readings.fields)]
        statement = SQL("COPY {} ({}) FROM STDIN WITH (FREEZE)").format(self.table, SQL(", ").join(names))
        copy_rows(
            self.connection,
            statement,
            encode_rows([column.filter(mask) for column in (fids, *(item.values for item in converted))]),
        )
        self.book.add(batch.lines[kept])

    def _make_unique(self) -> int:
        key = SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY (fid, {})").format(
            self.table, Identifier(f"{self.name}__pk"), Identifier(self.readings.time)
        )
        removed = 0
        try:
            with self.connection.transaction():
                self.connection.execute(key)
        except psycopg.errors.UniqueViolation:
            for position, text in delete_duplicates(self.connection, self.table, ["fid", self.readings.time]):
                self.rejects.add(self.book.line(position), DUPLICATE, {self.readings.time: text})
                removed += 1
            self.connection.execute(key)
        return removed

    def _join_latest(self) -> None:
        """Put the latest non-null value of each field into the feature's row."""
        time = Identifier(self.readings.time)
        latest = [
            SQL("(array_agg({name} ORDER BY {time} DESC) FILTER (WHERE {name} IS NOT NULL))[1] AS {name}").format(
                name=Identifier(name), time=time
            )
            for name in self.readings.fields
        ]
        self.connection.execute(
            SQL(
                "UPDATE {features} AS f SET {assignments}"
                " FROM (SELECT fid, {latest} FROM {readings} GROUP BY fid) AS r WHERE f.fid = r.fid"
            ).format(
                features=self.features,
                assignments=SQL(", ").join(
                    SQL("{name} = r.{name}").format(name=Identifier(name)) for name in self.readings.fields
                ),
                latest=SQL(", ").join(latest),
                readings=self.table,
            )
        )


def _mask(column: pa.Array) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)
