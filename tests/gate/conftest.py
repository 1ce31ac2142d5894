"""Fixtures: a loaded city with a restricted layer, and the app over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from gatehouse import House, build_app, write_workspace

from geoserver.catalog import read_catalog
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str) -> House:
    """Loaded; nothing serves it yet."""
    made = House(write_workspace(tmp_path_factory.mktemp("house")), make_database(template=empty_template))
    for layer in read_catalog(made.settings).layers.values():
        load(layer, made.database_url)
    return made


@pytest.fixture(scope="module")
def asked(house: House) -> Iterator[TestClient]:
    """The app over it, called in process."""
    with TestClient(build_app(house), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client
