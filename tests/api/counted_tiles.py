"""A workspace whose tiles count how often they are made, in a sequence, and take as long as a table says."""

from __future__ import annotations

import http.client
import json
import re
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from geoserver.catalog import read_layer
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RECIPE = """
SELECT t.body FROM
 (SELECT ST_AsMVT(m, {layer}, 4096, 'geom', 'fid') AS body FROM
   (SELECT fid{columns}, ST_AsMVTGeom(geom_3857, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS geom
    FROM {table} WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096) AND {where}
    ORDER BY fid) AS m) AS t,
 (SELECT nextval('public.tiles_made') AS n, pg_sleep((SELECT seconds FROM public.pace))::text AS nothing) AS c
WHERE c.n > 0 AND c.nothing = ''
"""
LAYER = """
title = "Stops"
license = "CC0-1.0"
source = "data/{id}.csv"
kind = "counted"
key = "code"
fields.name = {{ type = "text", filter = "choice" }}
"""
WEST, SOUTH, STEP = -28.6, 45.2, 0.01
PLACES = [(round(WEST + STEP * (n % 12), 4), round(SOUTH + STEP * (n // 12), 4)) for n in range(144)]


def write_workspace(folder: Path) -> Path:
    for name in ("layers", "data", "tiles"):
        (folder / name).mkdir()
    (folder / "tiles" / "counted.sql").write_text(RECIPE, encoding="utf-8")
    rows = "".join(f"{n},{'ab'[n % 2]},{lon},{lat}\n" for n, (lon, lat) in enumerate(PLACES))
    for name in ("stops", "shops"):
        (folder / "layers" / f"{name}.toml").write_text(LAYER.format(id=name), encoding="utf-8")
        (folder / "data" / f"{name}.csv").write_text("code,name,lon,lat\n" + rows, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Reply:
    """One answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass
class World:
    """The workspace, the database and, when it runs, the server's address."""

    workspace: Path
    database_url: str
    url: str = ""

    def fill(self) -> None:
        self.execute("CREATE SEQUENCE public.tiles_made")
        self.execute("CREATE TABLE public.pace (seconds double precision)")
        self.execute("INSERT INTO public.pace VALUES (0)")
        for name in ("stops", "shops"):
            self.load(name)

    def load(self, name: str) -> None:
        load(read_layer(self.workspace / "layers" / f"{name}.toml"), self.database_url, force=True)

    def execute(self, query: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def edit_silently(self, query: str, params: list[Any]) -> None:
        """Change stops without the trigger that would tell of it, so that a test may tell what it likes."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("ALTER TABLE layers.stops DISABLE TRIGGER USER")
            connection.execute(query.encode(), params)
            connection.execute("ALTER TABLE layers.stops ENABLE TRIGGER USER")

    @contextmanager
    def locked(self, statement: str) -> Iterator[None]:
        """Hold a lock, so that queries wait for as long as a test likes."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement.encode())
            yield
            connection.rollback()

    def waiting_queries(self) -> int:
        """How many of the server's queries wait for a lock."""
        ((number,),) = self.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
            " AND application_name = 'geoserver' AND wait_event_type = 'Lock'"
        )
        return int(number)

    def take(self, seconds: float) -> None:
        """Let every tile from now on take that long."""
        self.execute("UPDATE public.pace SET seconds = %s", [seconds])

    def made(self) -> int:
        """How many tiles have been made so far."""
        ((number,),) = self.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.tiles_made")
        return int(number)

    def notify(self, tiles: list[list[int]] | None, layer: str = "stops", **more: object) -> None:
        """Tell what a trigger would, with the next version."""
        ((version,),) = self.execute(
            "UPDATE geoserver.layers SET version = version + 1 WHERE id = %s RETURNING version", [layer]
        )
        told: dict[str, object] = {"layer": layer, "version": version, "bounds": None, **more}
        if tiles is not None:
            told["tiles"] = tiles
        self.execute("SELECT pg_notify('geoserver_changes', %s)", [json.dumps(told)])

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        with closing(connection):
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())

    def metric(self, name: str, labels: str = "") -> float:
        """The sum of a metric over all lines of that name that hold those labels."""
        text = self.ask("/metrics").body.decode()
        found = re.findall(rf"^geoserver_{name}(\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        assert found, name
        return sum(float(value) for shown, value in found if labels in shown)

    def wait_for_invalidation(self, tell: Callable[[], object], tiles: int = 1) -> None:
        """Do what tells of a change, and wait until the server has dropped that many tiles."""
        before = self.metric("tiles_invalidated_total")
        tell()
        wait_for(lambda: self.metric("tiles_invalidated_total") >= before + tiles)


def wait_for(true: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
