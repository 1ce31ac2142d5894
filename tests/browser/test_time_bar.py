"""The time bar: rows over time under every tab, a window that is brushed, and played step by step."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SMALL = {"viewport": {"width": 1024, "height": 700}}
CHIP = re.compile("^Remove filter")


def bar_of(page: Page) -> Locator:
    """The time bar, once there are bars in it."""
    bar = page.get_by_role("region", name="Time")
    bar.locator("path").first.wait_for(state="attached")
    return bar


def tally(page: Page, layer: str) -> str:
    """What the bar says of a layer."""
    return page.locator(f"section [data-layer={layer}] .tally").inner_text()


def find_faults(page: Page) -> list[str]:
    violations = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"]]


def count_between(sql: Callable[[str], Any], start: str, end: str) -> int:
    """Rows from one day up to, not including, another."""
    return int(sql(f"SELECT count(*) FROM layers.crime WHERE reported_at >= '{start}Z' AND reported_at < '{end}Z'"))


def test_a_window_is_brushed_by_mouse_and_by_keys_and_filters_map_count_and_table(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=crime&tab=table")
    page = viewer.page
    page.get_by_role("button", name="Time", exact=True).click()
    bar = bar_of(page)
    viewer.settle()
    assert "bar=time" in viewer.address()
    plot = bar.locator(".plot").bounding_box()
    assert plot
    # The axis is of the years 2021 to 2025, within a handle at each side.
    width = plot["width"] - 48
    page.mouse.move(plot["x"] + 24 + width * 0.3, plot["y"] + 10)
    page.mouse.down()
    page.mouse.move(plot["x"] + 24 + width * 0.5, plot["y"] + 10, steps=4)
    page.mouse.up()
    page.wait_for_function("location.search.includes('time=')")
    viewer.settle()
    found = re.search(r"time=(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)", viewer.address())
    assert found, viewer.address()
    after = sql(f"SELECT (date '{found[2]}' + 1)::text")
    assert viewer.count("crime") == count_between(sql, found[1], after) > 0
    assert tally(page, "crime") == viewer.count_text("crime")
    assert page.get_by_role("tabpanel", name="Table").locator(".count").inner_text() == viewer.count_text("crime")
    # A year by its name, and by keys from there on.
    bar.get_by_label("Period", exact=True).select_option("2024")
    viewer.settle()
    assert viewer.count("crime") == count_between(sql, "2024-01-01", "2025-01-01")
    grip = bar.get_by_role("slider", name="Period shown")
    grip.focus()
    viewer.press("ArrowLeft")
    expect(page.get_by_role("button", name="Remove filter: 2023").first).to_be_attached()
    viewer.press("Home")
    expect(grip).to_have_attribute("aria-valuetext", "2021")
    bar.get_by_role("slider", name="Ends").focus()
    viewer.press("Home")
    expect(grip).to_have_attribute("aria-valuetext", "1 Jan 2021")
    viewer.settle()
    assert viewer.count("crime") == count_between(sql, "2021-01-01", "2021-01-02")
    viewer.press("End")
    expect(page.get_by_role("button", name=CHIP)).to_have_count(0)
    viewer.settle()
    assert tally(page, "crime") == viewer.count_text("crime") == f"{sql('SELECT count(*) FROM layers.crime'):,} reports"


@pytest.mark.slow
def test_an_end_that_is_taken_hold_of_stays_until_it_is_pulled(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime&bar=time&time=2023-01-01/2023-12-31")
    page = viewer.page
    bar = bar_of(page)
    viewer.settle()
    steps = page.evaluate("history.length")
    places = {}
    for name in ("Begins", "Ends", "Period shown"):
        box = places[name] = bar.get_by_role("slider", name=name).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        viewer.settle()
        assert "time=2023-01-01/2023-12-31" in viewer.address(), name
    assert page.evaluate("history.length") == steps
    # Pulled by a month an end is a month farther, on whichever part of it the pointer is.
    month = (places["Ends"]["x"] - places["Begins"]["x"] - 24) / 12
    for part, day in ((2, "2024-01-31"), (22, "2024-02-29")):
        box = bar.get_by_role("slider", name="Ends").bounding_box()
        page.mouse.move(box["x"] + part, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + part + month, box["y"] + 10, steps=4)
        page.mouse.up()
        page.wait_for_function(f"location.search.includes('time=2023-01-01/{day}')")


@pytest.mark.slow
def test_a_play_walks_through_a_window_stops_at_its_end_and_is_one_step_back(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=crime&bar=time&time=2024-01-01/2024-12-31", **SMALL)
    page = viewer.page
    bar = bar_of(page)
    bar.get_by_label("Step", exact=True).select_option("quarter")
    bar.get_by_label("Speed", exact=True).select_option("Infinity")
    page.evaluate(
        """() => {
          window.told = [];
          const look = () => {
            const parts = [".tally", ".period"].map((part) => document.querySelector(`section ${part}`).textContent);
            const said = parts.join(" ");
            if (window.told.at(-1) !== said) window.told.push(said);
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    bar.get_by_role("button", name="Play").click()
    bar.get_by_role("button", name="Pause").wait_for()
    bar.get_by_role("button", name="Play").wait_for()
    viewer.settle()
    whole = sql("SELECT count(*) FROM layers.crime")
    starts = ["2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01"]
    counts = [count_between(sql, start, end) for start, end in pairwise(starts)]
    told = [re.sub(r"\s", " ", said) for said in page.evaluate("window.told")]
    for count in counts:  # each was told, without asking for it
        assert any(said.startswith(f"{count:,} of {whole:,} reports") for said in told), (count, told)
    assert "time=2024-10-01/2024-12-31" in viewer.address()
    assert viewer.count("crime") == counts[-1]
    page.go_back()
    expect(bar.locator(".period")).to_have_text("2024")
    viewer.settle()
    assert viewer.count("crime") == sum(counts)


@pytest.mark.slow
def test_a_play_waits_where_it_is_while_the_server_does_not_answer(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime&bar=time&time=2024-01-01/2024-12-31#13/45.2/-28.6", **SMALL)
    viewer.expected_faults = ("Failed to load resource", "AJAXError", "Failed to fetch")
    page = viewer.page
    bar = bar_of(page)
    bar.get_by_role("button", name="Play").click()
    expect(bar.locator(".period")).not_to_have_text("2024")
    page.context.set_offline(True)
    page.get_by_role("alert").wait_for()
    page.wait_for_timeout(1_000)  # a step that is on its way
    told = bar.locator(".period").inner_text()
    page.wait_for_timeout(3_000)
    assert bar.locator(".period").inner_text() == told
    page.context.set_offline(False)
    expect(bar.locator(".period")).not_to_have_text(told, timeout=20_000)
    viewer.press("Escape")


@pytest.mark.slow
def test_escape_stops_a_play_where_it_is(open_viewer: Callable[..., Any], sql: Callable[[str], Any]) -> None:
    viewer = open_viewer("/?layers=crime&bar=time&time=2024-01-01/2024-12-31&tab=chart")
    page = viewer.page
    bar = bar_of(page)
    bar.get_by_role("button", name="Play").click()
    expect(bar.locator(".period")).not_to_have_text("2024")
    viewer.press("Escape")
    bar.get_by_role("button", name="Play").wait_for()
    viewer.settle()
    found = re.search(r"time=(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)", viewer.address())
    assert found
    after = sql(f"SELECT (date '{found[2]}' + 1)::text")
    assert sql(f"SELECT date '{after}' - date '{found[1]}'") == 7
    assert viewer.count("crime") == count_between(sql, found[1], after)
    bar.get_by_role("button", name="One step on").click()
    viewer.settle()
    assert f"time={after}/" in viewer.address()


def test_all_buttons_of_a_map_above_a_table_and_the_time_bar_are_seen_and_beside_its_card(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer("/?layers=crime&time=2023-01-01/2023-12-31&tab=table&bar=time&pin=-28.6,45.2")
    page = viewer.page
    bar_of(page)
    expect(page.get_by_role("button", name="Show only what is here")).to_be_attached()
    page.get_by_role("grid").wait_for()
    reached = "e => {const {x, y, width, height} = e.getBoundingClientRect(); return [y + 2, y + height - 2]"
    reached += ".every(at => e.contains(document.elementFromPoint(x + width / 2, at)))}"
    buttons = page.locator("#view-map .buttons button").all()
    assert len(buttons) == 9
    assert [each.get_attribute("title") for each in buttons if not each.evaluate(reached)] == []


@pytest.mark.slow
def test_on_a_phone_what_is_opened_is_not_hidden_by_what_lay_on_the_map(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime&pin=-28.6,45.2", **PHONE)
    page, card = viewer.page, viewer.page.get_by_role("dialog")
    time = page.get_by_role("button", name="Time", exact=True)
    bar = page.locator("section[aria-label=Time]")  # by its role it is not found while it is hidden
    card.wait_for()
    time.tap()
    expect(bar).to_be_visible()
    expect(card).to_have_count(0)

    page.get_by_role("tab", name="Layers").tap()
    expect(bar).to_be_hidden()
    page.get_by_role("tab", name="Chart").tap()
    expect(bar).to_be_visible()
    expect(page.get_by_role("switch")).to_have_count(0)  # the sheet is closed
    time.tap()
    expect(bar).to_have_count(0)


@pytest.mark.slow
def test_where_tiles_are_whole_the_map_leaves_out_just_what_the_server_would(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    lon, lat = sql(
        "SELECT ARRAY[ST_X(p), ST_Y(p)] FROM (SELECT ST_Transform(geom_3857, 4326) AS p, count(*) OVER (PARTITION BY"
        " ST_SnapToGrid(geom_3857, 300)) AS n FROM layers.crime ORDER BY n DESC, fid LIMIT 1) AS densest"
    )
    place = f"#16.5/{lat:.5f}/{lon:.5f}"
    viewer = open_viewer(f"/?layers=crime&bar=time&time=2024-01-01/2024-12-31{place}", **SMALL)
    page = viewer.page
    bar = bar_of(page)
    bar.get_by_label("Step", exact=True).select_option("month")
    deadline = time.monotonic() + 60
    while not any(re.search(r"/tiles/crime/\d+/\d+/\d+\.mvt$", url) for url in viewer.requests):
        assert time.monotonic() < deadline, "no whole tile was asked for"
        page.wait_for_timeout(100)
    viewer.settle()
    viewer.in_view()
    viewer.requests.clear()
    windows = ["2024-01-01/2024-01-31", "2024-02-01/2024-02-29", "2024-03-01/2024-03-31"]
    listed = []
    for window in windows:
        bar.get_by_role("button", name="One step on").click()
        assert f"time={window}" in viewer.address()
        viewer.settle()
        listed.append(sorted(viewer.in_view().all_inner_texts()))
    assert any(listed)
    assert not any(".mvt" in url for url in viewer.requests)
    # The same map without the bar below it.
    height = page.locator("#map").evaluate("map => map.clientHeight")
    spare = SMALL["viewport"]["height"] - height - page.get_by_role("main").locator("> .views").bounding_box()["height"]
    shown = {"viewport": SMALL["viewport"] | {"height": round(SMALL["viewport"]["height"] - spare)}}
    for window, told in zip(windows, listed, strict=True):
        plain = open_viewer(f"/?layers=crime&time={window}{place}", **shown)
        assert plain.page.locator("#map").evaluate("map => map.clientHeight") == height
        assert sorted(plain.in_view().all_inner_texts()) == told
        assert any("mvt?filter=" in url for url in plain.requests)
        plain.page.close()


@pytest.mark.parametrize("options", [SMALL, PHONE], ids=["desk", "phone"])
@pytest.mark.slow
def test_axe_finds_no_fault_in_the_time_bar_and_a_layer_without_a_time_is_told(
    open_viewer: Callable[..., Any], options: dict[str, Any]
) -> None:
    viewer = open_viewer("/?layers=crime,districts&bar=time&time=2024-01-01/2024-12-31", **options)
    page = viewer.page
    bar = bar_of(page)
    expect(bar.get_by_text("Without a time, shown whole: Districts.")).to_be_visible()
    assert find_faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert find_faults(page) == []
    box = bar.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["width"] <= options["viewport"]["width"]
    if options is PHONE:
        for control in bar.get_by_role("button").all() + bar.get_by_role("slider").all():
            size = control.bounding_box()
            assert size
            assert min(size["width"], size["height"]) >= 44
        page.set_viewport_size({"width": 320, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
