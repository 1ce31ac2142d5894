"""What is made ahead for tiles: its bytes beside the table's own, and its time beside the load's own.

Made ahead are the tables `layers.{table}__*` (but for readings, which are data) and every column of the table that is
neither declared nor the store's own, with the indexes on them. The table's own size is all the rest: rows, geometries
in both systems, and their indexes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.frame import Row

if TYPE_CHECKING:
    from benchmarks.frame import Context
    from geoserver.model import Layer

__all__ = ["run"]

_OWN = ("fid", "source_key", "geom", "geom_3857")


def run(context: Context) -> list[Row]:
    """Per layer the bytes, and the seconds where the load tells them."""
    rows = []
    for name in context.layers:
        layer = context.load(name)
        with psycopg.connect(context.database_url) as connection:
            made, own = _read_sizes(connection, layer)
            rows.append(Row("size", f"{name}, made ahead", made / 1e6, "MB", own / 1e6, "the table's own", at_most=1))
            seconds = _read_seconds(connection, layer)
        if seconds is None:
            context.note(f"size: the load of {name} does not tell how long it took to make things ahead")
        else:
            build, rest = seconds
            rows.append(Row("size", f"{name}, made ahead", build, "s", rest, "the rest of the load", at_most=1))
    return rows


def _read_sizes(connection: psycopg.Connection, layer: Layer) -> tuple[int, int]:
    """Bytes of what is made ahead, and of the table without it."""
    tables = connection.execute(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c"
        " WHERE c.relnamespace = 'layers'::regnamespace AND c.relkind IN ('r', 'm', 'p')"
        " AND starts_with(c.relname, %(prefix)s) AND NOT c.relname = ANY(%(data)s)",
        {"prefix": f"{layer.table}__", "data": [layer.readings_table, f"{layer.table}__staging"]},
    ).fetchone()
    table = f'layers."{layer.table}"'
    known = [*_OWN, *(field.name for field in layer.listed_fields)]
    columns = connection.execute(
        "SELECT attname, attnum FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND NOT attname = ANY(%s)",
        [table, known],
    ).fetchall()
    total = connection.execute("SELECT pg_total_relation_size(%s::regclass)", [table]).fetchone()
    indexes = connection.execute(
        "SELECT coalesce(sum(pg_relation_size(indexrelid)), 0)::bigint FROM pg_index"
        " WHERE indrelid = %s::regclass AND indkey::int2[] && %s::int2[]",
        [table, [number for _, number in columns]],
    ).fetchone()
    assert tables
    assert total
    assert indexes
    inside = int(indexes[0])
    if columns:
        sums = SQL(" + ").join(
            SQL("coalesce(sum(pg_column_size({})), 0)").format(Identifier(name)) for name, _ in columns
        )
        found = connection.execute(SQL("SELECT {} FROM {}").format(sums, Identifier("layers", layer.table))).fetchone()
        assert found
        inside += int(found[0])
    return int(tables[0]) + inside, int(total[0]) - inside


def _read_seconds(connection: psycopg.Connection, layer: Layer) -> tuple[float, float] | None:
    """Seconds spent on what is made ahead, and on the rest of the load; None where loads do not tell.

    A load tells them in `geoserver.layers.prepare_seconds`, which is part of `seconds`.
    """
    told = connection.execute(
        "SELECT to_jsonb(l) -> 'prepare_seconds', l.seconds FROM geoserver.layers AS l WHERE l.id = %s", [layer.id]
    ).fetchone()
    if told is None or told[0] is None:
        return None
    return float(told[0]), float(told[1]) - float(told[0])
