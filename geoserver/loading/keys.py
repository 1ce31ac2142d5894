"""Feature ids that survive a reload: keys of the source keep the id that they had, new ones get one never used."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

__all__ = ["FidGiver", "LineBook", "delete_duplicates", "find_fids"]


def find_fids(connection: psycopg.Connection, table: Identifier, keys: pa.Array) -> pa.Array:
    """The feature id of each key, null for a key that the table does not have."""
    query = SQL("SELECT source_key, fid FROM {} WHERE source_key = ANY(%s)").format(table)
    rows = connection.execute(query, [keys.to_pylist()]).fetchall()
    known = pa.array([key for key, _ in rows], pa.string())
    fids = pa.array([fid for _, fid in rows], pa.int64())
    return fids.take(pc.index_in(keys, value_set=known))


@dataclass(slots=True)
class FidGiver:
    """Gives ids to batches. `old` is the table in service when the layer has a key and was loaded before."""

    connection: psycopg.Connection
    old: Identifier | None
    last: int

    def give(self, count: int, keys: pa.Array | None) -> pa.Array:
        if self.old is None or keys is None:
            return self._fresh(count)
        fids = find_fids(self.connection, self.old, keys)
        missing = pc.is_null(fids)
        if fids.null_count:
            fids = pc.replace_with_mask(fids, missing, self._fresh(fids.null_count))
        return fids

    def _fresh(self, count: int) -> pa.Array:
        start = self.last + 1
        self.last += count
        return pa.array(np.arange(start, start + count, dtype=np.int64))


@dataclass(slots=True)
class LineBook:
    """Remembers the source line of the n-th stored row in few numbers: only where the difference changes."""

    rows: int = 0
    _starts: array[int] = field(default_factory=lambda: array("q"))
    _offsets: array[int] = field(default_factory=lambda: array("q"))

    def add(self, lines: np.ndarray) -> None:
        if not len(lines):
            return
        offsets = lines - np.arange(self.rows, self.rows + len(lines))
        last = self._offsets[-1] if self._offsets else None
        changes = np.flatnonzero(np.diff(offsets, prepend=offsets[0] - 1 if last is None else last))
        self._starts.extend((changes + self.rows).tolist())
        self._offsets.extend(offsets[changes].tolist())
        self.rows += len(lines)

    def line(self, row: int) -> int:
        """The line of the stored row with that number, counted from 0."""
        return row + self._offsets[bisect_right(self._starts, row) - 1]


def delete_duplicates(
    connection: psycopg.Connection, table: Identifier, columns: list[str]
) -> Iterator[tuple[int, str]]:
    """Delete all but the first row of each key; yields number in load order (from 0) and last part of its key."""
    names = SQL(", ").join(Identifier(name) for name in columns)
    query = SQL(
        "WITH numbered AS (SELECT ctid, row_number() OVER (ORDER BY ctid) - 1 AS position,"
        " row_number() OVER (PARTITION BY {names} ORDER BY ctid) AS turn FROM {table}),"
        " gone AS (DELETE FROM {table} AS t USING numbered AS n WHERE t.ctid = n.ctid AND n.turn > 1"
        " RETURNING n.position, t.{last}::text)"
        " SELECT * FROM gone ORDER BY 1"
    ).format(names=names, table=table, last=Identifier(columns[-1]))
    with connection.cursor() as cursor:
        yield from cursor.stream(query)
