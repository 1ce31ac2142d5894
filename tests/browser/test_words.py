"""What is selected told beside its place, all at one place paged, a list that holds still, texts and their language."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

# A place with several reports, and nobody else's within a few metres.
STACK = """
    SELECT ARRAY[ST_X(place)::text, ST_Y(place)::text, string_agg(incident, ' ' ORDER BY incident)] FROM (
        SELECT incident, geom_3857, ST_Transform(geom_3857, 4326) AS place FROM layers.crime
    ) AS reports
    GROUP BY place, geom_3857 HAVING count(*) BETWEEN 3 AND 6 AND NOT EXISTS (
        SELECT FROM layers.crime AS other
        WHERE other.geom_3857 && ST_Expand(reports.geom_3857, 12) AND NOT ST_Equals(other.geom_3857, reports.geom_3857)
    ) ORDER BY place LIMIT 1
"""


def find_on_screen(viewer: Any, lon: float, lat: float) -> tuple[float, float]:
    """Where a place is on the screen, by the camera in the address."""
    zoom, centre_lat, centre_lon = map(float, urlsplit(viewer.page.url).fragment.split("/"))
    box = viewer.page.locator("#map").bounding_box()

    def northing(degrees: float) -> float:
        return math.degrees(math.log(math.tan(math.pi / 4 + math.radians(degrees) / 2)))

    scale = 512 * 2**zoom / 360
    x = box["x"] + box["width"] / 2 + (lon - centre_lon) * scale
    return x, box["y"] + box["height"] / 2 - (northing(lat) - northing(centre_lat)) * scale


@pytest.mark.slow
def test_all_reports_at_one_place_are_paged_by_keyboard_and_by_touch(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    lon, lat, told = sql(STACK)
    incidents = told.split(" ")
    path = f"/?layers=crime#19/{float(lat):.6f}/{float(lon):.6f}"
    for touch in (False, True):
        looks = {"viewport": {"width": 390, "height": 844}, "has_touch": True} if touch else {}
        viewer = open_viewer(path, **looks)
        if touch:
            viewer.page.get_by_role("tab", name="In view").tap()
            viewer.in_view().first.tap()
        else:
            viewer.page.mouse.click(*find_on_screen(viewer, float(lon), float(lat)))
        dialog = viewer.page.get_by_role("dialog")
        following = dialog.get_by_role("button", name="Next one here")
        seen = []
        for number in range(1, len(incidents) + 1):
            expect(dialog.get_by_text(f"{number} of {len(incidents)} here", exact=True)).to_be_visible()
            expect(dialog.get_by_role("heading")).to_have_text(re.compile(r"^[A-Z][a-z ]+, \d+ [A-Z][a-z]+ 20\d\d$"))
            seen.append(dialog.locator("dd").first.inner_text())
            if touch:
                assert min(following.bounding_box()[side] for side in ("width", "height")) >= 44
                following.tap()
            elif number == 1:
                viewer.press("ArrowRight")
            else:
                following.focus()
                viewer.press("Enter")
                expect(following).to_be_focused()
        assert sorted(seen) == incidents
        found = Axe().run(viewer.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        assert found.response["violations"] == [], found.generate_report()
        expect(dialog.get_by_text(f"1 of {len(incidents)} here", exact=True)).to_be_visible()  # around the end
        if not touch:
            viewer.press("ArrowLeft")
            expect(dialog.get_by_text(f"{len(incidents)} of {len(incidents)} here", exact=True)).to_be_visible()


@pytest.mark.slow
def test_a_card_does_not_lie_over_its_place(open_viewer: Callable[..., Any], sql: Callable[[str], Any]) -> None:
    lon, lat, _ = sql(STACK)
    # The place is at the upper right, where the card will be.
    viewer = open_viewer(f"/?layers=crime#17/{float(lat) - 0.0008:.6f}/{float(lon) - 0.0018:.6f}")
    before = find_on_screen(viewer, float(lon), float(lat))
    viewer.page.mouse.click(*before)
    dialog = viewer.page.get_by_role("dialog")
    expect(dialog.locator("dd").first).to_be_visible()
    viewer.settle()
    card, after = dialog.bounding_box(), find_on_screen(viewer, float(lon), float(lat))
    room = viewer.page.locator("#map").bounding_box()
    assert card["x"] <= before[0] <= card["x"] + card["width"]
    assert room["x"] < after[0] < card["x"]
    assert room["y"] < after[1] < room["y"] + room["height"]


@pytest.mark.slow
def test_the_list_in_view_holds_still_while_it_is_used(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime#17/45.2/-28.6")
    page = viewer.page
    listed = viewer.in_view()
    titles = page.locator("#panel-body ul .about")
    box = page.locator("#map").bounding_box()
    renew = page.get_by_role("button", name="Show what is in view now")

    def texts() -> list[str]:
        return [title.strip() for title in titles.all_text_contents()]

    def move_map() -> None:
        hash_before = page.evaluate("location.hash")
        page.mouse.move(box["x"] + 300, box["y"] + 500)
        page.mouse.wheel(0, -600)
        page.wait_for_function("hash => location.hash !== hash", arg=hash_before)
        viewer.settle()

    listed.nth(2).focus()
    before, places = texts(), listed.nth(5).bounding_box()
    move_map()
    expect(renew).to_be_visible()
    assert texts() == before
    assert listed.nth(5).bounding_box() == places
    renew.focus()
    viewer.press("Enter")
    expect(renew).to_have_count(0)
    held = texts()
    assert held != before
    move_map()
    assert texts() == held
    page.get_by_role("tab", name="In view").focus()  # nobody uses it any more
    expect(renew).to_have_count(0)
    assert texts() != held


@pytest.mark.slow
def test_texts_in_another_language_than_the_page_say_which(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime#17/45.2/-28.6", locale="fr-FR")
    page = viewer.page
    expect(viewer.card("crime").locator(".title")).to_have_text("Criminalité signalée")
    assert viewer.card("crime").locator(".title").get_attribute("lang") is None
    page.get_by_role("tab", name=re.compile("écran")).click()
    page.locator("#panel-body ul button").first.click()
    dialog = page.get_by_role("dialog")
    district = dialog.locator("dd[lang=en]")  # a value of the data, which has no label
    expect(district).to_have_count(1)
    expect(dialog.get_by_role("heading")).not_to_have_attribute("lang", re.compile("."))
    # Nobody has written these in Spanish.
    viewer = open_viewer("/?layers=crime", locale="es-ES")
    assert viewer.card("crime").locator(".title").get_attribute("lang") == "en"
    assert viewer.page.locator("html").get_attribute("lang") == "es"
