"""Counts by groups, as charts ask for them, beside the plain SQL that counts the same over the same rows.

Each question is asked for the first time (of filters that differ, so that none is known), and again from memory.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import uvloop

from benchmarks import shapes
from benchmarks.city import POINTS
from benchmarks.drive import Client, Timing
from benchmarks.frame import Row
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.frame import Context

__all__ = ["run"]

_AREAS = (20, 5_000)
_OF_ROWS, _OF_AREAS = 12, 3  # questions of each kind
_CATEGORIES = "'theft', 'vandalism', 'assault', 'burglary'"


@dataclass(frozen=True)
class _Question:
    """What is asked, and the SQL that counts the same; `{}` is a number that makes the filter another one."""

    name: str
    query: str
    statement: str
    rounds: int
    at_most: float


def run(context: Context) -> list[Row]:
    """Months by category under a filter, then points by area of a few and of many areas."""
    context.load(POINTS)
    layers = [_load_areas(context, number) for number in _AREAS]
    patient = {"GEOSERVER_STATEMENT_TIMEOUT": "300"}  # so that a busy machine is no error
    with context.serve_workspace(context.folder, context.database_url, patient) as server:
        return [row for one in _list_questions(layers) for row in _measure(context, server.url, one)]


def _load_areas(context: Context, number: int) -> str:
    name = f"areas-{number}"
    shapes.write_areas(context.folder / "data" / f"{name}.parquet", number)
    file = context.folder / "layers" / f"{name}.toml"
    file.write_text(shapes.build_areas_file(f"{name}.parquet"), encoding="utf-8")
    load(read_catalog(read_settings(context.folder)).layers[name], context.database_url, force=True)
    with psycopg.connect(context.database_url, autocommit=True) as connection:
        connection.execute(f'VACUUM ANALYZE layers."areas_{number}"'.encode())
    return name


def _list_questions(layers: list[str]) -> Iterator[_Question]:
    """Amounts begin below 0.5, so that the number leaves the same rows each time."""
    where = f"category IN ({_CATEGORIES}) AND amount > -{{}}"
    yield _Question(
        "month x category, the four most frequent categories left",
        f"group=reported_at:month,category&filter={quote(where, safe='{}')}",
        f"SELECT date_trunc('month', reported_at), category, count(*) FROM layers.points WHERE {where} GROUP BY 1, 2",
        _OF_ROWS,
        1.2,
    )
    yield _Question(
        "best bucket of time x category, the four most frequent categories left",
        f"group=reported_at,category&filter={quote(where, safe='{}')}",
        f"SELECT date_trunc('month', reported_at), category, count(*) FROM layers.points WHERE {where} GROUP BY 1, 2",
        _OF_ROWS,
        1.2,
    )
    for name in layers:
        yield _Question(
            f"points in each of {name.partition('-')[2]} areas",
            f"group=in:{name}&filter={quote('amount > -{}', safe='{}')}",
            f'SELECT areas.fid, count(*) FROM layers."{name.replace("-", "_")}" AS areas JOIN layers.points AS points'
            " ON ST_Intersects(areas.geom_3857, points.geom_3857) WHERE points.amount > -{} GROUP BY 1",
            _OF_AREAS,
            1.3,
        )


def _measure(context: Context, url: str, question: _Question) -> Iterator[Row]:
    first, again, plain = Timing(), Timing(), Timing()
    with (
        context.step("aggregates", question.name),
        psycopg.connect(context.database_url, autocommit=True) as connection,
    ):
        connection.execute("SET jit = off")
        for number in range(question.rounds + 1):
            path = f"/api/layers/{POINTS}/aggregate?{question.query.format(number)}"
            asked = uvloop.run(_ask_twice(url, path))
            start = time.perf_counter()
            connection.execute(question.statement.format(number).encode(), prepare=False).fetchall()
            spent = (time.perf_counter() - start) * 1000
            if number:  # the first is there to warm up
                for timing, sample in zip((first, again, plain), (*asked, spent), strict=True):
                    timing.samples.append(sample)
    what = f"{question.name}, first asked"
    yield Row("aggregates", what, first.p50, "ms", plain.p50, "its bare SQL", at_most=question.at_most)
    yield Row("aggregates", f"{question.name}, again", again.p50, "ms", first.p50, "first asked")


async def _ask_twice(url: str, path: str) -> tuple[float, float]:
    client, spent = Client(url, ""), []
    for _ in range(2):
        start = time.perf_counter()
        status, body = await client.ask(path)
        spent.append((time.perf_counter() - start) * 1000)
        if status != 200:
            raise RuntimeError(f"{path}: status {status}: {body[:200]!r}")
    client.close()
    return spent[0], spent[1]
