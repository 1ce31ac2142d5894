"""A server that freezes for everybody, and one frozen map of the sample city."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from frozen_maps import BURGLARIES, freeze

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frozen")


@pytest.fixture(scope="session")
def own_city(make_database: Callable[..., str], city_template: str) -> str:
    """The sample city, to be edited."""
    return make_database(template=city_template)


@pytest.fixture(scope="session")
def anyone(workspace: Path, own_city: str) -> Iterator[TestClient]:
    """A server that freezes for everybody."""
    app = create_app(Settings(workspace=workspace, database_url=None, samples=True, freeze="anyone"), own_city)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as running:
        yield running


@pytest.fixture(scope="session")
def frozen(anyone: TestClient) -> str:
    told = freeze(anyone, BURGLARIES, "Burglaries of a winter")
    assert told["state"] == "done", told
    return str(told["id"])


@pytest.fixture(scope="session")
def folder(workspace: Path, frozen: str) -> Path:
    return workspace / ".geoserver" / "frozen" / "kept" / frozen / "public"


@pytest.fixture(scope="session")
def manifest(anyone: TestClient, frozen: str) -> dict[str, Any]:
    found: dict[str, Any] = anyone.get(f"/frozen/{frozen}/manifest.json").json()
    return found
