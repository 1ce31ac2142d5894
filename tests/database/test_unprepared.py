"""Statements with a shape in them are planned for that very shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import shapely
from psycopg.sql import SQL

from geoserver.database.pool import Database
from geoserver.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("corners", "prepared"), [(4, 1), (400, 0)])
def test_a_statement_with_a_shape_of_many_corners_is_never_prepared(
    empty_database: str, tmp_path: Path, corners: int, prepared: int
) -> None:
    """A plan for any shape would read its bytes anew for every row."""
    shape = shapely.to_wkb(
        shapely.Point(0, 0).buffer(1).segmentize(6 / corners) if corners > 4 else shapely.box(0, 0, 1, 1)
    )
    database = Database(empty_database, Settings(workspace=tmp_path, database_url=None, ogc_threads=1))
    database._pool_sync.open(wait=True)
    query = SQL("SELECT ST_NPoints(ST_GeomFromWKB(%(f0)s::bytea)) AS corners")
    try:
        for _ in range(8):
            (row,) = database.fetch_sync(query, {"f0": shape})
        assert row["corners"] >= corners
        (row,) = database.fetch_sync(
            SQL("SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE '%ST_NP%'")
        )
        assert row["n"] == prepared
    finally:
        database._pool_sync.close()
