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


@pytest.fixture(scope="session")
def house_template(
    tmp_path_factory: pytest.TempPathFactory, make_template: Callable[..., str], empty_template: str
) -> str:
    """The city loaded, to be copied; nobody stays connected to it."""
    made = House(write_workspace(tmp_path_factory.mktemp("template")), "")

    def fill(url: str) -> None:
        for layer in read_catalog(made.settings).layers.values():
            load(layer, url)

    return make_template("house", empty_template, fill)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], house_template: str) -> House:
    """A city of the module's own; nothing serves it yet."""
    return House(write_workspace(tmp_path_factory.mktemp("house")), make_database(template=house_template))


@pytest.fixture(scope="module")
def asked(house: House) -> Iterator[TestClient]:
    """The app over it, called in process."""
    with TestClient(build_app(house), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client
