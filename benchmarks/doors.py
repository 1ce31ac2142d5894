"""What the gate costs at the doors: tiles and items of a restricted layer, by callers, beside a public one.

`GEOSERVER_BENCH_BEFORE` may name a checkout from before there was a gate: its hot public tiles are measured, too.
"""

from __future__ import annotations

import functools
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks import sql
from benchmarks.city import CITY, POINTS
from benchmarks.drive import Timing, fetch_all, measure, measure_by_wrk
from benchmarks.frame import Context, Row
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings
from geoserver.database.status import STATUS_QUERY, build_status
from geoserver.filtering import build, parse_rows
from geoserver.gate.making import Wish, make
from geoserver.loading import load
from geoserver.model import Grant
from geoserver.ogc.page import ItemsQuery, build_select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.frame import Server
    from geoserver.model import Layer, Tile

__all__ = ["run"]

CLOSED, SOME = "closed", "some"  # the same rows, restricted; and those alone that the limited key shows, for everybody
ROWS = "category = 'burglary'"
ZOOMS = (6, 10, 12, 14, 15)
_TILES = 24
_ROUNDS = 5
_SERVER, _CLIENT = "0", "1"
_ITEMS = "/ogc/collections/{}/items?f=json&limit={}"
_BEFORE = "GEOSERVER_BENCH_BEFORE"


