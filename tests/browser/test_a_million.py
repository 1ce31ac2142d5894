"""A million points on the map, from afar and nearer, whole and filtered: counted, and drawn to be looked at."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from PIL import Image

from benchmarks.data import CENTRE, write_points
from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROWS = 1_000_000
LAYER = """\
title = "Reports"
description = "Clustered, skewed and dated points; not real."
theme = "Safety"
order = 1
license = "CC0-1.0"
source = "data/reports.csv"
key = "incident"
kind = "points"
time = "reported_at"
label = "category"

[fields.incident]
type = "text"

[fields.category]
title = "Category"
type = "text"
filter = "choice"

[fields.reported_at]
title = "Reported"
type = "timestamp"
filter = "range"
"""
FILTER = "category IN ('burglary','robbery') AND reported_at >= TIMESTAMP('2023-01-01T00:00:00Z')"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
DESK = {"viewport": {"width": 1280, "height": 800}}
ZOOMS = (9, 12)


@pytest.fixture(scope="module")
def million(
    make_database: Callable[..., str],
    city_template: str,
    serve: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server over the sample city's ground and a million reports on it."""
    workspace = tmp_path_factory.mktemp("million")
    (workspace / "layers").mkdir()
    (workspace / "layers/reports.toml").write_text(LAYER, encoding="utf-8")
    write_points(workspace / "data/reports.csv", ROWS)
    url = make_database(template=city_template)
    settings = Settings(workspace=workspace, database_url=None, samples=True)
    load(read_catalog(settings).layers["reports"], url)
    with serve(create_app(settings, url), url) as running:
        yield running


def address(zoom: float, condition: str = "") -> str:
    lon, lat = CENTRE
    return f"/?layers=reports{'&filter.reports=' + quote(condition) if condition else ''}#{zoom}/{lat}/{lon}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_million_points_are_drawn_and_counted(
    open_viewer: Callable[..., Any], million: Any, output: Path, theme: str
) -> None:
    """Two by two into output/million-THEME.png: above whole, below filtered, left from afar, right nearer."""
    sheet = Image.new("RGB", (2 * 1280, 2 * 800))
    for row, condition in enumerate(("", FILTER)):
        for column, zoom in enumerate(ZOOMS):
            viewer = open_viewer(address(zoom, condition), origin=million.url, color_scheme=theme, **DESK)
            shot = Image.open(io.BytesIO(viewer.page.screenshot())).convert("RGB")
            sheet.paste(shot, (1280 * column, 800 * row))
            if zoom == ZOOMS[0]:
                viewer.in_view()
                said = viewer.page.locator("#panel-body [role=status]").inner_text()
                viewer.page.get_by_role("tab", name="Layers").click()
                counted = re.sub(r"\D", "", said.split(" in view")[0])
                assert int(counted) == viewer.count("reports")
    sheet.save(output / f"million-{theme}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_million_points_are_drawn_on_a_phone(
    open_viewer: Callable[..., Any], million: Any, output: Path, theme: str
) -> None:
    sheet = Image.new("RGB", (2 * 780, 1688))
    for column, zoom in enumerate(ZOOMS):
        viewer = open_viewer(address(zoom), origin=million.url, color_scheme=theme, **PHONE)
        shot = Image.open(io.BytesIO(viewer.page.screenshot())).convert("RGB")
        sheet.paste(shot, (780 * column, 0))
        assert len(shot.resize((64, 64)).getcolors(4096) or ()) > 20
    sheet.save(output / f"million-phone-{theme}.png")
