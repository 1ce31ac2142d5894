"""What the gate costs a request: 10,000 keys over 1,000 layers, most of them restricted, some grants with a filter."""

from __future__ import annotations

import asyncio
import base64
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from benchmarks.frame import Context, Row, make_database
from geoserver.access import NOBODY, Access, View
from geoserver.api.identify import Identify
from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings
from geoserver.database.connecting import connect
from geoserver.database.keys import read_known
from geoserver.gate.credentials import make_key
from geoserver.gate.grants import render_grant
from geoserver.gate.making import Wish, make
from geoserver.loading import load
from geoserver.model import Grant

if TYPE_CHECKING:
    from geoserver.gate import Gate
    from geoserver.services import Services

__all__ = ["run"]

_KEYS = 10_000
_LAYERS = 1_000
_FILTERS = 100  # that differ
_CALLS = 20_000
_LAYER = """\
title = "Layer {number}"
license = "CC0-1.0"
source = "data/rows.csv"
kind = "points"
access = "{access}"
fields.name = {{ type = "text" }}
fields.owner = {{ type = "text", restricted = true }}
"""

type _Headers = list[tuple[bytes, bytes]]


def run(context: Context) -> list[Row]:
    """Fill a database of its own, and measure in this process what goes before and after a door."""
    workspace = _write_workspace(context.folder / "gate")
    url = make_database(context.database_url, f"{conninfo_to_dict(context.database_url)['dbname']}_gate")
    keys = _fill(workspace, url)
    return asyncio.run(_measure(context, workspace, url, keys))


