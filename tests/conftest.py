"""Fixtures: a real PostGIS, the sample city loaded into it, the app over it, and a real server on a free port.

`GEOSERVER_TEST_DATABASE_URL` names a server to use (its role must be allowed to create databases); without it the suite
starts a private PostGIS of its own and stops it at the end. Tests run in several processes (`make test`): these share
the server and the databases that others are copied from, and each has copies of its own.
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

RUN_FOLDER = "GEOSERVER_TEST_RUN"  # in the environment: the folder of this run, for its workers
LONGEST = ("browser", "test_cli", "test_private_postgis", "test_data_samples")


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """Address of a PostGIS server in which databases may be made and dropped; all workers of a run share it."""
    given = os.environ.get("GEOSERVER_TEST_DATABASE_URL")
    if given:
        yield given
        return
    settings = Settings(workspace=Path(os.environ[RUN_FOLDER]), database_url=None)
    url = private.ensure(settings)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # what the tests write need not outlive a power cut
        connection.execute("SELECT pg_reload_conf()")
    yield url
    private.release(settings)


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
    drop_databases(database_server, made)


@pytest.fixture(scope="session")
def make_template(database_server: str) -> Callable[..., str]:
    """`make_template(name, source, fill)` gives a database to be copied; the first worker that asks fills it.

    `source` is the address of the database that it begins as, or None; nobody stays connected to it.
    """

    def make(name: str, source: str | None, fill: Callable[[str], object]) -> str:
        full = f"test_{name}_{run_name()}"
        url = make_conninfo(database_server, dbname=full)
        begun = psycopg.conninfo.conninfo_to_dict(source)["dbname"] if source else "template1"
        with psycopg.connect(database_server, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [full])  # held until the connection closes
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [full]).fetchone() is None:
                half = Identifier(f"{full}_half")
                connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(half))
                connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(half, Identifier(str(begun))))
                fill(make_conninfo(database_server, dbname=f"{full}_half"))
                connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(half, Identifier(full)))
        return url

    return make


def run_name() -> str:
    """Tells the templates of one run from those of another on the same server."""
    return Path(os.environ[RUN_FOLDER]).name[-8:]


def drop_databases(server: str, names: list[str]) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="session")
def empty_template(make_template: Callable[..., str]) -> str:
    """A migrated database without layers, to be copied; nobody stays connected to it."""
    return make_template("empty", None, apply_migrations)


@pytest.fixture
def empty_database(make_database: Callable[..., str], empty_template: str) -> str:
    """A migrated database without layers, for one test to write to."""
    return make_database(template=empty_template)


@pytest.fixture(scope="session")
def city_template(make_template: Callable[..., str], empty_template: str, city_settings: Settings) -> str:
    """A database with every layer of the sample city, to be copied; nobody stays connected to it."""

    def fill(url: str) -> None:
        for layer in read_catalog(city_settings).layers.values():
            load(layer, url)

    return make_template("city", empty_template, fill)


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


def pytest_configure(config: pytest.Config) -> None:
    """The process that begins the run makes the folder of the database that all its workers share."""
    os.environ.setdefault("GEOSERVER_OPERATORS", "open")  # clients in process have no address
    if not hasattr(config, "workerinput"):
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="geoserver-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The same process removes it, with what a worker that was killed may have left running."""
    if hasattr(config, "workerinput"):
        return
    if given := os.environ.get("GEOSERVER_TEST_DATABASE_URL"):
        drop_databases(given, [f"test_{name}_{run_name()}" for name in ("city", "empty", "house")])
    settings = Settings(workspace=Path(os.environ.pop(RUN_FOLDER)), database_url=None)
    if (settings.workspace / ".geoserver").exists():
        private.stop(settings, force=True)
        private.remove(settings)
    shutil.rmtree(settings.workspace, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first, so that no worker is left with one of them while the others are done."""
    items.sort(key=lambda item: not any(name in item.path.parts or name == item.path.stem for name in LONGEST))
