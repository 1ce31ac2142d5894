"""Values at the edge of what JavaScript's numbers hold, and what loading changed, as the page shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAYER = """
title = "Meters"
license = "CC0-1.0"
source = "meters.csv"
kind = "points"
fields.number = { title = "Number", type = "integer", filter = "choice" }
fields.height = { title = "Height", type = "number" }
"""
ROWS = """lon,lat,number,height
-28.60,45.20,9007199254740992,1
-28.61,45.21,9007199254740993,2
-28.62,45.22,9223372036854775807,tall
"""


@pytest.mark.slow
def test_integers_beyond_2_53_are_told_apart_and_what_loading_changed_is_shown(
    open_viewer: Callable[..., Any], serve: Callable[..., Any], empty_database: str, tmp_path: Path
) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "meters.toml").write_text(LAYER)
    (tmp_path / "meters.csv").write_text(ROWS)
    load(read_layer(tmp_path / "layers" / "meters.toml"), empty_database)
    app = create_app(Settings(workspace=tmp_path, database_url=None), empty_database)
    with serve(app, empty_database) as running:
        viewer = open_viewer("/?layers=meters", origin=running.url)
        filters = viewer.open_filters("meters")
        for number in ("9007199254740993", "9223372036854775807"):
            filters.get_by_label(number).check()
            viewer.settle()
            assert viewer.count("meters") == 1, number
            assert number in viewer.address()
            assert open_viewer(viewer.address(), origin=running.url).count("meters") == 1
            filters.get_by_label(number).uncheck()
            viewer.settle()
        viewer.card("meters").get_by_text("About this data").click()
        expect(viewer.card("meters")).to_contain_text("Height: no number, left empty (1, “tall”)")
        facts = viewer.card("meters").locator("dl")
        assert "" not in facts.locator("dd").all_inner_texts()
        room, width = (place.bounding_box() for place in (facts.locator("dd").first, facts))
        assert room
        assert width
        assert room["width"] > 0.45 * width["width"], "long words on the left leave no room for those on the right"
        viewer.page.context.close()
