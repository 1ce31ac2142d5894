"""What is made of rows for everybody follows from no restricted field, whether it was one at the load or since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geoserver.database.fitting import Fit

LAYER = """
title = "Wells"
license = "CC0-1.0"
source = "data/wells.csv"
kind = "points"
{time}
fields.owner = {{ type = "text", filter = "choice"{owner} }}
fields.wood = {{ type = "text", filter = "choice" }}
fields.dug = {{ type = "date"{dug} }}
"""
CLOSED = ", restricted = true"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for part in ("layers", "data"):
        (tmp_path / part).mkdir()
    rows = [f"{-28.6 + n / 1000},45.2,{'oak' if n % 2 else 'elm'},Owner {n % 3},2020-01-0{n + 1}" for n in range(9)]
    (tmp_path / "data/wells.csv").write_text("\n".join(["lon,lat,wood,owner,dug", *rows]), encoding="utf-8")
    return tmp_path


def write(workspace: Path, *, owner: str = "", dug: str = "", time: str = "") -> Settings:
    text = LAYER.format(owner=owner, dug=dug, time=time)
    (workspace / "layers/wells.toml").write_text(text, encoding="utf-8")
    return Settings(workspace=workspace, database_url=None)


def load_wells(settings: Settings, url: str) -> None:
    load(read_catalog(settings).layers["wells"], url)


def read_fit(settings: Settings, url: str) -> Fit:
    """The layer and its state, as a server has them for whoever may see all."""
    with TestClient(app := create_app(settings, url), base_url="http://127.0.0.1"):
        services = app.state.services
        found = services._fit(services.live.current.layers["wells"])
    assert found is not None
    assert found.layer is not None
    return found


def test_squares_count_the_values_of_no_restricted_field(
    workspace: Path, make_database: Callable[..., str], empty_template: str
) -> None:
    url = make_database(template=empty_template)
    settings = write(workspace, owner=CLOSED)
    load_wells(settings, url)
    assert read_fit(settings, url).status.plan.facet == "wood"


def test_a_field_that_is_restricted_after_the_load_is_in_squares_and_times_no_more(
    workspace: Path, make_database: Callable[..., str], empty_template: str
) -> None:
    url = make_database(template=empty_template)
    settings = write(workspace, time='time = "dug"')
    load_wells(settings, url)
    before = read_fit(settings, url)
    assert before.layer is not None
    assert (before.layer.time, before.status.plan.facet) == ("dug", "owner")
    write(workspace, owner=CLOSED, dug=CLOSED)
    after = read_fit(settings, url)
    assert after.layer is not None
    assert (after.layer.time, after.status.plan.facet, after.status.plan.values) == ("", "", ())
    assert after.layer.tile_fields == ("wood",)
    assert any(change.startswith("time") for change in after.changes)
