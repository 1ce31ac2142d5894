"""What PostgreSQL or PostGIS cannot compute with is a 400 that says so, and tells nothing of the rows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from psycopg.sql import SQL

from geoserver.database.pool import Database
from geoserver.errors import BadParameterError
from geoserver.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

IMPOSSIBLE = [
    "SELECT 1e308::float8 * 10",
    "SELECT 9223372036854775807 + 1",
    "SELECT 1 / 0",
    "SELECT sqrt(-1.0)",
    "SELECT 'secret'::int",
    "SELECT 'ba' LIKE 'b\\'",
    "SELECT 'a' ~ '['",
    "SELECT date '5874897-12-31' + 1",
    "SELECT '20000-01-01'::timestamptz",  # PostgreSQL has it, Python has not
    "SELECT " + " + ".join(["1"] * 100_000),
    "SELECT ST_MakePolygon('LINESTRING(0 0,1 1)'::geometry)",
    "SELECT ST_Transform('SRID=4326;POINT(1000 1000)'::geometry, 32626)",
    "SELECT ST_Intersects('SRID=4326;POINT(0 0)'::geometry, 'SRID=3857;POINT(0 0)'::geometry)",
    "SELECT ST_GeomFromText('POLYGON((0 0')",
]


@pytest.mark.parametrize("text", IMPOSSIBLE, ids=[text[:50] for text in IMPOSSIBLE])
def test_an_impossible_value_is_a_bad_parameter(hostile_database: str, tmp_path: Path, text: str) -> None:
    async def ask() -> None:
        database = Database(hostile_database, Settings(workspace=tmp_path, database_url=None))
        await database.open()
        try:
            with pytest.raises(BadParameterError) as caught:
                await database.fetch(SQL(text))  # type: ignore[arg-type]
            assert caught.value.status == 400
            assert "secret" not in str(caught.value)
            with pytest.raises(BadParameterError):
                await asyncio.to_thread(database.fetch_sync, SQL(text))  # type: ignore[arg-type]
            assert await database.fetch_value(SQL("SELECT 1")) == 1
        finally:
            await database.close()

    asyncio.run(ask())


def test_a_mistake_of_ours_is_none_of_the_client(hostile_database: str, tmp_path: Path) -> None:
    async def ask() -> None:
        database = Database(hostile_database, Settings(workspace=tmp_path, database_url=None))
        await database.open()
        try:
            for text in ("SELECT nosuch", "SELEC 1", "SELECT nosuch()"):
                with pytest.raises(Exception) as caught:
                    await database.fetch(SQL(text))  # type: ignore[arg-type]
                assert not isinstance(caught.value, BadParameterError)
        finally:
            await database.close()

    asyncio.run(ask())
