"""The box that finds streets and places of the basemap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

STREET = """
    SELECT ARRAY[name, ST_X(place)::text, ST_Y(place)::text] FROM (
        SELECT name, ST_Centroid(ST_Extent(ST_Transform(geom, 4326))) AS place, ST_Length(ST_Union(geom)) AS length
        FROM layers.streets WHERE name IS NOT NULL GROUP BY name HAVING count(*) = 1
    ) AS streets ORDER BY length, name LIMIT 1
"""


def test_a_street_is_found_by_keyboard_and_by_touch_and_the_link_tells_where(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    name, lon, lat = sql(STREET)
    for touch in (False, True):
        looks = {"viewport": {"width": 390, "height": 844}, "has_touch": True} if touch else {}
        viewer = open_viewer("/?layers=trees", **looks)
        page = viewer.page
        if touch:
            page.get_by_role("tab", name="Layers").tap()
        box = page.get_by_role("searchbox", name="Find a street or place")
        box.fill(name.upper())
        first = page.get_by_role("search").get_by_role("button").first
        expect(first).to_contain_text(name)
        if touch:
            assert first.bounding_box()["height"] >= 44
            first.tap()
            expect(box).to_be_hidden()  # the sheet lies no longer on the map
        else:
            box.press("Enter")
        expect(page).to_have_url(re.compile("#16/"))  # it is short
        viewer.settle()
        assert list(map(float, urlsplit(page.url).fragment.split("/")[1:])) == pytest.approx(
            [float(lat), float(lon)], abs=1e-4
        )
        assert urlsplit(page.url).query.endswith("layers=trees")


def test_what_nothing_is_called_is_said(open_viewer: Callable[..., Any]) -> None:
    page = open_viewer("/?layers=trees").page
    page.get_by_role("searchbox", name="Find a street or place").fill("qqq")
    expect(page.get_by_text("Nothing here is called “qqq”.")).to_be_visible()
