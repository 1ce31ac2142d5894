"""Layers made in a test: a source file in a workspace of its own, and what a load left in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from geoserver.fieldtypes import FieldType
from geoserver.loading import LoadReport, load
from geoserver.model import Field, Layer, Readings

type Columns = Mapping[str, FieldType | tuple[FieldType, str]]


def make_fields(columns: Columns) -> dict[str, Field]:
    """Fields from `{"name": "text"}` or `{"name": ("text", "Column in the source")}`."""
    pairs = {name: given if isinstance(given, tuple) else (given, "") for name, given in columns.items()}
    return {name: Field(name, name.title(), kind, column=column) for name, (kind, column) in pairs.items()}


def make_layer(root: Path, source: str, *, kind: str = "points", fields: Columns | None = None, **more: Any) -> Layer:
    """A layer over `root/source`, as the catalogue would read it from `root/layers`."""
    declared = make_fields(fields or {})
    readings: Readings | None = more.get("readings")
    if readings:
        declared |= {name: replace(item, latest=True) for name, item in readings.fields.items()}
    texts = {"title": "Test", "description": "", "theme": "Test", "license": "CC0-1.0", "attribution": ""}
    return Layer(
        id=more.pop("id", "test-layer"),
        source=source,
        kind=kind,
        file=root / "layers" / "test-layer.toml",
        fields=declared,
        **texts,
        **more,
    )


@dataclass(frozen=True)
class Workspace:
    """A folder for sources and a database to load them into."""

    root: Path
    url: str

    def write(self, name: str, content: str | bytes) -> str:
        """Write a source; gives its name, which is what a layer file would say."""
        data = content.encode() if isinstance(content, str) else content
        (self.root / name).write_bytes(data)
        return name

    def load(self, source: str, *, force: bool = False, accept_losses: bool | None = True, **layer: Any) -> LoadReport:
        """Load whatever is lost: small sources of tests often are mostly faults."""
        return load(make_layer(self.root, source, **layer), self.url, force=force, accept_losses=accept_losses)

    def rows(self, columns: str = "*", table: str = "test_layer", order: str = "fid") -> list[tuple[Any, ...]]:
        """Rows of a loaded layer; `columns` is SQL of the test's own."""
        with psycopg.connect(self.url, options="-c timezone=UTC") as connection:
            query = f"SELECT {columns} FROM layers.{table} ORDER BY {order}"
            return connection.execute(query.encode()).fetchall()

    def query(self, text: str, *params: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(text.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def rejects(self) -> list[tuple[int, str]]:
        """Line and reason of rejected rows."""
        return [
            (line, reason) for line, reason in self.query("SELECT line, reason FROM geoserver.rejects ORDER BY line")
        ]

    def count(self, table: str = "test_layer") -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier("layers", table))).fetchone()
        assert row
        return int(row[0])
