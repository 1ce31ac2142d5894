"""The pages of the APIs in a browser: nothing from elsewhere, no fault, nothing that axe finds, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

PAGES = [
    "/ogc",
    "/ogc/conformance",
    "/ogc/openapi",
    "/ogc/collections",
    "/ogc/collections/crime",
    "/ogc/collections/crime/schema",
    "/ogc/collections/crime/items?limit=20&category=burglary",
    "/ogc/collections/sewage-sampling/items/1",
    "/docs",
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.slow
def test_the_pages_for_developers_have_no_violation(open_viewer: Callable[..., Any], scheme: str) -> None:
    viewer = open_viewer(None, color_scheme=scheme, viewport={"width": 390, "height": 844})
    for path in PAGES:
        viewer.page.goto(viewer.origin + path)
        found = Axe().run(viewer.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        wide = viewer.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not wide, f"{path} scrolls sideways on a phone"


@pytest.mark.slow
def test_next_leads_on_and_a_feature_leads_to_the_map(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(None)
    viewer.page.goto(f"{viewer.origin}/ogc/collections/crime/items?limit=5")
    first = viewer.page.locator("tbody th").all_inner_texts()
    viewer.page.get_by_role("link", name="Next page").first.click()
    viewer.page.wait_for_url("**cursor=**")
    second = viewer.page.locator("tbody th").all_inner_texts()
    assert len(first) == len(second) == 5
    assert not set(first) & set(second)
    viewer.page.locator("tbody th a").first.click()
    viewer.page.get_by_role("link", name="Open on the map").click()
    viewer.settle()
    assert "layers=crime" in viewer.page.url


DATASETS = ["/layers", "/layers?q=nothing+at+all", "/layers/crime", "/layers/air-quality?lang=de", "/layers/nothing"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.slow
def test_the_pages_of_datasets_have_no_violation_and_need_no_script(
    open_viewer: Callable[..., Any], scheme: str
) -> None:
    viewer = open_viewer(None, color_scheme=scheme, viewport={"width": 390, "height": 844})
    viewer.expected_faults = ("404",)
    for path in DATASETS:
        viewer.page.goto(viewer.origin + path)
        for details in viewer.page.locator("details summary").all():
            details.click()
        found = Axe().run(viewer.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        wide = viewer.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not wide, f"{path} scrolls sideways on a phone"


def test_a_dataset_is_found_read_and_opened_on_the_map_and_the_map_leads_back(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(None, locale="de-DE")
    page = viewer.page
    page.goto(f"{viewer.origin}/layers")
    page.get_by_role("searchbox").fill("straftaten polizei")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Gemeldete Straftaten").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Gemeldete Straftaten"
    size = "async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight]; }"
    assert page.locator("main img").evaluate(size) == [720, 480]
    page.get_by_role("link", name="Auf der Karte öffnen").click()
    viewer.settle()
    assert page.get_by_role("switch", name="Gemeldete Straftaten", exact=True).is_checked()
    viewer.card("crime").get_by_text("Über diese Daten").click()
    page.get_by_role("link", name="Seite dieses Datensatzes").click()
    page.wait_for_url("**/layers/crime?lang=de")
