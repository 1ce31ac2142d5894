"""Databases whose rows are edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from editors import Editing, drop_role, make_role, write_layers

from geoserver.catalog import read_layer
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def loaded(
    make_template: Callable[..., str], empty_template: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A database with both layers, to be copied."""
    folder = write_layers(tmp_path_factory.mktemp("editors") / "workspace")

    def fill(url: str) -> None:
        for name in ("plants", "walls"):
            load(read_layer(folder / "layers" / f"{name}.toml"), url)

    return make_template("editors", empty_template, fill), folder


@pytest.fixture
def editing(loaded: tuple[str, Path], make_database: Callable[..., str], tmp_path: Path) -> Iterator[Editing]:
    url = make_database(template=loaded[0])
    role = make_role(url, "plants", "walls")
    yield Editing(url, write_layers(tmp_path / "workspace"), role)
    drop_role(url, role)
