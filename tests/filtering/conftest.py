"""A small table with every type, awkward values and a third of nothing, in lon/lat and in a projected CRS."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.sql import SQL

from geoserver.filtering import Where, build
from geoserver.model import Field, Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TYPES = {
    "name": "text",
    "n": "integer",
    "height": "number",
    "lit": "boolean",
    "planted": "date",
    "seen_at": "timestamp",
    "left_at": "timestamp",
}
NAMES = [
    "oak",
    "Oak",
    "OAK",
    "it's",
    'a"b',
    "straße",
    "Élan",
    "élan",
    "50%",
    "a_b",
    "a\\b",
    "",
    " ",
    "x'; --",
    "東京",
    "o",
]
UTM = 32626
ROWS = 240

Row = dict[str, Any]


def make_rows() -> list[Row]:
    """The same rows every time; points lie around 28.6 W, 45.2 N, and a few beside the antimeridian."""
    draw = random.Random(7)

    def maybe(value: object) -> Any:
        return None if draw.random() < 0.15 else value

    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = []
    for fid in range(1, ROWS + 1):
        far = fid % 10 == 0
        rows.append(
            {
                "fid": fid,
                "name": maybe(draw.choice(NAMES)),
                "n": maybe(draw.randint(-5, 5)),
                "height": maybe(draw.choice([-1.5, 0.0, 0.1, 0.30000000000000004, 1.0, 2.5, 1e9])),
                "lit": maybe(draw.random() < 0.5),
                "planted": maybe(date(2024, 1, 1) + timedelta(days=draw.randint(0, 9))),
                "seen_at": maybe(
                    start + timedelta(hours=12 * draw.randint(0, 20), microseconds=draw.choice([0, 0, 1]))
                ),
                "left_at": maybe(start + timedelta(hours=12 * draw.randint(0, 20))),
                "x": draw.choice([-179.5, 179.5]) if far else round(-28.7 + draw.random() * 0.2, 4),
                "y": round(45.1 + draw.random() * 0.2, 4),
            }
        )
    return rows


def make_layer(layer_id: str = "zoo") -> Layer:
    fields = {name: Field(name=name, title=name.capitalize(), type=kind) for name, kind in TYPES.items()}
    return Layer(
        id=layer_id,
        title="Zoo",
        description="",
        theme="Test",
        license="CC0-1.0",
        attribution="",
        source="zoo.csv",
        kind="points",
        file=Path("layers/zoo.toml"),
        fields=fields,
        time="seen_at",
    )


@dataclass(frozen=True)
class State:
    srid: int


class Zoo:
    """The table under test: `ids(filter=...)` gives the features that a request selects."""

    def __init__(self, layer: Layer, state: State, connection: psycopg.Connection, rows: list[Row]) -> None:
        self.layer = layer
        self.state = state
        self.connection = connection
        self.rows = rows

    def build(self, **request: Any) -> Where:
        return build(self.layer, self.state, **request)

    def ids(self, **request: Any) -> set[int]:
        where = self.build(**request)
        table = SQL("layers.{}").format(SQL(self.layer.table))
        query = SQL("SELECT fid FROM {} WHERE {}").format(table, where.sql)
        return {fid for (fid,) in self.connection.execute(query, where.params)}

    def those(self, test: Callable[[Row], bool | None]) -> set[int]:
        """The features that a Python function selects: the answer to hold ours against."""
        return {row["fid"] for row in self.rows if test(row)}


def fill(connection: psycopg.Connection, layer: Layer, srid: int, rows: list[Row]) -> None:
    names = {"text": "text", "integer": "bigint", "number": "float8", "boolean": "boolean"}
    names |= {"date": "date", "timestamp": "timestamptz"}
    columns = ", ".join(f'"{name}" {names[kind]}' for name, kind in TYPES.items())
    connection.execute(
        f"CREATE TABLE layers.{layer.table} (fid bigint PRIMARY KEY, {columns}, geom geometry(Point, {srid}),"
        " geom_3857 geometry(Point, 3857) GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED)"
    )
    place = f"ST_Transform(ST_SetSRID(ST_MakePoint(%(x)s, %(y)s), 4326), {srid})"
    if srid == UTM:  # no transverse Mercator reaches the other side of the earth
        rows = [row for row in rows if abs(row["x"]) < 179]
    values = ", ".join(f"%({name})s" for name in ["fid", *TYPES])
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO layers.{layer.table} VALUES ({values}, {place})", rows)
    connection.execute(f"CREATE INDEX ON layers.{layer.table} USING gist (geom)")


@pytest.fixture(scope="session")
def zoo_connection(make_database: Callable[..., str], empty_template: str) -> Iterator[psycopg.Connection]:
    url = make_database(template=empty_template)
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


@pytest.fixture(scope="session")
def zoo(zoo_connection: psycopg.Connection) -> Zoo:
    rows = make_rows()
    layer = make_layer()
    fill(zoo_connection, layer, 4326, rows)
    return Zoo(layer, State(4326), zoo_connection, rows)


@pytest.fixture(scope="session")
def utm_zoo(zoo_connection: psycopg.Connection) -> Zoo:
    """The same points stored in UTM zone 26N."""
    rows = [row for row in make_rows() if abs(row["x"]) < 179]
    layer = make_layer("utm-zoo")
    fill(zoo_connection, layer, UTM, rows)
    return Zoo(layer, State(UTM), zoo_connection, rows)
