"""Edits of a layer by SQL, commit included, beside a plain table of the same rows and indexes without our triggers."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks import sql
from benchmarks.city import POINTS
from benchmarks.data import CENTRE
from benchmarks.frame import Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.frame import Context
    from geoserver.model import Layer

__all__ = ["run"]

_PLAIN = "bench_plain"
_COLUMNS = "source_key, incident, category, reported_at, district, amount, geom"
_TIMES = 60  # that each single edit is done on each side
_SLOWER, _MOST = 3.0, 20.0  # times the plain table, and milliseconds
_UPSERTED, _UPSERT_SLOWER = 5_000, 2.0
_EDITORS, _LEAST = 10, 0.4
_NEAR = f"ST_DWithin(geom, ST_SetSRID(ST_MakePoint({CENTRE[0]}, {CENTRE[1]}), 4326), 0.02)"

_EDITS = {
    "a row inserted": (
        "INSERT INTO {} (source_key, incident, category, reported_at, district, amount, geom)"
        " SELECT 'new ' || %(n)s, 'new ' || %(n)s, 'theft', now(), 'north', 5, ST_Translate(geom, 1e-5, 1e-5)"
        " FROM {} WHERE fid = %(fid)s"
    ),
    "an attribute updated": "UPDATE {} SET category = CASE category WHEN 'theft' THEN 'fraud' ELSE 'theft' END"
    " WHERE fid = %(fid)s",
    "a row moved": "UPDATE {} SET geom = ST_Translate(geom, 0.001, 0.001) WHERE fid = %(fid)s",
    "a row deleted": "DELETE FROM {} WHERE fid = %(fid)s",
}


def run(context: Context) -> list[Row]:
    """Single edits, a large upsert, and ten editors at once; a server follows them meanwhile."""
    layer = context.load(POINTS)
    rows: list[Row] = []
    with context.serve(), _plain_table(context, layer) as connection:
        fids = _choose_fids(connection, layer)
        with context.step("edits", "single edits"):
            rows += _measure_single(context, connection, layer, fids)
        with context.step("edits", "upserts"):
            rows += _measure_upserts(connection, layer, fids)
        with context.step("edits", "ten editors"):
            rows += _measure_editors(context, layer)
    return rows


@contextlib.contextmanager
def _plain_table(context: Context, layer: Layer) -> Iterator[psycopg.Connection]:
    """The same rows with the same indexes in a table of its own, and a connection to both."""
    options = "-c timezone=UTC -c synchronous_commit=on"
    with psycopg.connect(context.database_url, autocommit=True, options=options) as connection:
        table, plain = Identifier("layers", layer.table), Identifier("public", _PLAIN)
        connection.execute(SQL("DROP TABLE IF EXISTS {}").format(plain))
        connection.execute(SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(plain, table))
        fill = SQL(f"INSERT INTO {{}} (fid, {_COLUMNS}) SELECT fid, {_COLUMNS} FROM {{}}")
        connection.execute(fill.format(plain, table))
        connection.execute(SQL("SELECT setval(pg_get_serial_sequence(%s, 'fid'), 10000000)"), [f"public.{_PLAIN}"])
        connection.execute(SQL("VACUUM ANALYZE {}").format(plain))
        connection.execute("CHECKPOINT")
        try:
            yield connection
        finally:
            connection.execute(SQL("DROP TABLE {}").format(plain))


def _choose_fids(connection: psycopg.Connection, layer: Layer) -> list[int]:
    """Rows of the dense centre, the same every time."""
    query = SQL(f"SELECT fid FROM {{}} WHERE {_NEAR} ORDER BY md5(fid::text) LIMIT 20000")
    return [fid for (fid,) in connection.execute(query.format(Identifier("layers", layer.table)))]


def _measure_single(context: Context, connection: psycopg.Connection, layer: Layer, fids: list[int]) -> list[Row]:
    tables = {"ours": Identifier("layers", layer.table), "plain": Identifier("public", _PLAIN)}
    rows, lines = [], []
    chosen = iter(fids)
    for name, text in _EDITS.items():
        spent: dict[str, list[float]] = {side: [] for side in tables}
        for number in range(_TIMES + 5):
            fid = next(chosen)
            for side, table in tables.items():  # in turn: what the machine does beside is shared
                statement = SQL(text).format(*itertools.repeat(table, text.count("{}")))
                start = time.perf_counter()
                connection.execute(statement, {"fid": fid, "n": number})
                if number >= 5:
                    spent[side].append((time.perf_counter() - start) * 1000)
        ours, plain = (statistics.median(spent[side]) for side in tables)
        rows.append(Row("edits", name, ours, "ms", plain, "plain table", at_most=_SLOWER))
        rows.append(Row("edits", f"{name}, in itself", ours, "ms", at_most=_MOST))
        lines.append((name, *(f"{statistics.quantiles(spent[side], n=20)[18]:.1f}" for side in tables)))
    title = f"95th percentile of one edit among {context.rows:,} rows, ms"
    context.tables.append(Table(title, ("edit", *tables), tuple(lines)))
    return rows


def _measure_upserts(connection: psycopg.Connection, layer: Layer, fids: list[int]) -> list[Row]:
    """Half of them are there, and change place and value."""
    tables = {"ours": Identifier("layers", layer.table), "plain": Identifier("public", _PLAIN)}
    spent: dict[str, list[float]] = {side: [] for side in tables}
    for turn in range(4):
        some = fids[5_000 + turn * _UPSERTED // 2 : 5_000 + (turn + 1) * _UPSERTED // 2]
        for side, table in tables.items():
            statement = SQL(
                f"INSERT INTO {{0}} (fid, {_COLUMNS})"
                " SELECT s.fid + CASE k WHEN 1 THEN 0 ELSE %(new)s END, s.source_key || CASE k WHEN 1 THEN ''"
                " ELSE '-' || %(new)s END, incident, 'assault', reported_at, district, amount + 1,"
                " ST_Translate(geom, 0.0005, 0.0005)"
                " FROM {0} AS s, generate_series(1, 2) AS k WHERE fid = ANY(%(fids)s)"
                " ON CONFLICT (fid) DO UPDATE SET category = excluded.category, amount = excluded.amount,"
                " geom = excluded.geom"
            ).format(table)
            start = time.perf_counter()
            connection.execute(statement, {"fids": some, "new": 20_000_000 * (turn + 1)})
            spent[side].append(time.perf_counter() - start)
    ours, plain = (statistics.median(spent[side][1:]) for side in tables)
    name = f"{_UPSERTED:,} rows upserted in one transaction"
    return [Row("edits", name, ours * 1000, "ms", plain * 1000, "plain table", at_most=_UPSERT_SLOWER)]


def _measure_editors(context: Context, layer: Layer) -> list[Row]:
    """Each moves a row somewhere, commits, and goes on."""
    if not sql.find_pgbench():
        context.note("edits: pgbench is not installed")
        return []
    rates: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(2):
        for side, table in (("ours", f'layers."{layer.table}"'), ("plain", f"public.{_PLAIN}")):
            statement = (
                f"\\set fid random(1, {context.rows})\n"
                f"UPDATE {table} SET geom = ST_Translate(geom, 0.0001, 0.0001) WHERE fid = :fid"
            )
            timing = sql.measure(context.database_url, statement, clients=_EDITORS, seconds=context.seconds)
            rates[side].append(timing.count / context.seconds)
    ours, plain = (statistics.mean(rates[side]) for side in rates)
    return [Row("edits", f"{_EDITORS} editors at once", ours, "1/s", plain, "plain table", at_least=_LEAST)]
