"""Fixtures for tests of the tile cache: a server whose tiles count how often they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from counted_tiles import World, write_workspace

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path, empty_database: str) -> World:
    """Two layers of 144 points, loaded; nothing serves them yet."""
    made = World(write_workspace(tmp_path), empty_database)
    made.fill()
    return made


@pytest.fixture
def served(world: World, serve: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[World]:
    """The same with a server over it, with the settings that the test gives as the fixture's parameter."""
    chosen = getattr(request, "param", {})
    settings = Settings(workspace=world.workspace, database_url=None, **chosen)
    with serve(create_app(settings, world.database_url), world.database_url) as server:
        world.url = server.url
        yield world