def run(context: Context) -> list[Row]:
    """Write and load the layers, make two keys, and measure."""
    workspace = _write_layers(context)
    layers = read_catalog(read_settings(workspace)).layers
    for layer in layers.values():
        load(layer, context.database_url, force=True)
    with psycopg.connect(context.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    keys = _make_keys(context.database_url)
    tiles = sql.choose_tiles(context.database_url, layers[POINTS], ZOOMS, _TILES)
    rows: list[Row] = []
    with context.serve_workspace(workspace, context.database_url) as server:
        rows += _measure_hot(context, server, tiles, keys)
        rows += _measure_items(context, server, layers[CLOSED], keys)
    with context.serve_workspace(workspace, context.database_url, {"GEOSERVER_TILE_CACHE_MB": "0"}) as server:
        rows += _measure_cold(context, server, tiles, keys)
    if before := os.environ.get(_BEFORE):
        rows.append(_measure_before(context, workspace, Path(before), tiles))
    return rows


def _write_layers(context: Context) -> Path:
    context.source(POINTS)
    workspace = context.folder / "doors"
    (workspace / "layers").mkdir(parents=True, exist_ok=True)
    source = context.source(POINTS)
    head, *lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    some = source.with_name("some.csv")
    some.write_text(head + "".join(line for line in lines if '"burglary"' in line), encoding="utf-8")
    file = CITY[POINTS].layer_file
    for name, closed, path in ((POINTS, "", source), (CLOSED, 'access = "restricted"\n', source), (SOME, "", some)):
        text = closed + file.replace('"data/points.csv"', f'"{path}"')
        (workspace / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")
    return workspace


def _make_keys(url: str) -> dict[str, str]:
    grants = {"all rows": Grant(frozenset({CLOSED})), "some rows": Grant(frozenset({CLOSED}), rows=ROWS)}
    with psycopg.connect(url, autocommit=True) as connection:
        return {name: make(connection, Wish(name, (grant,)), "benchmark", "")[1] for name, grant in grants.items()}


def _paths(layer: str, tiles: Mapping[int, list[Tile]], zoom: int, query: str = "") -> list[str]:
    return [f"/tiles/{layer}/{tile.z}/{tile.x}/{tile.y}.mvt{query}" for tile in dict.fromkeys(tiles[zoom])]


def _in_turns(asks: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The best of some rounds of each; they take turns, and other work on the machine only adds to them."""
    found: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(_ROUNDS):
        for name, ask in asks.items():
            found[name].append(ask())
    return {name: min(values) for name, values in found.items()}


def _measure_hot(
    context: Context, server: Server, tiles: Mapping[int, list[Tile]], keys: Mapping[str, str]
) -> list[Row]:
    """What a tile from memory takes of the server's processor; each set is asked for before."""
    asked = {
        "public": (POINTS, ""),
        "all rows": (CLOSED, keys["all rows"]),
        "some rows": (CLOSED, keys["some rows"]),
        "only some": (SOME, ""),
    }

    def ask(layer: str, key: str) -> float:
        paths = _paths(layer, tiles, 14)
        measure(server.url, paths, seconds=0, least=len(paths) * 2, encoding="gzip", key=key)
        return _measure_processor(server, paths, max(1.0, context.seconds / _ROUNDS), key)

    times = _in_turns({name: lambda each=each: ask(*each) for name, each in asked.items()})  # type: ignore[misc]
    names = (("all rows", "public", "public"), ("some rows", "only some", "public, of those rows"))
    return [
        Row("doors", f"hot tile, restricted, {one}", times[one], "µs", times[other], against, at_most=1.1)
        for one, other, against in names
    ]


def _measure_processor(server: Server, paths: list[str], seconds: float, key: str = "") -> float:
    """Microseconds of the server's processor for an answer: what else the machine does is not in them."""
    before = _read_processor(server.pid)
    found = measure_by_wrk(server.url, paths, connections=8, seconds=seconds, encoding="gzip", cores=_CLIENT, key=key)
    return (_read_processor(server.pid) - before) / found.count * 1e6


def _read_processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _measure_cold(
    context: Context, server: Server, tiles: Mapping[int, list[Tile]], keys: Mapping[str, str]
) -> list[Row]:
    """Latency of tiles that are made anew each time, one after the other."""
    rows = []
    alike = f"?filter={ROWS.replace(' ', '%20')}"
    # The plan of the filter, as a map has it: without it many rows are counted that the limited key sees drawn.
    planned = orjson.loads(fetch_all(server.url, [f"/tiles/{POINTS}.json{alike}"])[0])["features_from"]
    for zoom in ZOOMS:
        asked = {
            "public": (_paths(POINTS, tiles, zoom), ""),
            "all rows": (_paths(CLOSED, tiles, zoom), keys["all rows"]),
            "filtered": (_paths(POINTS, tiles, zoom, f"{alike}&features-from={planned}"), ""),
            "some rows": (_paths(CLOSED, tiles, zoom), keys["some rows"]),
            "only some": (_paths(SOME, tiles, zoom), ""),
        }
        for paths, key in asked.values():
            measure(server.url, paths[:2], seconds=0, least=2, encoding="gzip", key=key)

        def ask(paths: list[str], key: str) -> float:
            found: Timing = measure(
                server.url, paths, seconds=context.seconds / _ROUNDS / 5, least=len(paths), encoding="gzip", key=key
            )
            return found.p50

        times = _in_turns({name: lambda each=each: ask(*each) for name, each in asked.items()})  # type: ignore[misc]
        rows += [
            Row("doors", f"cold tile z{zoom}, restricted, all rows", times["all rows"], "ms", times["public"],
                "public", at_most=1.1),
            Row("doors", f"cold tile z{zoom}, restricted, some rows", times["some rows"], "ms", times["filtered"],
                "public, filtered alike", at_most=1.1),
            Row("doors", f"cold tile z{zoom}, restricted, some rows", times["some rows"], "ms", times["only some"],
                "public, of those rows"),
        ]  # fmt: skip
    return rows


def _measure_items(context: Context, server: Server, layer: Layer, keys: Mapping[str, str]) -> list[Row]:
    """A page over HTTP, beside its own statement over a connection that is open: the same rows as texts of JSON. Beside
    it stands the same with a count of all rows that match, which is in the page, too; ours is known from the load.
    """
    rows = []
    with psycopg.connect(context.database_url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        found = connection.execute(STATUS_QUERY).fetchall()
        status = next(build_status(row) for row in found if row["id"] == layer.id)
        limited = replace(layer, rows=parse_rows(layer, status.srid, ROWS))
        for limit in (100, 1000):
            query = ItemsQuery(limit=limit, where=build(limited, status))
            statement, values = build_select(limited, status, query)
            counted = SQL("SELECT p.*, (SELECT count(*) FROM {} WHERE {}) AS matched FROM ({}) AS p").format(
                Identifier("layers", limited.table), build(limited, status).sql, statement
            )

            def ask_database(text: bytes, values: dict[str, object] = values) -> float:
                return _time(lambda: connection.execute(text, values).fetchall(), context.seconds / _ROUNDS)

            def ask_server(limit: int = limit) -> float:
                path, key = _ITEMS.format(CLOSED, limit), keys["some rows"]
                return measure(server.url, [path], seconds=context.seconds / _ROUNDS, key=key).p50

            def ask_publicly(limit: int = limit) -> float:
                path = f"{_ITEMS.format(POINTS, limit)}&category=burglary"
                return measure(server.url, [path], seconds=context.seconds / _ROUNDS).p50

            texts = {"database": statement.as_bytes(connection), "counted": counted.as_bytes(connection)}
            asks = {name: functools.partial(ask_database, text) for name, text in texts.items()}
            times = _in_turns({"server": ask_server, "public": ask_publicly, **asks})
            name = f"items?limit={limit}, restricted, some rows"
            rows.append(Row("doors", name, times["server"], "ms", times["database"], "its SQL", at_most=1.3))
            rows.append(Row("doors", name, times["server"], "ms", times["counted"], "its SQL with the count"))
            rows.append(Row("doors", name, times["server"], "ms", times["public"], "public, filtered alike"))
    return rows


def _time(work: Callable[[], object], seconds: float) -> float:
    """The middle of what it takes, in milliseconds."""
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 3:
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1000)
    return statistics.median(samples)


def _measure_before(context: Context, workspace: Path, before: Path, tiles: Mapping[int, list[Tile]]) -> Row:
    """Hot public tiles of both checkouts, which take turns."""
    paths = _paths(POINTS, tiles, 14)

    def ask(environment: dict[str, str]) -> float:
        with context.serve_workspace(workspace, context.database_url, environment, cores=_SERVER) as server:
            fetch_all(server.url, paths * 2, "gzip")
            return _measure_processor(server, paths, context.seconds)

    old = {"PYTHONPATH": str(before), "PYTHONSAFEPATH": "1"}
    times = _in_turns({"now": lambda: ask({}), "before": lambda: ask(old)})
    # Answers that a second of the processor gives.
    now, then = 1e6 / times["now"], 1e6 / times["before"]
    return Row("doors", "hot public tile", now, "answers/s of processor", then, "before the gate", at_least=0.95)
