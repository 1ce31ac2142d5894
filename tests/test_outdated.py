"""A layer file that is ahead of what is loaded, or behind it: what is loaded goes on being served, and it is said."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.sql import SQL
from test_services import wait_for

from geoserver.app import create_app
from geoserver.catalog import read_catalog, read_layer
from geoserver.loading import load
from geoserver.settings import Settings
from geoserver.tiling import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TREES = """
title = "Trees"
license = "CC0-1.0"
source = "data/trees.csv"
kind = "points"
key = "number"
style = "trees"
time = "planted"
label = "species"
features_from = 12
[fields.number]
type = "integer"
[fields.species]
type = "text"
filter = "choice"
[fields.planted]
type = "date"
filter = "range"
[fields.cut]
type = "date"
[fields.height]
type = "number"
filter = "range"
[fields.health]
type = "text"
filter = "choice"
[readings]
source = "data/visits.csv"
key = "number"
time = "visited"
[readings.fields.visited]
type = "timestamp"
[readings.fields.girth]
type = "number"
"""
PARKS = """
title = "Parks"
license = "CC0-1.0"
source = "data/parks.csv"
kind = "polygons"
fields.name = { type = "text", filter = "choice" }
"""
STYLE = {
    "version": 8,
    "sources": {"trees": {"type": "vector", "url": "{url}"}},
    "layers": [
        {
            "id": "trees",
            "type": "circle",
            "source": "trees",
            "source-layer": "trees",
            "paint": {"circle-radius": ["get", "height"]},
        }
    ],
}
PLACE = "14/6890/5880"
DOORS = (
    "/api/layers",
    "/api/layers/trees",
    "/api/layers/trees/summary",
    "/api/layers/trees/features/6",
    "/api/layers/trees/rejects",
    f"/tiles/trees/{PLACE}.mvt",
    "/tiles/trees/9/215/183.mvt",
    "/tiles/trees.json",
    "/styles/light.json?layers=trees",
    "/styles/trees.json",
    "/ogc/collections/trees",
    "/ogc/collections/trees/items?limit=3",
    "/ogc/collections/trees/items/6",
    "/ogc/collections/trees/schema",
    "/ogc/collections/trees/queryables",
    "/ogc/openapi",
    "/openapi.json",
)


class World:
    """A workspace, its database, and a running app over both."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        self.client: TestClient

    def write(self, text: str, name: str = "trees") -> None:
        (self.root / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")

    def write_style(self, field: str) -> None:
        text = json.dumps(STYLE).replace("height", field)
        (self.root / "styles" / "trees.json").write_text(text, encoding="utf-8")

    def load(self, name: str = "trees") -> None:
        load(read_layer(self.root / "layers" / f"{name}.toml"), self.url, accept_losses=True)

    def ask(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code in (200, 204), f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content

    def fields(self) -> dict[str, str]:
        """Names and types of the fields that leave the server."""
        return {item["name"]: item["type"] for item in self.ask("/api/layers/trees")["fields"]}

    def changes(self, name: str = "trees") -> str:
        """What /readyz says is not loaded as it is declared."""
        found = [item for item in self.ask("/readyz")["outdated"] if item["layer"] == name]
        assert all(item["run"] == f"geoserver load {name}" for item in found)
        return "; ".join(change for item in found for change in item["changes"])

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(SQL(statement))  # type: ignore[arg-type]  # a text of the test's own


@pytest.fixture
def world(tmp_path: Path, empty_database: str) -> World:
    return make_world(tmp_path, empty_database)


def make_world(tmp_path: Path, url: str) -> World:
    for name in ("layers", "styles", "data"):
        (tmp_path / name).mkdir()
    rows = [
        f"{n},{('oak', 'elm', 'ash')[n % 3]},20{10 + n % 9}-02-0{1 + n % 9},2024-01-0{1 + n % 9},{n / 3},{n % 2},{n},"
        f"{-28.6 - n / 1e4},45.2"
        for n in range(60)
    ]
    header = "number,species,planted,cut,height,health,age,lon,lat"
    (tmp_path / "data" / "trees.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    visits = [f"{n},2024-0{1 + n % 9}-01T10:00:00Z,{n / 7},{n}" for n in range(60)]
    (tmp_path / "data" / "visits.csv").write_text("\n".join(["number,visited,girth,visit", *visits, ""]))
    shape = '"POLYGON((-28.6 45.2,-28.59 45.2,-28.59 45.21,-28.6 45.2))"'
    (tmp_path / "data" / "parks.csv").write_text(f"name,wkt\nnorth,{shape}\n", encoding="utf-8")
    made = World(tmp_path, url)
    made.write(TREES)
    made.write(PARKS, "parks")
    made.write_style("height")
    return made


@pytest.fixture
def running(world: World) -> Iterator[World]:
    with serve(world):
        yield world


@contextlib.contextmanager
def serve(world: World) -> Iterator[None]:
    world.load()
    world.load("parks")
    app = create_app(Settings(workspace=world.root, database_url=None), world.url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as world.client:
        assert world.ask("/readyz")["status"] == "ready"
        yield


@pytest.fixture(scope="module")
def shared_world(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("shared"), make_database(template=empty_template))
    with serve(made):
        yield made


@pytest.fixture
def town(shared_world: World) -> Iterator[World]:
    """One app for many tests; each leaves file and table as they were."""
    yield shared_world
    title = f"Trees of {time.monotonic()}"  # shows that the file was read again
    shared_world.write(TREES.replace('title = "Trees"', f'title = "{title}"'))
    shared_world.load()
    wait_for(lambda: shared_world.ask("/api/layers/trees")["title"] == title)
    wait_for(lambda: shared_world.ask("/readyz")["status"] == "ready")


AGE = '[fields.age]\ntype = "integer"\nfilter = "range"\n'
CHANGES = {
    "a field is added": (
        lambda text: text.replace("[readings]", AGE + "[readings]", 1),
        "fields.age: it is not loaded",
    ),
    "a field is renamed": (
        lambda text: text.replace("[fields.height]", '[fields.tallness]\ncolumn = "height"'),
        "fields.tallness: it is not loaded",
    ),
    "a number becomes a text": (
        lambda text: text.replace('[fields.height]\ntype = "number"', '[fields.height]\ntype = "text"'),
        "fields.height.type: it was loaded as 'number'",
    ),
    "a text becomes a number to choose a range of": (
        lambda text: text.replace('type = "text"\nfilter = "choice"', 'type = "number"\nfilter = "range"'),
        "fields.species.type: it was loaded as 'text'",
    ),
    "the time field is another": (
        lambda text: text.replace('time = "planted"', 'time = "cut"'),
        "time: it was loaded as 'planted'",
    ),
    "the time field is renamed": (
        lambda text: text.replace("[fields.planted]", '[fields.born]\ncolumn = "planted"').replace(
            'time = "planted"', 'time = "born"'
        ),
        "fields.born: it is not loaded",
    ),
    "the time field is a timestamp": (
        lambda text: text.replace('[fields.planted]\ntype = "date"', '[fields.planted]\ntype = "timestamp"'),
        "fields.planted.type: it was loaded as 'date'",
    ),
    "there is no time any more": (
        lambda text: text.replace('time = "planted"', "", 1),
        "time: it was loaded as 'planted'",
    ),
    "a field comes from another column": (
        lambda text: text.replace("[fields.height]", '[fields.height]\ncolumn = "age"'),
        "fields.height.column: it was loaded as 'height'",
    ),
    "the kind is another": (
        lambda text: text.replace('kind = "points"', 'kind = "polygons"'),
        "kind: it was loaded as 'points'",
    ),
    "the facet is a new field": (
        lambda text: (
            'facet = "quality"\n'
            + text.replace("[readings]", '[fields.quality]\ntype = "text"\ncolumn = "age"\n[readings]', 1)
        ),
        "facet: it was loaded as not set",
    ),
    "the facet is another field": (lambda text: 'facet = "health"\n' + text, "facet: it was loaded as not set"),
    "the label is a new field": (
        lambda text: text.replace('label = "species"', 'label = "age"').replace("[readings]", AGE + "[readings]", 1),
        "fields.age: it is not loaded",
    ),
    "the key is another": (
        lambda text: text.replace('key = "number"', 'key = "age"', 1),
        "key: it was loaded as 'number'",
    ),
    "readings carry one field more": (
        lambda text: text + '[readings.fields.visit]\ntype = "integer"\n',
        "readings.fields.visit: it is not loaded",
    ),
    "the time of readings is another": (
        lambda text: text.replace('time = "visited"', 'time = "seen"').replace(
            "[readings.fields.visited]", '[readings.fields.seen]\ncolumn = "visited"'
        ),
        "readings.fields.seen: it is not loaded",
    ),
    "features are drawn from another zoom": (
        lambda text: text.replace("features_from = 12", "features_from = 14"),
        "features_from: it was loaded as 12",
    ),
    "the source is another": (
        lambda text: text.replace('"data/trees.csv"', '"data/more.csv"'),
        "source: it was loaded as 'data/trees.csv'",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.slow
def test_what_is_loaded_goes_on_being_served_until_the_next_load(
    town: World, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    edit, expected = CHANGES[change]
    text = edit(TREES)
    assert text != TREES
    (town.root / "data" / "more.csv").write_bytes((town.root / "data" / "trees.csv").read_bytes())
    before = {path: town.ask(path) for path in DOORS}
    caplog.set_level(logging.WARNING, "geoserver")
    town.write(text)
    wait_for(lambda: expected in town.changes())
    assert town.ask("/readyz")["status"] == "degraded"
    assert sum("geoserver load trees" in record.message for record in caplog.records) == 1
    for path in DOORS:
        town.ask(path)
    town.ask(
        "/api/layers/trees/summary?filter=species='oak'&datetime=2011-01-01/2015-12-31"
        if "time" in expected
        else DOORS[2]
    )
    assert town.ask("/api/layers/trees/summary")["count"] == 60
    assert town.ask("/tiles/parks/9/215/183.mvt")
    assert drawn(town) == before["/api/layers/trees/summary"]["count"]
    if "readings" not in expected:
        assert town.ask("/api/layers/trees/features/6/readings")["readings"]
    if change == "the kind is another":
        town.write(TREES)  # points that are no polygons are not loaded
    else:
        town.load()
    wait_for(lambda: not town.changes())
    assert town.ask("/readyz")["outdated"] == []
    for path in DOORS:
        town.ask(path)


def drawn(world: World, zoom: str = PLACE) -> int:
    """Features that the tile holds."""
    tile = mapbox_vector_tile.decode(world.ask(f"/tiles/trees/{zoom}.mvt"))
    return len(tile["trees"]["features"])


def test_check_says_what_is_to_be_loaded(town: World) -> None:
    town.write(TREES.replace("[readings]", AGE + "[readings]", 1))
    problems = check(town.url, read_catalog(Settings(workspace=town.root, database_url=None)))
    (problem,) = map(str, problems)
    assert "trees.toml: fields.age: it is not loaded; run: geoserver load trees" in problem


def test_words_and_controls_take_effect_at_once(town: World) -> None:
    text = TREES.replace('title = "Trees"', 'title = "Street trees"')
    text = text.replace('[fields.species]\ntype = "text"', '[fields.species]\ntitle = "Kind"\ntype = "text"')
    text = text.replace('[fields.height]\ntype = "number"\nfilter = "range"', '[fields.height]\ntype = "number"')
    town.write(text.replace('label = "species"', 'label = "health"'))
    wait_for(lambda: town.ask("/api/layers/trees")["title"] == "Street trees")
    layer = town.ask("/api/layers/trees")
    found = {item["name"]: item for item in layer["fields"]}
    assert (found["species"]["title"], found["height"]["filter"], layer["label"]) == ("Kind", "none", "{health}")
    assert town.ask("/readyz")["status"] == "ready"


HIDDEN = {  # what is told of a field: its lines in the file, and what may not be found in any answer
    "species": ('[fields.species]\ntype = "text"\nfilter = "choice"\n', (b"species", b"oak")),
    "planted": ('[fields.planted]\ntype = "date"\nfilter = "range"\n', (b"planted", b"2011-02")),
    "health": ('[fields.health]\ntype = "text"\nfilter = "choice"\n', (b"health",)),
    "height": ('[fields.height]\ntype = "number"\nfilter = "range"\n', (b"height",)),  # which the style goes on to use
}


@pytest.mark.parametrize("field", HIDDEN)
def test_a_field_that_is_declared_no_more_is_hidden_at_once(town: World, field: str) -> None:
    """Its values too: those by which bins are counted, and the days that bins carry."""
    lines, secrets = HIDDEN[field]
    text = TREES.replace(lines, "").replace(f'label = "{field}"', "").replace(f'time = "{field}"', "")
    town.write(text)
    wait_for(lambda: field not in town.fields())
    assert town.client.get(f"/api/layers/trees/summary?fields={field}").status_code == 400
    assert town.client.get(f"/api/layers/trees/summary?filter={field} IS NULL").status_code == 400
    of_rows = [path for path in DOORS if "styles" not in path and "openapi.json" not in path]
    for path in (*of_rows, "/api/layers/trees/features/6/readings"):
        answer = town.client.get(path)
        assert answer.status_code in (200, 204)
        for secret in secrets:
            assert secret not in answer.content, path


def test_a_style_may_use_a_field_before_it_is_loaded(running: World) -> None:
    running.write(TREES.replace("[readings]", AGE + "[readings]", 1))
    running.write_style("age")
    wait_for(lambda: "age" in json.dumps(running.ask("/styles/trees.json")))
    assert drawn(running) == 60
    running.load()
    wait_for(lambda: "age" in running.fields())
    tile = mapbox_vector_tile.decode(running.ask(f"/tiles/trees/{PLACE}.mvt"))
    assert "age" in tile["trees"]["features"][0]["properties"]


def test_a_worker_whose_files_are_older_than_the_table_serves_what_both_have(running: World) -> None:
    """As between a load somewhere else and the moment when a worker looks at its own files."""
    newer = TREES.replace("[fields.height]", '[fields.tallness]\ncolumn = "height"')
    newer = newer.replace('time = "planted"', 'time = "cut"').replace(
        '[fields.planted]\ntype = "date"', '[fields.planted]\ntype = "text"'
    )
    newer = newer.partition("[readings]")[0].replace('filter = "range"\n[fields.cut]', "[fields.cut]")
    load_elsewhere(running, newer)
    wait_for(lambda: "height" not in running.fields())
    assert running.fields()["planted"] == "text"
    assert running.ask("/api/layers/trees")["time"] == "cut"
    for path in DOORS:
        running.ask(path)
    assert running.client.get("/api/layers/trees/features/6/readings").status_code == 404


def load_elsewhere(running: World, text: str) -> None:
    """Load by another layer file of the same name, which the running app does not see."""
    elsewhere = running.root / "elsewhere"
    (elsewhere / "layers").mkdir(parents=True, exist_ok=True)
    if not (elsewhere / "data").exists():
        (elsewhere / "data").symlink_to(running.root / "data")
    (elsewhere / "layers" / "trees.toml").write_text(text, encoding="utf-8")
    load(read_layer(elsewhere / "layers" / "trees.toml"), running.url, force=True)


@pytest.mark.slow
def test_loads_that_change_columns_cost_no_request_its_answer(running: World) -> None:
    fewer = TREES.replace('[fields.height]\ntype = "number"\nfilter = "range"\n', "").partition("[readings]")[0]
    other = TREES.replace('[fields.height]\ntype = "number"', '[fields.height]\ntype = "text"')
    over = threading.Event()

    def change() -> None:
        try:
            for text in (fewer, other, TREES, other, fewer, TREES):
                load_elsewhere(running, text)
        finally:
            over.set()

    thread = threading.Thread(target=change)
    thread.start()
    asked = 0
    while not over.is_set():
        for path in DOORS:
            running.ask(path)
            asked += 1
    thread.join()
    assert asked > len(DOORS)
    wait_for(lambda: running.ask("/readyz")["status"] == "ready")


BY_HAND = {
    "ALTER TABLE layers.trees DROP COLUMN height": "fields.height: it is not loaded",
    "ALTER TABLE layers.trees ALTER COLUMN height TYPE text": "fields.height.type: it was loaded as 'text'",
    "ALTER TABLE layers.trees RENAME COLUMN planted TO born": "fields.planted: it is not loaded",
    "DROP TABLE layers.trees__packed": "tiles: table layers.trees__packed is gone",
    "DROP TABLE layers.trees__readings": "readings: they are not loaded",
}


@pytest.mark.parametrize("statement", BY_HAND)
@pytest.mark.slow
def test_a_table_that_was_changed_by_hand_is_served_as_far_as_it_goes(running: World, statement: str) -> None:
    running.execute(statement)
    paths = [path for path in DOORS if not path.startswith("/styles")]

    for path in paths:
        running.ask(path)  # the very first request is answered, and from then on it is known
    assert running.client.get("/api/layers/trees/features/6/readings").status_code in (200, 404)
    assert BY_HAND[statement] in running.changes()
    for path in DOORS:
        running.ask(path)
    assert running.ask("/api/layers/trees/summary")["count"] == 60
    load(read_layer(running.root / "layers" / "trees.toml"), running.url, force=True)
    wait_for(lambda: running.ask("/readyz")["status"] == "ready")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE layers.trees", "its table layers.trees is gone"),
        ("ALTER TABLE layers.trees DROP COLUMN geom CASCADE", "column geom of its table layers.trees is gone"),
        ("ALTER TABLE layers.trees RENAME COLUMN fid TO id", "column fid of its table layers.trees is gone"),
    ],
)
def test_a_layer_without_its_table_is_out_alone(running: World, statement: str, said: str) -> None:
    running.execute(statement)

    def is_noticed() -> bool:
        for path in ("/api/layers/trees/features/6", "/api/layers/trees/summary", "/tiles/trees/14/6890/5881.mvt"):
            assert running.client.get(path).status_code in (200, 204, 404)
        return said in running.changes()

    wait_for(is_noticed)
    assert running.ask("/readyz")["notLoaded"] == ["trees"]
    for path in (
        "/api/layers/trees",
        "/api/layers/trees/summary",
        f"/tiles/trees/{PLACE}.mvt",
        "/ogc/collections/trees/items",
    ):
        answer = running.client.get(path)
        assert answer.status_code == 404, path
        assert "geoserver load trees" in answer.json()["detail"], path
    for path in ("/api/layers", "/api/layers/parks/summary", "/ogc/collections/parks/items", "/styles/light.json"):
        running.ask(path)
    load(read_layer(running.root / "layers" / "trees.toml"), running.url, force=True)
    wait_for(lambda: running.ask("/readyz")["status"] == "ready")
    running.ask("/api/layers/trees/summary")


def test_a_row_of_the_books_that_cannot_be_read_costs_its_layer_alone(running: World) -> None:
    running.execute("""UPDATE geoserver.layers SET plan = '{"zooms": 7}', version = version + 1 WHERE id = 'trees'""")
    running.execute("""NOTIFY geoserver_changes, '{"layer": "trees", "version": 99}'""")
    wait_for(lambda: running.ask("/readyz")["notLoaded"] == ["trees"])
    running.ask("/api/layers/parks/summary")


def test_what_an_older_version_loaded_is_served_by_its_columns(world: World) -> None:
    """Such a row has no record of the declaration; the table tells what is there."""
    world.load()
    world.execute("UPDATE geoserver.layers SET declared = NULL")
    world.write(TREES.replace("[readings]", AGE + "[readings]", 1).replace('kind = "points"', 'kind = "lines"'))
    app = create_app(Settings(workspace=world.root, database_url=None), world.url)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as world.client:
        assert "fields.age: it is not loaded" in world.changes()
        for path in DOORS:
            world.ask(path)
