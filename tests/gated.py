"""A small city of which not everybody may see all, and the same city as it would be without what they may not see."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from fastapi.testclient import TestClient
from mapbox_vector_tile import decode
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from geoserver.access import Access, View
from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.gate.making import Wish, make
from geoserver.loading import load
from geoserver.model import ANY, Grant
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY = "canary"  # in every text that is not for everybody
NUMBER = 7_654_321  # and among the numbers
HEAD = 'title = "{title}"\nlicense = "CC0-1.0"\n'
CLOSED = 'access = "restricted"\n'
STOPS = """source = "data/stops.csv"
kind = "points"
[fields.name]
type = "text"
filter = "choice"
"""
HOMES = """source = "data/homes.csv"
kind = "points"
label = "{name}"
[fields.name]
type = "text"
filter = "choice"
[fields.rooms]
type = "integer"
filter = "range"
"""
OWNER = """[fields.owner]
title = "Owner canary"
type = "text"
filter = "choice"
restricted = true
"""
PEOPLE = """source = "data/people.csv"
kind = "points"
key = "id"
time = "at"
label = "{name}"
style = "people"
[fields.name]
type = "text"
filter = "search"
[fields.zone]
type = "text"
filter = "choice"
[fields.height]
type = "integer"
filter = "range"
[fields.size]
type = "number"
[fields.at]
type = "timestamp"
filter = "range"
"""
PAY = """[fields.pay]
title = "Pay canary"
type = "integer"
filter = "range"
restricted = true
"""
READINGS = """[readings]
source = "data/readings.csv"
key = "id"
time = "taken"
[readings.fields.taken]
type = "timestamp"
[readings.fields.steps]
type = "integer"
"""
PULSE = """[readings.fields.pulse]
title = "Pulse canary"
type = "integer"
restricted = true
"""
PLOTS = """source = "data/plots.csv"
kind = "polygons"
[csv]
geometry = "shape"
[fields.zone]
type = "text"
filter = "choice"
[fields.use]
type = "text"
filter = "choice"
"""
WATER = """source = "data/water.csv"
kind = "polygons"
basemap = true
[csv]
geometry = "shape"
[fields.class]
type = "text"
"""
# Its tiles hold for ever: the version would tell one server's minute from the other's.
ECHO = """source = "public.echo"
max_age = 1000000000
kind = "function"
bounds = [13, 52, 14, 53]
"""
ARCHIVE = """source = "data/archive.pmtiles"
kind = "tiles"
"""
STYLE = """{"version": 8, "name": "People", "sources": {"people": {"type": "vector", "url": "/tiles/people.json"}},
"layers": [{"id": "people", "type": "circle", "source": "people", "source-layer": "people",
"paint": {"circle-color": ["match", ["get", "zone"], "a", "#0055aa", "#888888"], "circle-radius": 4}}]}"""
FUNCTION = """CREATE FUNCTION public.echo(z integer, x integer, y integer, params jsonb) RETURNS bytea
LANGUAGE sql STABLE AS $$ SELECT convert_to('canary', 'UTF8') $$"""

LAYERS = ("stops", "homes", "people", "plots", "notes", "echo", "archive", "water", "nothing")
ZONE_A = "zone = 'a'"


@dataclass(frozen=True)
class Part:
    """What of the city is there: `closed` as it really is, else only what someone may see, and open to everybody."""

    layers: tuple[str, ...]
    closed: bool = False
    hidden_rows: bool = False
    rejects: bool = False
    fields: bool = False  # those that are restricted


WHOLE = Part(LAYERS[:-1], closed=True, hidden_rows=True, rejects=True, fields=True)
# By caller: what there would be if there were nothing else, and what they are granted.
PARTS = {
    "nobody": Part(("stops", "homes")),
    "rows": Part(("stops", "homes", "people", "plots")),
    "narrow": Part(("stops", "homes", "people", "plots", "echo", "archive", "water"), hidden_rows=True, rejects=True),
}
GRANTS: dict[str, tuple[Grant, ...]] = {
    "nobody": (),
    "rows": (Grant(frozenset({"people", "plots"}), rows=ZONE_A),),
    "narrow": (Grant(frozenset({"people", "plots", "echo", "archive", "water"})),),
    "full": (Grant(frozenset({ANY}), frozenset({"read", "manage"}), fields=frozenset({ANY})),),
    "misfit": (Grant(frozenset({"people", "plots"}), rows="no_such_field = 1"),),
}


def write_city(folder: Path, part: Part) -> Path:
    """The workspace of that part of the city."""
    for name in ("layers", "data", "styles"):
        (folder / name).mkdir(parents=True)
    for name, text in _write_layers(part).items():
        (folder / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")
    for name, text in _write_tables(part).items():
        (folder / "data" / f"{name}.csv").write_text(text, encoding="utf-8")
    if "people" in part.layers:
        (folder / "styles" / "people.json").write_text(STYLE, encoding="utf-8")
    if "archive" in part.layers:
        write_archive(folder / "data" / "archive.pmtiles")
    (folder / "city.toml").write_text('title = "Gated"\n', encoding="utf-8")
    return folder


def _write_layers(part: Part) -> dict[str, str]:
    own = {"owner": OWNER, "pay": PAY, "pulse": PULSE} if part.fields else {"owner": "", "pay": "", "pulse": ""}
    texts = {
        "stops": HEAD.format(title="Stops") + STOPS,
        "homes": HEAD.format(title="Homes") + HOMES + own["owner"],
        "people": HEAD.format(title="People canary") + PEOPLE + own["pay"] + READINGS + own["pulse"],
        "plots": HEAD.format(title="Plots canary") + PLOTS,
        "notes": HEAD.format(title="Notes canary") + STOPS.replace("stops.csv", "notes.csv"),
        "echo": HEAD.format(title="Echo canary") + ECHO,
        "archive": HEAD.format(title="Archive canary") + ARCHIVE,
        "water": HEAD.format(title="Water canary") + WATER,
    }
    access = dict.fromkeys(("people", "plots", "echo", "archive", "water"), CLOSED) | {"notes": 'access = "draft"\n'}
    return {name: (access.get(name, "") if part.closed else "") + texts[name] for name in part.layers}


def _write_tables(part: Part) -> dict[str, str]:
    stops = "name,lon,lat\n" + "".join(f"stop {i % 3},{13.4 + i / 1000:.4f},52.5\n" for i in range(30))
    homes = [f"home {i % 4},{i % 7},{13.41 + i / 1000:.4f},52.51,{CANARY} {i}" for i in range(40)]
    people = [
        f"p{i},person {i},a,{150 + i % 40},{i / 7:.3f},2024-01-{i % 28 + 1:02}T12:00:00Z,"
        f"{13.40 + (i % 20) / 500:.4f},{52.50 + (i // 20) / 500:.4f},{NUMBER + i}"
        for i in range(200)
    ]
    readings = [f"p{i},2024-02-{day:02}T00:00:00Z,{i * day},{NUMBER + day}" for i in range(5) for day in range(1, 4)]
    plots = [f'a,use {i % 3},"{_square(13.4 + i / 50, 52.5, 0.00002 * 4 ** (i % 6))}"' for i in range(24)]
    if part.hidden_rows:
        people += [
            f"h{i},{CANARY} {i},{CANARY},{NUMBER + i},{NUMBER}.5,2099-01-01T00:00:00Z,{20 + i / 1000:.4f},60.1,{NUMBER}"
            for i in range(400)
        ]
        readings += [f"h{i},2099-02-01T00:00:00Z,{NUMBER},{NUMBER}" for i in range(5)]
        plots += [f'{CANARY},{CANARY} {i},"{_square(20 + i / 10, 60, 0.01)}"' for i in range(60)]
    if part.rejects:
        people += [f"r{i},{CANARY} lost,a,1,1,2024-01-01T00:00:00Z,,,{NUMBER}" for i in range(3)]
        people += [f"w{i},person w,b,tall,1,2024-01-01T00:00:00Z,13.4,52.5,1" for i in range(3)]
    return {
        "stops": stops,
        "notes": stops.replace("stop", CANARY),
        "homes": "name,rooms,lon,lat,owner\n" + "\n".join(homes),
        "people": "id,name,zone,height,size,at,lon,lat,pay\n" + "\n".join(people),
        "readings": "id,taken,steps,pulse\n" + "\n".join(readings),
        "plots": "zone,use,shape\n" + "\n".join(plots),
        "water": f'class,shape\n{CANARY},"{_square(13.4, 52.5, 0.2)}"\n',
    }


def _square(x: float, y: float, side: float) -> str:
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)]
    return "POLYGON((" + ", ".join(f"{a:.6f} {b:.6f}" for a, b in corners) + "))"


def write_archive(path: Path) -> None:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.write_tile(zxy_to_tileid(0, 0, 0), CANARY.encode())
        place = {"min_lon_e7": 134000000, "max_lon_e7": 135000000, "min_lat_e7": 525000000, "max_lat_e7": 526000000}
        header = {"tile_type": TileType.MVT, "tile_compression": Compression.NONE, **place}
        header |= {"min_zoom": 0, "max_zoom": 0, "center_zoom": 0, "center_lon_e7": 134500000}
        layers = [{"id": CANARY, "fields": {CANARY: "String"}}]
        writer.finalize(header | {"center_lat_e7": 525500000}, {"vector_layers": layers})
    os.utime(path, (1_700_000_000, 1_700_000_000))


def fill(workspace: Path, url: str) -> None:
    """Load the city; every load is of the same moment."""
    settings = Settings(workspace=workspace, database_url=None)
    with psycopg.connect(url) as connection:
        connection.execute(FUNCTION)
    catalog = read_catalog(settings)
    assert not catalog.problems, catalog.problems
    for layer in catalog.layers.values():
        if layer.has_rows:
            load(layer, url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE geoserver.layers SET loaded_at = '2024-05-05T05:05:05Z', version = 7, seconds = 1")
        connection.execute("UPDATE geoserver.loads SET at = '2024-05-05T05:05:05Z', version = 7")


def make_keys(url: str) -> dict[str, str]:
    """A key for each caller that has grants, and two that hold no more."""
    with psycopg.connect(url, autocommit=True) as connection:
        made = {name: make(connection, Wish(name, grants), "test", "") for name, grants in GRANTS.items() if grants}
        for name in ("revoked", "expired"):
            made[name] = make(connection, Wish(name, GRANTS["full"]), "test", "")
        connection.execute("UPDATE geoserver.keys SET revoked_at = now() WHERE label = 'revoked'")
        connection.execute("UPDATE geoserver.keys SET expires_at = now() - interval '1 day' WHERE label = 'expired'")
    return {name: key for name, (_, key) in made.items()}


@contextmanager
def run_city(workspace: Path, url: str) -> Iterator[TestClient]:
    """A server over it, called in process."""
    app = create_app(Settings(workspace=workspace, database_url=None, operators="local"), url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.headers["accept-encoding"] = "identity"
        yield client


PART = Part(("stops", "homes", "people", "plots"), closed=True, hidden_rows=True, rejects=True, fields=True)


class City:
    """A city that changes; `ask` gives an answer to a caller's question."""

    def __init__(self, client: TestClient, keys: dict[str, str], url: str, folder: Path) -> None:
        self.client, self.keys, self.url, self.folder = client, keys, url, folder

    def ask(self, caller: str, address: str) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[caller]}"} if caller in self.keys else {}
        return self.client.get(address, headers=headers)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it did not happen within 30 s"
            time.sleep(0.1)

    def rewrite(self, layer: str, old: str, new: str) -> None:
        path = self.folder / "layers" / f"{layer}.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    @property
    def view(self) -> Any:
        services = self.client.app.state.services  # type: ignore[attr-defined]
        return lambda *grants: View(services, Access("key", "test", "", grants))


