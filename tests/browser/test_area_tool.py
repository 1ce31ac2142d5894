"""Areas that narrow all layers, drawn, picked or around the reader; and what is around a place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TOWN = {"geolocation": {"longitude": -28.6, "latitude": 45.2}, "permissions": ["geolocation"]}
LAYERS = "/?layers=crime,trees"


def find_violations(page: Page) -> list[str]:
    found = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def open_tool(page: Page) -> Locator:
    page.get_by_role("button", name="Area", exact=True).click()
    tool = page.get_by_role("region", name="Area")
    tool.wait_for()
    return tool


def choose(tool: Locator, way: str) -> None:
    """Begin to draw; what draws is fetched when it is first wanted, and the pointer tells when it is there."""
    tool.get_by_role("button", name=way).click()
    cursor = "document.querySelector('canvas.maplibregl-canvas').style.cursor"
    tool.page.wait_for_function(f"() => {cursor} === 'crosshair'")


def area_of(page: Page) -> str:
    """The area as the address has it, once there is one."""
    page.wait_for_function("() => new URL(location).searchParams.has('area')")
    return parse_qs(urlsplit(page.url).query)["area"][0]


def ask(viewer: Any, path: str) -> Any:
    with urlopen(f"{viewer.origin}{path}") as answer:
        return json.load(answer)


def count_in(viewer: Any, layer: str, shape: str, own: str = "") -> int:
    filter_ = quote(f"{own and f'{own} AND '}S_INTERSECTS(geometry,{shape})")
    return int(ask(viewer, f"/api/layers/{layer}/summary?filter={filter_}&fields=")["count"])


@pytest.mark.slow
def test_a_rectangle_drawn_by_mouse_narrows_all_layers_and_is_changed_removed_and_taken_back(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(LAYERS)
    page, tool = viewer.page, open_tool(viewer.page)
    choose(tool, "Rectangle")
    page.mouse.click(700, 250)
    page.mouse.move(800, 350)
    page.mouse.click(860, 420)
    drawn = area_of(page)
    viewer.settle()
    assert re.fullmatch(r"-28\.\d+,45\.\d+,-28\.\d+,45\.\d+", drawn)
    for layer in ("crime", "trees"):
        assert viewer.count(layer) == count_in(viewer, layer, f"BBOX({drawn})") > 0
    assert page.get_by_role("dialog").count() == 0  # the last press is no press on a feature
    expect(page.get_by_role("button", name="Only in the chosen area")).to_be_visible()
    tool.get_by_role("button", name="Change it").click()
    expect(tool.get_by_role("status")).to_contain_text("Drag")
    page.wait_for_timeout(500)  # its handles are drawn
    page.mouse.move(860, 420)
    page.mouse.down()
    page.mouse.move(880, 430, steps=4)
    page.mouse.move(920, 440, steps=4)
    page.mouse.up()
    page.wait_for_function("before => new URL(location).searchParams.get('area') !== before", arg=drawn)
    changed = area_of(page)
    west, _, east, north = map(float, changed.split(","))
    before = list(map(float, drawn.split(",")))
    assert (west, north) == pytest.approx((before[0], before[3]), abs=1e-5)
    assert east > before[2]
    tool.get_by_role("button", name="Done").click()
    tool.get_by_role("button", name="Remove the area").click()
    viewer.settle()
    assert "area=" not in viewer.address()
    page.get_by_role("button", name="Undo").click()
    viewer.settle()
    assert area_of(page) == changed
    page.reload()
    viewer.settle()
    assert viewer.count("crime") == count_in(viewer, "crime", f"BBOX({changed})")


@pytest.mark.slow
def test_a_way_that_is_left_and_taken_again_on_a_slow_line_draws_once(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(LAYERS)
    page = viewer.page
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route(re.compile(r"/drawing-[^/]*\.js"), hold)
    tool = open_tool(page)
    for _ in range(3):  # on, off, on
        tool.get_by_role("button", name="Rectangle").click()
    page.wait_for_timeout(100)
    held[0].continue_()
    page.wait_for_function("() => document.querySelector('canvas.maplibregl-canvas').style.cursor === 'crosshair'")
    page.mouse.click(700, 250)
    page.mouse.move(800, 350)
    page.mouse.click(860, 420)
    area_of(page)
    viewer.settle()
    viewer.check()


@pytest.mark.slow
def test_a_circle_and_a_polygon_are_drawn_by_finger_and_lines_do_not_cross(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(LAYERS, **PHONE)
    page = viewer.page
    page.get_by_role("button", name="Area", exact=True).tap()
    tool = page.get_by_role("region", name="Area")
    choose(tool, "Circle")
    page.touchscreen.tap(195, 270)
    page.touchscreen.tap(235, 270)
    circle = area_of(page)
    viewer.settle()
    lon, lat, radius = circle.removeprefix("circle:").split(",")
    assert viewer.count("trees") == count_in(viewer, "trees", f"CIRCLE({lon},{lat},{radius})") > 0
    choose(tool, "Shape")
    for x, y in ((150, 230), (250, 220), (260, 330), (160, 340)):
        page.touchscreen.tap(x, y)
    status = tool.get_by_role("status")
    expect(status).to_contain_text("Corners: 4")
    page.touchscreen.tap(200, 170)
    expect(status).to_contain_text("the lines would cross")
    tool.get_by_role("button", name="Done").tap()
    page.wait_for_function("() => new URL(location).searchParams.get('area').includes(';')")
    corners = [corner.split(",") for corner in area_of(page).split(";")]
    assert len(corners) == 4
    ring = ",".join(f"{x} {y}" for x, y in [*corners, corners[0]])
    viewer.settle()
    assert viewer.count("crime") == count_in(viewer, "crime", f"POLYGON(({ring}))") > 0


@pytest.mark.slow
def test_every_shape_is_made_by_keyboard_and_escape_cancels_only_the_drawing(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(LAYERS)
    page = viewer.page
    viewer.tab_to(page.get_by_role("button", name="Area", exact=True))
    viewer.press("Enter")
    tool = page.get_by_role("region", name="Area")
    tool.wait_for()
    viewer.tab_to(tool.get_by_role("button", name="Rectangle"))
    viewer.press("Enter")
    viewer.tab_to(tool.get_by_role("button", name="What the map shows"))
    viewer.press("Enter")
    assert area_of(page).count(",") == 3
    expect(tool).to_be_focused()
    viewer.tab_to(tool.get_by_role("button", name="Circle"))
    viewer.press("Enter")
    viewer.tab_to(tool.get_by_role("combobox", name="Radius"))
    viewer.press("ArrowDown")
    viewer.tab_to(tool.get_by_role("button", name="Around the middle of the map"))
    viewer.press("Enter")
    page.wait_for_function("() => new URL(location).searchParams.get('area').startsWith('circle:')")
    assert area_of(page).endswith(",1000")
    choose(tool, "Shape")
    canvas = page.locator("canvas.maplibregl-canvas")
    canvas.focus()
    for number, key in enumerate(("ArrowRight", "ArrowDown", "ArrowLeft"), 1):
        viewer.press("Enter")
        expect(tool.get_by_role("status")).to_contain_text(f"Corners: {number}")
        viewer.press(key)
        page.wait_for_timeout(600)  # the map stands where it was moved to
    viewer.press("Escape")
    expect(tool.get_by_role("status")).not_to_contain_text("Corners")
    expect(tool).to_be_visible()
    assert area_of(page).startswith("circle:")


def test_a_district_is_chosen_by_its_name_on_the_map_and_from_its_card_and_back_leads_through(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=crime")
    page, tool = viewer.page, open_tool(viewer.page)
    tool.get_by_role("button", name="District").click()
    name = sql("SELECT name FROM layers.districts WHERE fid = 7")
    tool.get_by_label("Name").select_option(label=name)
    expect(page.get_by_role("button", name=f"In {name}")).to_be_visible()
    viewer.settle()
    assert area_of(page) == "feature:districts/7"
    assert viewer.count("crime") == count_in(viewer, "crime", "FEATURE('districts',7)") > 0
    viewer.open("/?layers=crime,districts&select=districts/3")
    card = page.get_by_role("dialog")
    card.get_by_role("button", name="Only here").click()
    other = sql("SELECT name FROM layers.districts WHERE fid = 3")
    chip = page.get_by_role("button", name=f"In {other}")
    expect(chip).to_be_visible()
    viewer.settle()
    count = viewer.count("crime")
    assert count == count_in(viewer, "crime", "FEATURE('districts',3)")
    page.get_by_role("tab", name="Table").click()
    expect(page.locator(".count[data-subject=crime]")).to_contain_text(f"{count:,}")
    page.go_back()
    page.go_back()
    expect(chip).to_have_count(0)
    page.go_forward()
    expect(chip).to_be_visible()
    chip.click()
    expect(chip).to_have_count(0)
    assert "area=" not in viewer.address()


@pytest.mark.slow
def test_near_me_asks_the_browser_and_a_refusal_is_told_kindly(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=trees", **PHONE, **TOWN)
    page = viewer.page
    page.get_by_role("button", name="Area", exact=True).tap()
    tool = page.get_by_role("region", name="Area")
    tool.get_by_role("button", name="Near me").tap()
    assert area_of(page) == "circle:-28.6,45.2,500"
    tool.get_by_label("Radius").select_option(label="1\u00a0km")
    page.wait_for_function("() => new URL(location).searchParams.get('area').endsWith(',1000')")
    viewer.settle()
    assert viewer.count("trees") == count_in(viewer, "trees", "CIRCLE(-28.6,45.2,1000)")
    expect(page.get_by_role("button", name=re.compile("Within 1.km of here"))).to_be_visible()
    shut = open_viewer("/?layers=trees", permissions=[])
    tool = open_tool(shut.page)
    tool.get_by_role("button", name="Near me").click()
    expect(tool.get_by_role("status")).to_contain_text(re.compile("may not tell|could not be found"))
    assert "area=" not in shut.address()


@pytest.mark.slow
def test_a_press_right_after_a_place_was_asked_about_selects_what_lies_there(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=districts")
    page = viewer.page
    page.mouse.click(800, 400, button="right")
    page.mouse.click(800, 400)
    page.wait_for_url(re.compile("select=districts/"))


@pytest.mark.slow
def test_what_is_here_tells_what_the_api_tells_each_layer_under_its_filter(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime&filter.crime=category='theft'&time=2022-01-01/2023-12-31")
    page = viewer.page
    page.mouse.click(800, 300, button="right")
    card = page.get_by_role("dialog")
    card.locator("[data-here]").first.wait_for()
    pin = parse_qs(urlsplit(page.url).query)["pin"][0]
    own = "(category='theft') AND reported_at >= TIMESTAMP('2022-01-01T00:00:00Z')"
    own += " AND reported_at < TIMESTAMP('2024-01-01T00:00:00Z')"
    for radius in (500, 2000):
        if radius != 500:
            card.get_by_label("Within").select_option(str(radius))
            page.wait_for_url(re.compile(f"pin={re.escape(pin)},{radius}"))
            expect(card.locator("[data-here=crime]")).to_be_visible()
        told = ask(viewer, f"/api/here?at={pin}&radius={radius}&layers=crime,districts&filter.crime={quote(own)}")
        counts = {each["layer"]: each["count"] for each in told["layers"]}
        for layer, count in counts.items():
            expect(card.locator(f"[data-here={layer}]")).to_contain_text(re.compile(rf"\b{count:,} "))
    card.get_by_role("button", name="Show only what is here").click()
    viewer.settle()
    assert viewer.count("crime") == counts["crime"] == count_in(viewer, "crime", f"CIRCLE({pin},2000)", own)
    card.locator("[data-here=districts] button").click()
    expect(page.get_by_role("button", name="Only here")).to_be_visible()
    assert re.search(r"layers=crime,districts.*select=districts/\d+", viewer.address())
    viewer.press("Escape")
    expect(card.locator("[data-here=crime]")).to_be_visible()
    viewer.press("Escape")
    expect(card).to_have_count(0)
    assert "pin=" not in viewer.address()


@pytest.mark.slow
def test_a_place_that_is_looked_for_leaves_its_pin_until_the_box_is_cleared(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime")
    page = viewer.page
    box = page.get_by_role("combobox", name="Search")
    box.fill("45.2, -28.6")
    page.get_by_role("listbox").get_by_role("option").first.click()
    card = page.get_by_role("dialog")
    card.locator("[data-here=crime]").wait_for()
    assert "pin=-28.6,45.2" in viewer.address()
    page.get_by_role("button", name="Clear the search").click()
    expect(card).to_have_count(0)
    assert "pin=" not in viewer.address()


@pytest.mark.slow
def test_a_finger_that_rests_on_the_map_asks_what_is_there_and_back_takes_the_card_away(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer("/?layers=crime,trees", **PHONE)
    page = viewer.page
    touch = page.context.new_cdp_session(page)
    for _ in range(2):  # what tells of a resting finger is fetched with the first touch
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 195, "y": 260}]})
        page.wait_for_timeout(1200)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.locator("[data-here=trees]").wait_for()
    assert "pin=" in viewer.address()
    page.go_back()
    expect(page.locator("[data-here]")).to_have_count(0)
    assert "pin=" not in viewer.address()


@pytest.mark.parametrize("context", [{}, PHONE | {"color_scheme": "dark"}], ids=["desk", "phone, dark"])
@pytest.mark.slow
def test_axe_finds_nothing_in_the_tool_and_in_the_card_of_a_place(
    open_viewer: Callable[..., Any], context: dict[str, Any]
) -> None:
    viewer = open_viewer("/?layers=crime&area=circle:-28.6,45.2,800", **context)
    page, tool = viewer.page, open_tool(viewer.page)
    assert find_violations(page) == []
    for way in ("Circle", "District"):
        tool.get_by_role("button", name=way).click()
        expect(tool.get_by_role("status")).to_contain_text("Press")
        assert find_violations(page) == []
        viewer.press("Escape")
    tool.get_by_role("button", name="What is here").click()
    page.locator("[data-here=crime]").wait_for()
    assert find_violations(page) == []


@pytest.mark.parametrize("area", ["feature:districts/404", "feature:quarters/7"])
@pytest.mark.parametrize("context", [{}, PHONE], ids=["desk", "phone"])
@pytest.mark.slow
def test_an_area_that_is_gone_is_told_and_taken_out(
    open_viewer: Callable[..., Any], area: str, context: dict[str, Any]
) -> None:
    viewer = open_viewer(f"/?layers=crime,trees&area={area}", **context)
    viewer.expected_faults = ("400 (Bad Request)", "404 (Not Found)")
    page = viewer.page
    told = page.get_by_role("status").filter(has_text="The chosen area is no longer there.")
    expect(told).to_be_visible()
    expect(page.get_by_text("This filter could not be used.")).to_have_count(0)
    assert find_violations(page) == []
    told.get_by_role("button", name="Remove the area").click()
    expect(told).to_have_count(0)
    viewer.settle()
    assert "area=" not in viewer.address()
    assert viewer.count("crime") == ask(viewer, "/api/layers/crime/summary?fields=")["count"]


def test_a_filter_that_is_refused_leaves_the_other_layers_in_the_card_of_a_place(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer("/?layers=&filter.crime=nothing%3D1&filter.trees=nothing%3D2&pin=-28.6,45.2,1000")
    viewer.expected_faults = ("400 (Bad Request)",)
    page = viewer.page
    card = page.get_by_role("dialog")
    districts = card.locator("[data-here=districts]")
    districts.wait_for()
    told = card.get_by_role("status").filter(has_text="Not counted")
    expect(told).to_contain_text("Reported crime")
    expect(told).to_contain_text("Trees")
    expect(card.locator("[data-here=crime]")).to_have_count(0)
    expect(card.get_by_role("alert")).to_have_count(0)
    count = ask(viewer, "/api/here?at=-28.6,45.2&radius=1000&layers=districts")["layers"][0]["count"]
    expect(districts.locator(".number")).to_contain_text(str(count))


def test_words_that_cannot_be_fetched_are_told_of(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime&area=circle:-28.6,45.2,800")
    viewer.expected_faults = ("Failed to load resource",)
    page = viewer.page
    expect(page.get_by_role("button", name="Within 800 m of here")).to_be_visible()
    page.route("**/*.js", lambda route: route.abort())
    page.get_by_role("button", name="Area", exact=True).click()
    expect(page.get_by_role("region", name="Area")).to_contain_text("This part of the page could not be loaded.")
