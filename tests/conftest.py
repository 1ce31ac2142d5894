"""Fixtures: a real PostGIS, the sample city loaded into it, the app over it, and a real server on a free port.

`GEOSERVER_TEST_DATABASE_URL` names a server to use (its role must be allowed to create databases); without it the suite
starts a private PostGIS of its own and stops it at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import uvicorn
from fastapi.testclient import TestClient
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.database import private
from geoserver.database.migrate import apply_migrations
from geoserver.loading import load
from geoserver.server import build_config
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """Address of a PostGIS server in which databases may be made and dropped."""
    given = os.environ.get("GEOSERVER_TEST_DATABASE_URL")
    if given:
        yield given
        return
    workspace = Path(tempfile.mkdtemp(prefix="geoserver-tests-"))
    settings = Settings(workspace=workspace, database_url=None)
    try:
        yield private.ensure(settings)
    finally:
        private.stop(settings)
        private.remove(settings)
        shutil.rmtree(workspace, ignore_errors=True)


@pytest.fixture(scope="session")
def make_database(database_server: str) -> Iterator[Callable[..., str]]:
    """`make_database()` gives the address of a new empty database, `make_database(template=url)` that of a copy."""
    made: list[str] = []

    def make(template: str | None = None) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        source = psycopg.conninfo.conninfo_to_dict(template)["dbname"] if template else "template1"
        with psycopg.connect(database_server, autocommit=True) as connection:
            statement = SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(Identifier(name), Identifier(str(source))))
        made.append(name)
        return make_conninfo(database_server, dbname=name)

    yield make
    with psycopg.connect(database_server, autocommit=True) as connection:
        for name in made:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="session")
def empty_template(make_database: Callable[..., str]) -> str:
    """A migrated database without layers, to be copied; nobody stays connected to it."""
    url = make_database()
    apply_migrations(url)
    return url


@pytest.fixture
def empty_database(make_database: Callable[..., str], empty_template: str) -> str:
    """A migrated database without layers, for one test to write to."""
    return make_database(template=empty_template)


@pytest.fixture(scope="session")
def city_template(make_database: Callable[..., str], empty_template: str, city_settings: Settings) -> str:
    """A database with every layer of the sample city, to be copied; nobody stays connected to it."""
    url = make_database(template=empty_template)
    for layer in read_catalog(city_settings).layers.values():
        load(layer, url)
    return url


@pytest.fixture(scope="session")
def city_database(make_database: Callable[..., str], city_template: str) -> str:
    """The loaded sample city, for tests that only read."""
    return make_database(template=city_template)


@pytest.fixture(scope="session")
def city_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a server over the sample city, in an empty workspace."""
    return Settings(workspace=tmp_path_factory.mktemp("workspace"), database_url=None, samples=True)


@pytest.fixture(scope="session")
def city_app(city_settings: Settings, city_database: str) -> FastAPI:
    return create_app(city_settings, city_database)


@pytest.fixture(scope="session")
def client(city_app: FastAPI) -> Iterator[TestClient]:
    """The real app over the sample city, called in process; errors come back as responses."""
    with TestClient(city_app, base_url="http://127.0.0.1", raise_server_exceptions=False) as running:
        yield running


@dataclass(frozen=True)
class Server:
    """A running server: its address and the database under it."""

    url: str
    database_url: str


@contextlib.contextmanager
def run_server(app: FastAPI, database_url: str, **options: Any) -> Iterator[Server]:
    """Serve the app as the command does, in a thread on a free port of 127.0.0.1; `options` are of `build_config`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(build_config(app, **options))
        factory = server.config.get_loop_factory()
        serving = server.serve(sockets=[listener])
        thread = threading.Thread(target=lambda: asyncio.run(serving, loop_factory=factory), daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.02)
        try:
            yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", database_url)
        finally:
            server.should_exit = True
            thread.join(timeout=30)


@pytest.fixture(scope="session")
def serve() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """`with serve(app, database_url) as server:` for tests that need an app of their own on a real port."""
    return run_server


@pytest.fixture(scope="session")
def server(city_settings: Settings, city_database: str) -> Iterator[Server]:
    """A real server over the sample city, for browsers, GDAL and QGIS."""
    with run_server(create_app(city_settings, city_database), city_database) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the browser's tests last: Playwright keeps an event loop of its own running until the session ends."""
    items.sort(key=lambda item: "browser" in item.path.parts)
