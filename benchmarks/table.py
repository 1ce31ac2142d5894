"""The table: a page of rows nine tenths down beside the first one, in orders with and without an index, and the marks
that lead there beside the bare statement that numbers the rows.
"""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import orjson
import psycopg

from benchmarks.frame import Context, Row, Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["run"]

_ROUNDS = 101  # each connection prepares a statement when it has been asked for some times
_PAGE = 100
# The field `incident` has no index. Under a filter, its rows are counted.
_FILTER = "amount > 20"
_ORDERS = (
    ("", ""),
    ("reported_at", ""),
    ("-reported_at", ""),
    ("amount", ""),
    ("incident", ""),
    ("-incident", ""),
    ("category", ""),
    ("-district,amount", ""),
    ("reported_at", _FILTER),
    ("-incident", _FILTER),
    ("", _FILTER),
)


def run(context: Context) -> list[Row]:
    """Medians over one connection, first and deep pages in turns."""
    rows, lines = [], []
    with context.serve() as server:
        client = _Client(server.url)
        for sort, condition in _ORDERS:
            order = sort or "order of ids"
            name = f"{order}{', filtered' if condition else ''}"
            with context.step("table", name):
                asked = {"filter": condition} if condition else {}
                asked |= {"sortby": sort} if sort else {}
                marks, made = client.ask("/api/layers/points/rows/marks", asked)
                bare = _measure_bare(context.database_url, sort, condition)
                client.close()  # the server has let go of it meanwhile
                row = marks["count"] * 9 // 10 // 1000 * 1000 + 500  # between two marks
                mark = min(row // marks["every"], len(marks["cursors"]))
                deep = {"offset": str(row - mark * marks["every"])}
                if mark:
                    deep["cursor"] = marks["cursors"][mark - 1]
                first, there = client.compare({"limit": str(_PAGE), "skipGeometry": "true", **asked}, deep)
                what = f"page at row {row:,}, {name}"
                rows.append(Row("table", what, there, "ms", first, "the first page", at_most=1.3))
                lines.append((name, f"{first:.1f}", f"{there:.1f}", f"{made:.0f}", f"{bare:.0f}"))
        client.close()
    header = ("order", "first page, ms", f"page at {0.9:.0%} of the rows", "marks, made", "the rows numbered, by SQL")
    context.tables.append(Table("Pages of a table", header, lines))
    return rows


class _Client:
    """One connection that is kept."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(self, path: str, values: Mapping[str, str]) -> tuple[Any, float]:
        """The answer, and how many milliseconds it took."""
        start = time.perf_counter()
        self._connection.request("GET", f"{path}?{urlencode(values)}")
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return orjson.loads(body), (time.perf_counter() - start) * 1000

    def compare(self, first: Mapping[str, str], deep: Mapping[str, str]) -> tuple[float, float]:
        """Milliseconds of both pages, which must be full."""
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(_ROUNDS):
            for values, found in zip((first, {**first, **deep}), times, strict=True):
                page, took = self.ask("/ogc/collections/points/items", values)
                if page["numberReturned"] != _PAGE:
                    raise RuntimeError(f"a page of {page['numberReturned']} rows")
                found.append(took)
        return sorted(times[0])[_ROUNDS // 2], sorted(times[1])[_ROUNDS // 2]

    def close(self) -> None:
        self._connection.close()


def _measure_bare(database_url: str, sort: str, condition: str) -> float:
    """Milliseconds of numbering the rows and giving out one in a thousand, once."""
    keys = [
        f"{key.lstrip('-')} {'DESC' if key.startswith('-') else 'ASC'} NULLS LAST" for key in sort.split(",") if key
    ]
    text = (
        f"SELECT fid FROM (SELECT fid, row_number() OVER (ORDER BY {', '.join([*keys, 'fid'])}) AS n FROM layers.points"
        f" WHERE {condition or 'TRUE'}) AS rows WHERE n % 1000 = 0"
    )
    with psycopg.connect(database_url) as connection:
        start = time.perf_counter()
        connection.execute(text.encode()).fetchall()
        return (time.perf_counter() - start) * 1000
