"""A workspace for each test of loading; a module's tests share a database, which is emptied in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from load_workspace import Workspace

_EMPTY = "DROP SCHEMA layers CASCADE; CREATE SCHEMA layers; TRUNCATE geoserver.layers, geoserver.rejects"


@pytest.fixture(scope="module")
def module_database(make_database: Callable[..., str], empty_template: str) -> str:
    return make_database(template=empty_template)


@pytest.fixture
def workspace(tmp_path: Path, module_database: str) -> Workspace:
    with psycopg.connect(module_database, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(_EMPTY)
    return Workspace(tmp_path, module_database)
