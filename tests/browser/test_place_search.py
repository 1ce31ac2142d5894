"""The box that finds everything: layers, values, places, features, coordinates; by keyboard, by touch, by ear."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.browser

STREET = """
    SELECT ARRAY[name, ST_X(place)::text, ST_Y(place)::text] FROM (
        SELECT name, ST_Centroid(ST_Extent(ST_Transform(geom, 4326))) AS place, ST_Length(ST_Union(geom)) AS length
        FROM layers.streets WHERE name IS NOT NULL GROUP BY name HAVING count(*) = 1
    ) AS streets ORDER BY length, name LIMIT 1
"""


def box_of(page: Any) -> Any:
    return page.get_by_role("combobox", name="Search")


def option(page: Any, group: str, text: str) -> Any:
    return page.get_by_role("group", name=group).get_by_role("option").filter(has_text=text).first


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
        box = box_of(page)
        box.fill(name.upper())
        first = option(page, "Places and addresses", name)
        expect(first).to_be_visible()
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
        assert re.search(r"layers=trees&pin=-28\.\d+,45\.\d+$", urlsplit(page.url).query)


def test_a_mistyped_value_becomes_a_filter_by_keys_alone_and_one_step_takes_it_back(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer("/?layers=trees")
    page = viewer.page
    page.locator("body").press("/")
    box = box_of(page)
    expect(box).to_be_focused()
    box.press_sequentially("burglry")
    expect(option(page, "Filters", "Burglary")).to_contain_text("Category in Reported crime")
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    active = box.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    assert Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}).violations_count == 0
    box.press("Enter")
    expect(page.get_by_role("switch", name="Reported crime")).to_be_checked()
    expect(page).to_have_url(re.compile("filter.crime="))
    assert "layers=trees,crime&filter.crime=category IN ('burglary')" in unquote(viewer.address())
    expect(box).to_have_value("")
    page.go_back()
    expect(page.get_by_role("switch", name="Reported crime")).not_to_be_checked()
    expect(page).not_to_have_url(re.compile("filter.crime="))


@pytest.mark.slow
def test_a_layer_is_switched_on_a_feature_is_selected_and_coordinates_are_gone_to(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=trees")
    page, box = viewer.page, box_of(viewer.page)
    box.fill("air qualty")
    option(page, "Layers", "Air quality").click()
    expect(page.get_by_role("switch", name="Air quality")).to_be_checked()
    name = sql("SELECT min(name) FROM layers.air_quality")
    box.fill(name)
    option(page, "Features", "Air quality").click()
    expect(page).to_have_url(re.compile("select=air-quality"))
    box.fill("45°12.3'N 28°35.7'W")
    option(page, "Coordinates", "45.20500, -28.59500").click()
    expect(page).to_have_url(re.compile(r"#16/45\.2050*/-28\.5950*$"))


def test_escape_closes_and_clears_and_what_nothing_is_called_is_said(
    open_viewer: Callable[..., Any], output: Path
) -> None:
    page = open_viewer("/?layers=trees", viewport={"width": 390, "height": 844}).page
    page.get_by_role("tab", name="Layers").click()
    box = box_of(page)
    box.fill("qqq")
    expect(page.get_by_text("Nothing here is called “qqq”.")).to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "false")
    box.fill("rua")
    options = page.get_by_role("listbox", name="What was found").get_by_role("option")
    expect(options.first).to_be_visible()
    assert page.locator("search .sheet").evaluate("sheet => sheet.getBoundingClientRect().bottom <= innerHeight")
    page.screenshot(path=output / "search-phone.png")
    box.press("Escape")
    expect(options.first).to_be_hidden()
    expect(box).to_have_value("rua")
    box.press("ArrowUp")
    box.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    box.press("Escape")
    box.press("Escape")
    expect(box).to_have_value("")


@pytest.mark.slow
def test_a_part_that_does_not_answer_is_said_below_what_is_found_until_it_answers(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer("/?layers=trees")
    page = viewer.page
    viewer.expected_faults = ("Failed to load resource",)
    page.route(re.compile("parts=places"), lambda route: route.abort())
    box_of(page).fill("Rua da")
    lost = page.get_by_role("status").filter(has_text="The search does not answer at the moment.")
    expect(lost).to_be_visible()
    expect(lost).not_to_have_class(re.compile("sr"))
    expect(page.get_by_role("group", name="Features").get_by_role("option").first).to_be_visible()
    page.unroute_all()
    expect(option(page, "Places and addresses", "Rua da")).to_be_visible(timeout=30_000)
    expect(lost).to_have_count(0)
