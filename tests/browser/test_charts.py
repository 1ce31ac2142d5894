"""The chart tab: it shows what SQL counts, and its bars and the map's filter are one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def plot_of(page: Page) -> Locator:
    plot = page.get_by_role("listbox")
    plot.locator("path").first.wait_for(state="attached")
    return plot


def read_table(page: Page) -> dict[str, int]:
    """What the table behind the chart says, by its first column."""
    rows = page.get_by_role("tabpanel", name=re.compile("Chart|Table")).locator("tbody tr").all()
    texts = [row.locator("th, td").all_inner_texts() for row in rows]
    return {first.strip(): int(re.sub(r"\D", "", second)) for first, second, *_ in texts}


def count_in_tab(page: Page) -> int:
    text = page.get_by_role("tabpanel", name=re.compile("Chart|Table")).locator(".count").inner_text()
    return int(re.sub(r"\D", "", text.split(" of ")[0]))


def find_faults(page: Page) -> list[str]:
    violations = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"]]


def test_a_chart_shows_what_sql_counts_and_its_bars_filter_the_map(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=crime")
    page = viewer.page
    page.get_by_role("tab", name="Chart").click()
    expect(page.get_by_role("heading", name="Number of reports per month")).to_be_visible()
    page.get_by_role("button", name="By category").click()
    expect(page.get_by_role("heading", name="Number of reports by Category")).to_be_visible()
    plot = plot_of(page)
    page.get_by_role("button", name="As a table").click()
    assert read_table(page) == {
        value.capitalize(): count
        for value, count in sql("SELECT json_object_agg(c, n) FROM"
        " (SELECT category AS c, count(*) AS n FROM layers.crime GROUP BY 1) AS counted").items()
    }  # fmt: skip
    page.get_by_role("button", name="As a chart").click()
    box = plot.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 14)  # the longest bar: thefts
    expect(page.get_by_role("button", name="Remove filter: Theft")).to_be_visible()
    viewer.settle()
    thefts = sql("SELECT count(*) FROM layers.crime WHERE category = 'theft'")
    assert viewer.count("crime") == count_in_tab(page) == thefts
    page.get_by_role("button", name="As a table").click()
    assert len(read_table(page)) > 1  # the other bars stay
    page.go_back()
    viewer.settle()
    expect(page.get_by_role("heading", name="Number of reports by Category")).to_be_visible()
    assert viewer.count("crime") == count_in_tab(page) == sql("SELECT count(*) FROM layers.crime")
    page.go_back()
    expect(page.get_by_role("heading", name="Number of reports per month")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tab", name="Map")).to_have_attribute("aria-selected", "true")


@pytest.mark.slow
def test_a_brush_over_months_is_the_time_window_of_the_map(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=crime&tab=chart&chart=reported_at:year")
    page = viewer.page
    box = plot_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=3)
    page.mouse.up()
    expect(page.get_by_role("button", name="Remove filter: 2022 \u2013 2023")).to_be_visible()
    viewer.settle()
    assert "time=2022-01-01/2023-12-31" in viewer.address()
    between = "reported_at >= '2022-01-01Z' AND reported_at < '2024-01-01Z'"
    assert viewer.count("crime") == count_in_tab(page) == sql(f"SELECT count(*) FROM layers.crime WHERE {between}")
    page.get_by_role("button", name="Show all again").click()
    expect(page.get_by_role("button", name=re.compile("^Remove filter"))).to_have_count(0)


@pytest.mark.slow
def test_bins_of_a_number_hold_the_rows_that_their_filter_leaves(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=trees&tab=chart&chart=height:10")
    page = viewer.page
    plot = plot_of(page)
    viewer.tab_to(plot)
    viewer.press("ArrowRight")
    option = plot.get_by_role("option")
    told = option.inner_text()
    low, high, count = re.match(r"([\d.]+) \u2013 ([\d.]+)\sm: ([\d,]+)", told).groups()  # type: ignore[union-attr]
    viewer.press("Enter")
    expect(page.get_by_role("button", name=re.compile(f"Remove filter: Height {low}"))).to_be_visible()
    viewer.settle()
    expected = sql(f"SELECT count(*) FROM layers.trees WHERE height >= {low} AND height < {high}")
    assert viewer.count("trees") == count_in_tab(page) == expected == int(count.replace(",", ""))
    expect(option).to_have_attribute("aria-selected", "true")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "listbox"
    viewer.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^Remove filter"))).to_have_count(0)


def test_more_steps_than_a_chart_holds_are_told_in_the_readers_language(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime&tab=chart&chart=reported_at:month&lang=fr")
    viewer.expected_faults = ("400",)
    viewer.page.get_by_role("combobox", name="Pas").select_option("hour")
    told = viewer.page.get_by_role("alert").filter(has_text="Cela ferait trop de parties pour un graphique")
    expect(told).to_be_visible()
    expect(told).not_to_contain_text("reported_at")


@pytest.mark.slow
def test_files_of_a_chart_say_what_it_is(open_viewer: Callable[..., Any], tmp_path: Path) -> None:
    viewer = open_viewer("/?layers=crime&tab=chart&chart=category&filter.crime=district%20IN%20('Ansalli')")
    page = viewer.page
    plot_of(page)
    viewer.settle()
    for name in ("SVG", "CSV", "PNG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        path = tmp_path / name
        download.value.save_as(path)
        if name == "PNG":
            assert path.read_bytes().startswith(b"\x89PNG")
            continue
        text = path.read_text("utf-8-sig")
        for said in ("Reported crime", "reports", "Ansalli", "City of Antillia", "CC-BY-4.0", "Theft"):
            assert said in text, f"{name}: {said}"


@pytest.mark.slow
def test_axe_finds_no_fault_in_a_chart_and_in_the_table_behind_it(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime,trees&tab=chart&chart=reported_at:quarter,category")
    page = viewer.page
    plot_of(page).focus()
    viewer.press("ArrowRight")
    assert find_faults(page) == []
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="As a table").click()
    assert find_faults(page) == []


@pytest.mark.slow
def test_on_a_phone_a_chart_takes_the_room_of_the_map_and_its_chips_stay(
    open_viewer: Callable[..., Any], output: Path
) -> None:
    viewer = open_viewer("/?layers=trees&filter.trees=place%20IN%20('park')", **PHONE)
    page = viewer.page
    page.get_by_role("tab", name="Chart").tap()
    plot = plot_of(page)
    box = plot.bounding_box()
    assert box
    assert box["width"] > 300
    page.touchscreen.tap(box["x"] + box["width"] * 0.9, box["y"] + 60)
    expect(
        page.get_by_role("tabpanel", name=re.compile("Chart|Table")).get_by_role(
            "button", name=re.compile("^Remove filter")
        )
    ).to_have_count(2)
    page.screenshot(path=output / "chart-phone.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert find_faults(page) == []
    page.get_by_role("tab", name="Map").tap()
    viewer.settle()
    expect(page.get_by_role("button", name=re.compile("^Remove filter"))).to_have_count(2)


@pytest.mark.slow
def test_tabs_and_the_line_between_map_and_chart_are_moved_by_keys(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime")
    page = viewer.page
    high = page.locator("#map").bounding_box()
    page.get_by_role("tab", name="Map").focus()
    viewer.press("ArrowRight")
    chart = page.get_by_role("tab", name="Chart")
    expect(chart).to_be_focused()
    expect(chart).to_have_attribute("aria-selected", "true")
    plot_of(page)
    half = page.locator("#map").bounding_box()
    line = page.get_by_role("separator", name="Room for the map")
    viewer.tab_to(line)
    viewer.press("ArrowUp", "ArrowUp")
    less = page.locator("#map").bounding_box()
    assert high
    assert half
    assert less
    assert high["height"] > half["height"] > less["height"] > 100
    expect(line).to_have_attribute("aria-valuenow", "40")
    page.get_by_role("link", name="Skip to the map").press("Enter")
    expect(page.locator("canvas.maplibregl-canvas")).to_be_focused()