def _write_workspace(folder: Path) -> Path:
    for part in ("layers", "data"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows = "".join(f"n{n},o{n % _FILTERS},{-28.6 + n / 1e4},{45.2 + n / 1e4}\n" for n in range(500))
    (folder / "data" / "rows.csv").write_text(f"name,owner,lon,lat\n{rows}", encoding="utf-8")
    for number in range(_LAYERS):
        text = _LAYER.format(number=number, access="public" if number % 10 == 9 else "restricted")
        (folder / "layers" / f"layer-{number}.toml").write_text(text, encoding="utf-8")
    return folder


def _fill(workspace: Path, url: str) -> list[str]:
    """One layer is loaded, the others are views of it; gives the keys; number n opens layer n and others."""
    load(read_catalog(read_settings(workspace)).layers["layer-0"], url)
    with psycopg.connect(url, autocommit=True) as connection, connection.transaction():
        columns = "version, rows, west, south, east, north, srid, geometry_type, source, fingerprint, plan, declared"
        for number in range(1, _LAYERS):
            connection.execute(f"CREATE OR REPLACE VIEW layers.layer_{number} AS SELECT * FROM layers.layer_0".encode())
            connection.execute(
                f"INSERT INTO geoserver.layers (id, {columns}) SELECT %s, {columns} FROM geoserver.layers"
                " WHERE id = 'layer-0' ON CONFLICT (id) DO NOTHING".encode(),
                [f"layer-{number}"],
            )
        connection.execute("TRUNCATE geoserver.keys CASCADE")
        made = [make_key() for _ in range(_KEYS)]
        with connection.cursor().copy("COPY geoserver.keys (id, digest, label, grants, created_by) FROM STDIN") as copy:
            copy.set_types(["text", "bytea", "text", "jsonb", "text"])
            for number, (key_id, _, digest) in enumerate(made):
                copy.write_row([key_id, digest, f"key {number}", Jsonb(_build_grants(number)), "benchmark"])
    return [key for _, key, _ in made]


def _build_grants(number: int) -> list[dict[str, object]]:
    names = frozenset(f"layer-{(number + step * 7) % _LAYERS}" for step in range(5))
    part = Grant(frozenset({"layer-0"}), rows=f"owner = 'o{number % _FILTERS}'")
    return [render_grant(Grant(names - {"layer-0"}, fields=frozenset({"owner"}))), render_grant(part)]


async def _measure(context: Context, workspace: Path, url: str, keys: list[str]) -> list[Row]:
    app = create_app(read_settings(workspace), url)
    async with app.router.lifespan_context(app):
        gate: Gate = app.state.gate
        await gate.look()
        with connect(url, autocommit=True) as connection:
            start = time.perf_counter()
            read_known(connection)
            context.note(f"gate: {_KEYS:,} keys are read in {1000 * (time.perf_counter() - start):.0f} ms")
        rows = await _measure_requests(app.state.services, gate, keys)
        await _measure_news(context, gate, url)
    return rows


async def _measure_requests(services: Services, gate: Gate, keys: list[str]) -> list[Row]:
    """The median of each kind of request, by another key each time."""
    door = _Door(services)
    identify = Identify(door, gate, {})
    chosen = [random.Random(11).randrange(_KEYS) for _ in range(_CALLS)]
    chosen = [number if number % _LAYERS else number + 1 for number in chosen]  # layer-0 is the one with a filter

    async def ask(number: int, layer: str, headers: _Headers, query: bytes = b"") -> None:
        door.layer = layer
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/x", "query_string": query}
        scope |= {"headers": [*_USUAL, *headers], "client": ("192.0.2.7", 1), "number": number}
        await identify(scope, _receive, _send)

    async def median(call: Callable[[int], Awaitable[None]]) -> float:
        taken = []
        for number in chosen:
            start = time.perf_counter()
            await call(number)
            taken.append(time.perf_counter() - start)
        return 1000 * statistics.median(taken)

    def bearer(number: int) -> _Headers:
        return [(b"authorization", b"Bearer " + keys[number].encode())]

    def basic(number: int) -> _Headers:
        return [(b"authorization", b"Basic " + base64.b64encode(b"qgis:" + keys[number].encode()))]

    def row(name: str, taken: float) -> Row:
        return Row("gate", name, taken, "ms", at_most=0.3)

    await median(lambda number: ask(number, "layer-0", bearer(number)))  # the filters' counts are known from now on
    return [
        row("nobody, a public layer", await median(lambda n: ask(n, "layer-9", []))),
        row("a key as Bearer, its restricted layer", await median(lambda n: ask(n, f"layer-{n % _LAYERS}", bearer(n)))),
        row("a key by Basic, the same", await median(lambda n: ask(n, f"layer-{n % _LAYERS}", basic(n)))),
        row(
            "a key in the address, the same",
            await median(lambda n: ask(n, f"layer-{n % _LAYERS}", [], b"limit=9&key=" + keys[n].encode())),
        ),
        row("a key that sees some rows of its layer", await median(lambda n: ask(n, "layer-0", bearer(n)))),
    ]


class _Door:
    """Stands for what comes after the gate: looks its layer up, and does nothing with it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.layer = ""

    async def __call__(self, scope: Any, _receive: object, _send: object) -> None:
        access: Access = scope["state"].get("access", NOBODY)
        await View(self._services, access).layer(self.layer)


async def _measure_news(context: Context, gate: Gate, url: str) -> None:
    """How long it takes until a key that was revoked elsewhere holds no more."""
    taken = []
    with connect(url, autocommit=True) as connection:
        for _ in range(10):
            stored, _ = make(connection, Wish("short", (Grant(frozenset({"layer-1"})),)), "benchmark", "benchmark")
            await gate.look()
            before = len(gate.list_grants())
            connection.execute("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
            start = time.perf_counter()
            while len(gate.list_grants()) == before:  # noqa: ASYNC110 - as a client sees it
                await asyncio.sleep(0.001)
            taken.append(time.perf_counter() - start)
    middle, most = 1000 * statistics.median(taken), 1000 * max(taken)
    context.note(f"gate: a revocation is known after {middle:.0f} ms, at most {most:.0f}")


async def _receive() -> Any:
    """Nothing is sent."""


async def _send(message: Any) -> None:
    """A refusal would be a fault of the measurement."""
    raise RuntimeError(message)


_USUAL: _Headers = [
    (b"host", b"maps.example.org"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"*/*"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://maps.example.org/"),
    (b"connection", b"keep-alive"),
    (b"cookie", b"theme=dark; seen=1"),
]
