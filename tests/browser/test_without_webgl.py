"""A browser that cannot draw the map still shows what there is: layers, counts, filters, rows and their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from engines import FLAGS, WEBGL_IN_SOFTWARE, find_chromium
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
WITHOUT = ["--disable-gpu", "--disable-3d-apis"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without WebGL, as on machines whose driver is on its list of those not to be used."""
    flags = [flag for flag in FLAGS if flag not in WEBGL_IN_SOFTWARE] + WITHOUT
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        yield running
        running.close()


def test_lists_counts_filters_and_values_are_there_without_a_map(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any], output: Path
) -> None:
    viewer = open_viewer(None)
    page = viewer.page
    page.goto(f"{viewer.origin}/?layers=crime,bike-paths")
    expect(page.locator("#map[data-state=none]")).to_be_attached()
    expect(page.get_by_text("This browser cannot draw the map.")).to_be_visible()
    expect(page.get_by_role("button", name="Zoom in")).to_have_count(0)
    page.get_by_role("button", name="Compare two maps").click()
    expect(page.locator(".message [role=status]")).to_have_text(re.compile("^This browser cannot draw the map"))
    assert "compare" not in page.url
    crime = page.locator(".count[data-layer=crime]")
    expect(crime).to_have_text(f"{sql('SELECT count(*) FROM layers.crime'):,} reports")
    card = viewer.card("crime")
    card.locator("summary").first.click()
    card.get_by_role("checkbox", name=re.compile("^Burglary")).check()
    matching = sql("SELECT count(*) FROM layers.crime WHERE category = 'burglary'")
    expect(crime).to_have_text(re.compile(f"^{matching:,} of "))
    page.get_by_role("tab", name="List").click()
    rows = page.locator("#panel-body ul button")
    expect(rows).to_have_count(40)
    burglaries = rows.filter(has_text="Reported crime")
    expect(burglaries).to_have_count(20)
    assert all("Burglary" in text for text in burglaries.all_inner_texts())
    burglaries.first.click()
    dialog = page.get_by_role("dialog", name="Burglary")
    expect(dialog.locator("dd").first).to_be_visible()
    assert Axe().run(page, options=LEVELS).response["violations"] == []
    page.screenshot(path=output / "without-webgl.png")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(burglaries.first).to_be_focused()
    viewer.requests.clear()
    page.wait_for_timeout(2_000)
    assert [url for url in viewer.requests if "/api/layers?" not in url] == []  # which is read again in time


def test_a_link_without_a_map_says_what_is_chosen(open_viewer: Callable[..., Any], sql: Callable[[str], Any]) -> None:
    fid = sql("SELECT min(fid) FROM layers.trees")
    viewer = open_viewer(None)
    viewer.page.goto(f"{viewer.origin}/?layers=trees&select=trees/{fid}&filter.trees=height%3E2#15/45.2/-28.6")
    expect(viewer.page.get_by_role("dialog").locator("dd").first).to_be_visible()
    assert not any("/tiles/" in url or "/styles/" in url for url in viewer.requests)
    assert "#15/45.2" in viewer.address()
    assert "height" in viewer.address()
