"""Server and database are killed at random moments of edits and folding: what was committed is there, counted once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import psycopg
import pytest

from geoserver.catalog import read_catalog
from geoserver.database import private
from geoserver.database.connecting import connect
from geoserver.database.migrate import apply_migrations
from geoserver.database.pool import Database
from geoserver.database.status import CHANNEL, read_statuses
from geoserver.filtering import build
from geoserver.loading import load
from geoserver.model import Tile
from geoserver.settings import Settings
from geoserver.tiling import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
WEST, SOUTH, SIDE = -28.65, 45.18, 0.06
ROWS, EDITORS = 21_000, 3
FILTERS = (
    "",
    "kind = 'oak'",
    "at >= DATE('2023-01-01')",
    "kind IN ('elm', 'fig') AND at < DATE('2023-06-01')",
    "size < 9",
)
LAYER = """
title = "Places"
description = "Edited while servers die."
theme = "Test"
license = "CC0-1.0"
attribution = "Nobody"
source = "{source}"
kind = "points"
time = "at"
[csv]
x = "lon"
y = "lat"
[fields.label]
title = "Label"
type = "text"
[fields.kind]
title = "Kind"
type = "text"
filter = "choice"
[fields.size]
title = "Size"
type = "integer"
[fields.at]
title = "Day"
type = "date"
filter = "range"
"""


def draw_values(draw: random.Random) -> tuple[str, int, str, float, float]:
    day = f"202{draw.randrange(1, 5)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 28):02}"
    kind = draw.choice(["oak", "oak", "elm", "fig", "yew"])
    return kind, draw.randrange(100), day, WEST + draw.random() * SIDE, SOUTH + draw.random() * SIDE


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Whatever is away meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(psycopg.OperationalError, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@dataclass
class House:
    """A workspace with a layer, its private PostGIS, and a server over it, both of which may be killed."""

    workspace: Path
    settings: Settings
    url: str
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER", "DATABASE_URL"))}
        command = [
            sys.executable,
            "-m",
            "geoserver",
            "serve",
            "--workspace",
            str(self.workspace),
            "--port",
            str(self.port),
        ]
        with (self.workspace / "server.log").open("a") as said:
            self.process = subprocess.Popen(command, cwd=ROOT, env=kept, stdout=said, stderr=said)

    def kill_server(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.start()

    def kill_database(self) -> None:
        """The postmaster and all that it has started, at once."""
        pid = private.status(self.settings).pid
        if pid is None:
            return
        children = [int(item.name) for item in Path("/proc").iterdir() if item.name.isdigit() and _parent(item) == pid]
        for one in (pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)

    def is_ready(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=20) as answer:
            return b'"ready"' in answer.read()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with connect(self.url, autocommit=True) as own:
            return own.execute(query.encode()).fetchall()


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@dataclass
class Editor:
    """One who edits rows of their own, and knows what is in the table: after a lost connection, one of two states."""

    house: House
    name: str
    draw: random.Random
    going: threading.Event
    known: dict[str, int] = field(default_factory=dict)  # of each row, by its label: its size
    commits: int = 0

    def run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            if not self.going.wait(0.1):
                continue
            try:
                with connect(self.house.url, autocommit=True, application="editor") as own:
                    self.check(own)
                    while self.going.is_set():
                        self._edit(own)
            except psycopg.OperationalError:  # it was killed
                time.sleep(0.1)

    def check(self, own: psycopg.Connection) -> None:
        """What is known to be committed is there."""
        found = own.execute("SELECT label, size FROM layers.places WHERE label LIKE %s", [f"{self.name}-%"]).fetchall()
        assert dict(found) in self._possible
        assert len(dict(found)) == len(found)
        self.known = dict(found)
        self._possible = [self.known]

    def __post_init__(self) -> None:
        self._possible = [self.known]

    def _edit(self, own: psycopg.Connection) -> None:
        new = dict(self.known)
        with own.transaction():
            for _ in range(self.draw.randint(1, 4)):
                self._edit_once(own, new)
            self._possible = [self.known, new]
        self.known, self._possible = new, [new]
        self.commits += 1

    def _edit_once(self, own: psycopg.Connection, new: dict[str, int]) -> None:
        kind, size, day, lon, lat = draw_values(self.draw)
        some = self.draw.choice(sorted(new)) if new else ""
        if not new or self.draw.random() < 0.4:
            label = f"{self.name}-{self.draw.random()}"
            own.execute(
                "INSERT INTO layers.places (label, kind, size, at, geom)"
                " VALUES (%s, %s, %s, %s, ST_Point(%s, %s, 4326))",
                [label, kind, size, day, lon, lat],
            )
            new[label] = size
        elif self.draw.random() < 0.6:
            own.execute(
                "UPDATE layers.places SET kind = %s, size = %s, at = %s, geom = ST_Point(%s, %s, 4326)"
                " WHERE label = %s",
                [kind, size, day, lon, lat, some],
            )
            new[some] = size
        else:
            own.execute("DELETE FROM layers.places WHERE label = %s", [some])
            del new[some]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    draw = random.Random("house")
    lines = ["label,kind,size,at,lon,lat"]
    lines += [f"{number},{','.join(map(str, draw_values(draw)))}" for number in range(ROWS)]
    (tmp_path / "places.csv").write_text("\n".join(lines))
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "places.toml").write_text(LAYER.format(source=tmp_path / "places.csv"))
    settings = Settings(workspace=tmp_path, database_url=None)
    url = private.ensure(settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = House(tmp_path, settings, url, free.getsockname()[1])
    try:
        catalog = read_catalog(settings)
        apply_migrations(url)
        load(catalog.layers["places"], url, recipes=catalog.recipes)
        made.start()
        wait_for(made.is_ready, "the server does not start")
        yield made
    finally:
        if made.process:
            made.process.kill()
            made.process.wait()
        private.stop(settings, force=True)
        private.remove(settings)


async def compare(house: House, draw: random.Random) -> None:
    """Some tiles of zooms 0 to 16 by what is prepared, and by the rows alone, while nobody edits."""
    database = Database(house.url, house.settings)
    await database.open()
    try:
        catalog, status = read_catalog(house.settings), (await read_statuses(database))["places"]
        layer = catalog.layers["places"]
        assert status.plan.block >= 0
        assert status.plan.prebuilt >= 0
        assert [(status.rows,)] == await asyncio.to_thread(house.ask, "SELECT count(*) FROM layers.places")
        by_rows = replace(status, plan=replace(status.plan, block=-1, prebuilt=-1))
        for zoom in (0, *draw.sample(range(1, 17), 5)):
            place = mercantile.tile(WEST + draw.random() * SIDE, SOUTH + draw.random() * SIDE, zoom)
            for text in ("", *draw.sample(FILTERS[1:], 1)):
                where = build(layer, status, filter=text)
                now, then = [
                    say(await render(database, catalog, layer, each, Tile(zoom, place.x, place.y), where=where))
                    for each in (status, by_rows)
                ]
                assert now == then, (place, text)
    finally:
        await database.close()


def say(body: bytes) -> dict[str, list[str]]:
    decoded = mapbox_vector_tile.decode(body) if body else {}
    return {name: sorted(map(repr, part["features"])) for name, part in decoded.items()}


def is_counted(house: House) -> bool:
    """Whether the tile over all of them, as the server gives it, counts every row."""
    tile = mercantile.tile(WEST, SOUTH, 5)
    with urllib.request.urlopen(f"http://127.0.0.1:{house.port}/tiles/places/{tile.z}/{tile.x}/{tile.y}.mvt") as answer:
        bins = mapbox_vector_tile.decode(answer.read())["places:bins"]["features"]
    return [(sum(one["properties"]["count"] for one in bins),)] == house.ask("SELECT count(*) FROM layers.places")


def is_told(house: House) -> bool:
    """Whether an edit is told of."""
    with connect(house.url, autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}".encode())
        house.ask("UPDATE layers.places SET size = size + 1 WHERE label = '7' RETURNING fid")
        return any(True for _ in listening.notifies(timeout=5, stop_after=1))


LEFT = """SELECT relname FROM pg_class WHERE relnamespace = 'layers'::regnamespace AND relkind = 'r'
    AND relname NOT IN ('places', 'places__packed', 'places__delta', 'places__bins')"""


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, 50])
def test_what_was_committed_before_a_kill_is_there_and_counted_once(house: House, kills: int) -> None:
    draw = random.Random(f"kills {kills}")
    going, ended = threading.Event(), threading.Event()
    editors = [Editor(house, f"e{at}", random.Random(f"{kills} {at}"), going) for at in range(EDITORS)]
    with ThreadPoolExecutor(EDITORS) as pool:
        work = [pool.submit(editor.run, ended) for editor in editors]
        try:
            for kill in range(kills):
                going.set()
                time.sleep(draw.uniform(0.2, 7 if kill % 5 == 0 else 2))  # a fold comes every five seconds
                draw.choice([house.kill_server, house.kill_database])()
                time.sleep(draw.uniform(0, 0.5))
                going.clear()
                wait_for(house.is_ready, "the server does not come back")
                wait_for(
                    lambda: not house.ask("SELECT FROM pg_stat_activity WHERE application_name = 'editor'"), "editors"
                )
                with connect(house.url, autocommit=True) as own:
                    for editor in editors:
                        editor.check(own)
                asyncio.run(compare(house, draw))
                wait_for(lambda: is_counted(house), "the server's tile counts other rows")
                assert house.ask(LEFT) == []
                assert all(not one.done() for one in work)
                if kill % 5 == 2:
                    assert is_told(house)
                    wait_for(
                        lambda: house.ask("SELECT count(*) FROM geoserver.edits") == [(0,)], "notes are not folded"
                    )
                    asyncio.run(compare(house, draw))
        finally:
            going.clear()
            ended.set()
        for one in work:
            one.result()
    assert min(editor.commits for editor in editors) > kills
