"""A loaded database, and a role that may edit the tables of its layers and no more."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from geoserver.catalog import read_layer
from geoserver.database.connecting import connect
from geoserver.loading import load
from geoserver.tiling import fold

if TYPE_CHECKING:
    from pathlib import Path

PLANTS = """
title = "Plants"
license = "CC0-1.0"
source = "data/plants.csv"
kind = "points"
key = "number"
time = "planted"
features_from = 12
fields.number = { type = "integer" }
fields.name = { type = "text", filter = "choice" }
fields.planted = { type = "date", filter = "range" }
fields.note = { type = "text" }
"""
WALLS = """
title = "Walls"
license = "CC0-1.0"
source = "data/walls.geojson"
kind = "polygons"
crs = "EPSG:32626"
key = "code"
fields.name = { type = "text" }
"""
WALL = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"code": "W1", "name": "old"},'
    ' "geometry": {"type": "Polygon", "coordinates": [[[5e5, 5e6], [5.01e5, 5e6], [5.01e5, 5.001e6], [5e5, 5e6]]]}}]}'
)
POINT = "'SRID=4326;POINT(-28.6 45.2)'"


@dataclass
class Editing:
    """A loaded database and a role that may edit what was granted to it, and no more."""

    url: str
    workspace: Path
    role: str
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def editor(self) -> str:
        """The address as which the role connects."""
        return make_conninfo(self.url, user=self.role, password="secret")

    def connect(self, **settings: str) -> psycopg.Connection:
        connection = psycopg.connect(self.editor, autocommit=True)
        for name, value in settings.items():
            connection.execute(SQL("SET {} = {}").format(Identifier(name.lower()), Literal(value)))
        return connection

    def edit(self, *statements: str, **settings: str) -> None:
        with self.connect(**settings) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Of the database, as its owner."""
        with psycopg.connect(self.url, autocommit=True, options="-c timezone=UTC") as connection:
            return connection.execute(query.encode()).fetchall()

    def state(self, layer: str = "plants") -> tuple[int, int]:
        """Rows and version."""
        return self.ask(f"SELECT rows::int, version::int FROM geoserver.states WHERE id = '{layer}'")[0]

    def delta(self) -> list[tuple[Any, ...]]:
        return self.ask("SELECT n, value, t FROM layers.plants__delta ORDER BY 1, 2, 3")

    def load(self, layer: str) -> None:
        load(read_layer(self.workspace / "layers" / f"{layer}.toml"), self.url, force=True)

    def fold(self) -> None:
        """Work in what is noted, and then that bounds are others, as the worker does."""
        with connect(self.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while fold(connection, "plants", None):
                connection.commit()


def write_layers(folder: Path) -> Path:
    (folder / "layers").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "layers/plants.toml").write_text(PLANTS, encoding="utf-8")
    (folder / "layers/walls.toml").write_text(WALLS, encoding="utf-8")
    (folder / "data/walls.geojson").write_text(WALL, encoding="utf-8")
    write_plants(folder, range(60))
    return folder


def write_plants(folder: Path, numbers: range) -> None:
    rows = [f"{n},kind {n % 3},2024-{1 + n % 12:02}-{1 + n % 28:02},,{-28.6 - n / 1e4},45.2" for n in numbers]
    text = "\n".join(["number,name,planted,note,lon,lat", *rows, ""])
    (folder / "data/plants.csv").write_text(text, encoding="utf-8")


def make_role(url: str, *tables: str) -> str:
    name = f"editor_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        role = Identifier(name)
        connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(role))
        connection.execute(SQL("GRANT USAGE ON SCHEMA layers TO {}").format(role))
        for table in tables:
            connection.execute(
                SQL("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {} TO {}").format(
                    Identifier("layers", table), role
                )
            )
    return name


def drop_role(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("DROP OWNED BY {} CASCADE").format(Identifier(name)))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))