@contextmanager
def open_city(folder: Path, url: str) -> Iterator[City]:
    """A city in an empty database, of which each caller may see another part; loaded, with keys, and served."""
    fill(write_city(folder, PART), url)
    keys = make_keys(url)
    with run_city(folder, url) as client:
        yield City(client, keys, url, folder)


def names_in(answer: Any) -> set[str]:
    """Names of the features in a tile."""
    body = decode(answer.content) if answer.content else {}
    return {item["properties"]["name"] for layer in body.values() for item in layer["features"]}


def list_routes(routes: Any) -> Iterator[Any]:
    """Every route of an app, those of included routers too."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from list_routes(route.original_router.routes)
        else:
            yield route


def settle(body: bytes) -> bytes:
    """An answer without the moment at which it was given, and without the word that not everybody sees a layer: those
    who see it are told so. The size of a download is left out, too: who sees all rows is told by the width of columns,
    and others by their number alone.
    """
    body = re.sub(rb'"bytes":\d+', b'"bytes":0', body)
    body = re.sub(rb'(?<="contentSize":")[^"]*|(?<=<td class="number size">)[^<]*', b"", body)
    body = re.sub(rb'"access(?:_title)?":"[^"]*",|,"access_title":"[^"]*"(?=})', b"", body)
    body = re.sub(rb"<[^>]*/access-right/\w+> a dct:RightsStatement \.\n", b"", body)
    body = re.sub(rb"(?<=access-right/)(RESTRICTED|NON_PUBLIC)", b"PUBLIC", body)
    body = body.replace(b'"accessLevel":"restricted public"', b'"accessLevel":"public"')
    body = re.sub(rb' <span class="tag access"[^>]*>[^<]*</span>', b"", body)
    return re.sub(rb'"timeStamp":"[^"]*"', b'"timeStamp":""', body)
