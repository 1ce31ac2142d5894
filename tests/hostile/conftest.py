"""Three layers whose rows lie at the edges of what PostgreSQL holds, as other programs may write them, and an app."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIELDS = """
    [fields.name]
    type = "text"
    filter = "search"
    [fields.kind]
    type = "text"
    filter = "choice"
    [fields.n]
    type = "integer"
    filter = "range"
    [fields.x]
    type = "number"
    filter = "range"
    [fields.y]
    type = "number"
    filter = "choice"
    [fields.lit]
    type = "boolean"
    filter = "choice"
    [fields.day]
    type = "date"
    filter = "range"
    [fields.seen]
    type = "timestamp"
    filter = "range"
    [fields.left]
    type = "timestamp"
    filter = "choice"
    """
KINDS = {
    "spots": ("points", "Point", 4326),
    "grid": ("points", "Point", 32626),
    "areas": ("polygons", "Geometry", 32626),
}
EDGES = {
    "name": ["'oak'", "'Élan'", "''", "'a\\b'", "'50%'", "E'\\u0301'", "repeat('x', 4000)", "NULL"],
    "kind": ["'a'", "'b'", "NULL"],
    "n": ["9223372036854775807", "-9223372036854775808", "9007199254740993", "0", "1", "-1", "NULL"],
    "x": ["'NaN'", "'Infinity'", "'-Infinity'", "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324",
          "'-0'", "0", "0.1", "NULL"],
    "y": ["'NaN'", "'Infinity'", "1e308", "-1e308", "2.5", "NULL"],
    "lit": ["true", "false", "NULL"],
    "day": ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'0001-01-01'", "'2024-02-29'", "'5874897-12-31'", "NULL"],
    "seen": ["'infinity'", "'-infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59'", "'2024-05-31 12:00Z'",
             "'2024-05-31 12:00:00.000001Z'", "'0001-01-01 00:00Z'", "NULL"],
    "left": ["'2024-06-01 12:00Z'", "'infinity'", "'20000-01-01'", "NULL"],
}  # fmt: skip
TYPES = {"name": "text", "kind": "text", "n": "bigint", "x": "float8", "y": "float8", "lit": "boolean", "day": "date",
         "seen": "timestamptz", "left": "timestamptz"}  # fmt: skip
ROWS = 60
PLACES = {
    "spots": "ST_SetSRID(ST_MakePoint(-28.6 + {i} * 0.001, 45.2), 4326)",
    "grid": "ST_SetSRID(ST_MakePoint(374000 + {i} * 100, 5006000), 32626)",
    "areas": "ST_SetSRID('{shape}'::geometry, 32626)",
}
SHAPES = [
    "POLYGON((374000 5006000,375000 5006000,375000 5007000,374000 5007000,374000 5006000))",
    "POLYGON((374000 5006000,375000 5007000,375000 5006000,374000 5007000,374000 5006000))",  # crosses itself
    "POLYGON((374000 5006000,374500 5006000,374000 5006000,374000 5006000))",
    "MULTIPOLYGON(((374000 5006000,375000 5006000,375000 5007000,374000 5006000)),((374100 5006000,374900 5006000,"
    "374900 5006800,374100 5006000)))",  # parts that overlap
    "GEOMETRYCOLLECTION(POINT(374000 5006000),POLYGON((0 0,1 0,1 1,0 0)))",
    "LINESTRING(374000 5006000,374000 5006000)",
    "POINT EMPTY",
    "MULTIPOLYGON EMPTY",
]


def write_workspace(settings: Settings) -> None:
    folder = settings.workspace / "layers"
    folder.mkdir()
    for name, (kind, _, _) in KINDS.items():
        head = f'title = "{name}"\nlicense = "CC0-1.0"\nsource = "{name}.csv"\nkind = "{kind}"\ntime = "seen"\n'
        (folder / f"{name}.toml").write_text(head + textwrap.dedent(FIELDS), encoding="utf-8")


def fill(url: str) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in TYPES.items())
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        for name, (_, kind, srid) in KINDS.items():
            connection.execute(
                f"CREATE TABLE layers.{name} (fid bigint PRIMARY KEY, {columns}, geom geometry({kind}, {srid}),"
                f" geom_3857 geometry({kind}, 3857) GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED)"
            )
            for i in range(ROWS):
                values = ", ".join(edges[i % len(edges)] for edges in EDGES.values())
                place = PLACES[name].format(i=i, shape=SHAPES[i % len(SHAPES)])
                connection.execute(f"INSERT INTO layers.{name} VALUES ({i - 1}, {values}, {place})")
            connection.execute(f"CREATE INDEX ON layers.{name} USING gist (geom)")
            connection.execute(f"CREATE INDEX ON layers.{name} USING gist (geom_3857)")
            connection.execute(
                "INSERT INTO geoserver.layers (id, version, rows, rejected, readings, west, south, east, north, srid,"
                f" geometry_type, source, fingerprint) VALUES ('{name}', 1, {ROWS}, 0, 0, -28.7, 45.1, -28.4, 45.3,"
                f" {srid}, '{kind.upper()}', '', '')"
            )


@pytest.fixture(scope="session")
def hostile_database(make_database: Callable[..., str], empty_template: str) -> str:
    url = make_database(template=empty_template)
    fill(url)
    return url


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory, hostile_database: str) -> Iterator[TestClient]:
    """The real app over these rows, called in process; errors come back as responses."""
    settings = Settings(workspace=tmp_path_factory.mktemp("hostile"), database_url=None)
    write_workspace(settings)
    app = create_app(settings, hostile_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client
