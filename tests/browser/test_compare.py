"""Two maps beside or over each other: one camera, filters and counts of their own, one address."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
THEFTS = "category = 'theft'"
BURGLARIES = "category = 'burglary'"
TWO = f"/?layers=crime&filter.crime={quote(THEFTS)}&compare=side&compare.filter.crime={quote(BURGLARIES)}"
ALIKE = "/?layers=trees&compare=side"


def settle(viewer: Any) -> Any:
    """Until both maps are drawn and every count is there."""
    viewer.page.wait_for_selector("#other-map[data-state=idle]")
    return viewer.settle()


def side(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


def count_of(page: Page, name: str) -> int:
    """Of one side, as its bar tells it."""
    return int(re.sub(r"\D", "", side(page, name).locator("strong").inner_text().split(" of ")[0]))


def count_by_api(viewer: Any, **asked: str) -> int:
    answer = viewer.page.request.get(f"{viewer.origin}/api/layers/crime/summary", params={"fields": "", **asked})
    count: int = answer.json()["count"]
    return count


def picture(page: Page, name: str) -> Image.Image:
    """One map as it is drawn at this moment, without what lies on it."""
    box = page.locator(name).bounding_box()
    assert box
    hidden = ".over, .legend, .buttons, .handle, .maplibregl-ctrl {opacity: 0 !important}"
    shot = page.screenshot(animations="allow", style=hidden)
    corners = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    # A frame lies at the left of the second.
    return image.crop(tuple(round(each) for each in corners)).crop((4, 4, 440, 560))


def both(page: Page) -> tuple[Image.Image, Image.Image]:
    return picture(page, "#map"), picture(page, "#other-map")


def find_faults(page: Page) -> list[str]:
    violations = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"]]


def said_of_other(page: Page) -> dict[str, str]:
    asked = parse_qs(urlsplit(page.url).query)
    return {name: values[0] for name, values in asked.items() if name.startswith("compare")}


def test_a_comparison_opens_as_a_copy_and_each_side_has_filters_and_counts_of_its_own(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(f"/?layers=crime&filter.crime={quote(THEFTS)}")
    page = viewer.page
    thefts, burglaries = count_by_api(viewer, filter=THEFTS), count_by_api(viewer, filter=BURGLARIES)
    page.get_by_role("button", name="Compare two maps").click()
    settle(viewer)
    assert count_of(page, "Left") == count_of(page, "Right") == viewer.count("crime") == thefts
    assert said_of_other(page) == {"compare": "side", "compare.filter.crime": THEFTS}

    page.get_by_role("button", name="Right", exact=True).click()
    filters = viewer.open_filters("crime")
    filters.get_by_role("checkbox", name=re.compile("^Theft")).uncheck()
    filters.get_by_role("checkbox", name=re.compile("^Burglary")).check()
    settle(viewer)
    assert viewer.count("crime") == count_of(page, "Right") == burglaries
    assert count_of(page, "Left") == thefts
    assert said_of_other(page) == {"compare": "side", "compare.filter.crime": "category IN ('burglary')"}

    page.get_by_role("button", name="Left", exact=True).click()
    settle(viewer)
    assert viewer.count("crime") == thefts
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("#other-map")).to_have_count(0)
    assert viewer.settle().count("crime") == thefts
    assert said_of_other(page) == {}


@pytest.mark.slow
def test_back_and_forward_walk_through_a_comparison_and_a_link_shows_it_again(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime")
    page = viewer.page
    everything = count_by_api(viewer)
    page.get_by_role("button", name="Compare two maps").click()
    settle(viewer)
    page.get_by_text("Right shows").click()
    page.get_by_role("button", name="A year earlier: 2024").click()
    settle(viewer)
    counts = [count_by_api(viewer, datetime=f"{year}-01-01/{year}-12-31") for year in (2025, 2024)]
    assert [count_of(page, "Left"), count_of(page, "Right")] == counts
    link = viewer.address()
    assert said_of_other(page)["compare.time"] == "2024-01-01/2024-12-31"

    page.go_back()
    expect(side(page, "Right").locator("strong")).to_contain_text(f"{everything:,}")
    page.go_back()
    page.go_back()
    expect(page.locator("#other-map")).to_have_count(0)
    for _ in range(3):
        page.go_forward()
    settle(viewer)
    assert [count_of(page, "Left"), count_of(page, "Right")] == counts

    other = settle(open_viewer(None).open(link))
    assert [count_of(other.page, "Left"), count_of(other.page, "Right")] == counts
    assert other.address() == link


@pytest.mark.slow
def test_both_maps_are_in_the_same_place_whichever_is_moved_and_while_it_moves(
    open_viewer: Callable[..., Any], differ: Callable[[Image.Image, Image.Image], int]
) -> None:
    viewer = settle(open_viewer(ALIKE, reduced_motion="no-preference"))
    page = viewer.page
    expect(page.get_by_role("region", name="Left: Map.")).to_be_visible()
    expect(page.get_by_role("region", name="Right: Map.")).to_be_visible()
    assert differ(*both(page)) < 200
    start = page.url
    for name in ("#map", "#other-map"):
        box = page.locator(name).bounding_box()
        assert box
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = picture(page, name)
        page.mouse.move(*middle)
        page.mouse.down()
        for step in range(1, 6):
            page.mouse.move(middle[0] + 14 * step, middle[1] + 9 * step)
        settled = both(page)  # in one picture each, with the button still held
        assert differ(before, settled[0]) > 5_000
        page.mouse.up()
        settle(viewer)
        assert differ(*both(page)) < 200
        assert page.url != start
        start = page.url
    page.locator("#other-map canvas").focus()
    viewer.press("Equal")
    page.wait_for_function("before => location.href !== before", arg=start)
    settle(viewer)
    assert differ(*both(page)) < 200


def test_a_swipe_is_moved_by_keyboard_and_by_dragging(
    open_viewer: Callable[..., Any], differ: Callable[[Image.Image, Image.Image], int]
) -> None:
    viewer = settle(open_viewer(TWO.replace("=side", "=swipe")))
    page = viewer.page
    line = page.get_by_role("slider", name="Line between both maps")
    assert line.get_attribute("aria-valuenow") == "50"
    pictures = {}
    line.focus()
    for key, position in (("Home", "0"), ("End", "100")):
        viewer.press(key)
        expect(line).to_have_attribute("aria-valuenow", position)
        pictures[key] = picture(page, "#map")
    assert differ(pictures["Home"], pictures["End"]) > 1_000
    viewer.press("PageDown", "ArrowLeft")
    expect(line).to_have_attribute("aria-valuenow", "88")
    box = line.bounding_box()
    view = page.locator("#map").bounding_box()
    assert box
    assert view
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(view["x"] + view["width"] / 4, box["y"] + 90, steps=4)
    page.mouse.up()
    expect(line).to_have_attribute("aria-valuenow", "25")


def test_a_click_on_either_map_tells_what_lies_there_and_turns_the_panel_to_it(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    fid = sql("SELECT fid FROM layers.crime WHERE category = 'burglary' ORDER BY fid LIMIT 1")
    viewer = settle(open_viewer(f"{TWO}&compare.select=crime/{fid}"))
    page = viewer.page
    expect(page.get_by_role("button", name="Right", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".other .dock")).to_contain_text("Burglary")
    assert viewer.count("crime") == count_of(page, "Right")


@pytest.mark.slow
def test_on_a_phone_one_map_lies_over_the_other_or_below_it(open_viewer: Callable[..., Any], output: Path) -> None:
    viewer = open_viewer("/?layers=crime", **PHONE)
    page = viewer.page
    page.get_by_role("button", name="Compare two maps").tap()
    settle(viewer)
    expect(page.get_by_role("slider", name="Line between both maps")).to_be_visible()
    assert find_faults(page) == []
    page.screenshot(path=output / "compare-phone-swipe.png")
    page.get_by_role("button", name="Side by side").tap()
    settle(viewer)
    first, second = (page.locator(name).bounding_box() for name in ("#map", "#other-map"))
    assert first
    assert second
    assert first["y"] + first["height"] <= second["y"] + 2
    assert abs(first["height"] - second["height"]) <= 2
    expect(side(page, "Above")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert find_faults(page) == []
    page.get_by_text("Below shows").tap()
    menu = page.get_by_role("button", name="Everything, without filters").bounding_box()
    assert menu
    assert menu["x"] >= 0
    assert menu["x"] + menu["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.screenshot(path=output / "compare-phone-side.png")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.slow
def test_a_comparison_has_no_barriers(open_viewer: Callable[..., Any], dark: bool, output: Path) -> None:
    base = "dark" if dark else "light"
    viewer = settle(open_viewer(f"{TWO}&base={base}"))
    page = viewer.page
    page.get_by_text("Right shows").click()
    assert find_faults(page) == []
    viewer.press("Escape")
    expect(page.get_by_role("button", name="Everything, without filters")).to_be_hidden()
    page.screenshot(path=output / f"compare-side-{base}.png")
    page.get_by_role("button", name="Swipe").click()
    settle(viewer)
    assert find_faults(page) == []
    page.screenshot(path=output / f"compare-swipe-{base}.png")


@pytest.mark.slow
def test_places_are_compared_with_places_and_squares_with_squares(
    open_viewer: Callable[..., Any], differ: Callable[[Image.Image, Image.Image], int]
) -> None:
    few = f"/?layers=crime&filter.crime={quote(BURGLARIES)}"
    viewer = open_viewer(few)
    page = viewer.page
    legend = page.get_by_role("region", name="Legend")
    expect(legend).to_contain_text("Burglary")
    settle(viewer.open(f"{few}&compare=side&compare.layers=crime"))
    expect(legend).to_have_count(1)  # of both
    expect(legend).to_contain_text("number in each square")
    asked = [urlsplit(url).query for url in viewer.requests if re.search(r"/tiles/crime/\d+/", url)]
    assert any("burglary" in query and not query.endswith("features-from=0") for query in asked)
    page.get_by_role("button", name="Close", exact=True).click()
    viewer.settle()
    expect(legend).to_contain_text("Burglary")


@pytest.mark.slow
def test_a_comparison_that_is_closed_gives_back_what_it_drew_with(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=trees")
    page = viewer.page
    page.evaluate(
        "document.querySelector('#map canvas').addEventListener('webglcontextlost', () => (window.lost = true))"
    )
    button = page.get_by_role("button", name="Compare two maps")
    for _ in range(20):
        button.click()
        page.locator("#other-map canvas").wait_for()
        button.click()
        expect(page.locator("#other-map")).to_have_count(0)
    viewer.settle()
    assert page.evaluate("window.lost") is None
    before = viewer.picture().resize((1, 1)).getpixel((0, 0))
    viewer.open("/?layers=trees")
    assert viewer.picture().resize((1, 1)).getpixel((0, 0)) == before


@pytest.mark.slow
def test_the_tool_for_areas_acts_on_the_side_of_the_panel_and_its_button_is_within_reach_beside_a_chart(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = settle(open_viewer(f"{TWO}&tab=chart"))
    page = viewer.page
    thefts = count_of(page, "Left")
    page.get_by_role("button", name="Right", exact=True).click()
    view = page.locator(".view").bounding_box()
    last = page.get_by_role("button", name="Print or save as a picture").bounding_box()
    assert view
    assert last
    assert last["y"] + last["height"] <= view["y"] + view["height"]
    opener = page.get_by_role("button", name="Area", exact=True)
    expect(opener).to_have_attribute("aria-expanded", "false")
    opener.click()
    expect(opener).to_have_attribute("aria-expanded", "true")
    tool = page.get_by_role("region", name="Area")
    tool.get_by_role("button", name="Circle").wait_for()
    place = tool.bounding_box()
    assert place
    for button in page.locator(".buttons .group button:visible").all():
        box = button.bounding_box()
        assert box
        assert box["x"] >= place["x"] + place["width"] or box["y"] + box["height"] <= place["y"]
    tool.get_by_role("button", name="Circle").click()
    tool.get_by_role("button", name="Around the middle of the map").click()
    settle(viewer)
    assert set(said_of_other(page)) == {"compare", "compare.filter.crime", "compare.area"}
    assert count_of(page, "Left") == thefts
    # The tool goes with the panel.
    page.get_by_role("button", name="Left", exact=True).click()
    tool.get_by_role("button", name="Circle").click()
    tool.get_by_role("button", name="Around the middle of the map").click()
    settle(viewer)
    assert 0 < count_of(page, "Left") < thefts


@pytest.mark.slow
def test_the_time_bar_is_dragged_and_played_on_either_side_and_back_walks_through_it_after_a_reload(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = settle(open_viewer("/?layers=crime&compare=side&bar=time", viewport={"width": 1100, "height": 760}))
    page = viewer.page
    bar = page.get_by_role("region", name="Time")
    everything = count_by_api(viewer)

    def turn_right() -> None:
        page.get_by_role("button", name="Right", exact=True).click()
        bar.locator("path").first.wait_for(state="attached")
        settle(viewer)

    def counts() -> list[int]:
        settle(viewer)
        page.wait_for_timeout(1_600)  # choices that follow sooner are one step with this one
        return [count_of(page, "Left"), count_of(page, "Right")]

    turn_right()
    start = viewer.address()
    plot = bar.locator(".plot").bounding_box()
    assert plot
    at = [(plot["x"] + 24 + (plot["width"] - 48) * part, plot["y"] + 10) for part in (0.3, 0.4, 0.5)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1])
    expect(bar.locator(".period")).not_to_contain_text("All times")
    expect(side(page, "Right").locator("strong")).not_to_contain_text(f"{everything:,} reports")
    settle(viewer)
    assert viewer.address() == start  # which tells of it when it is let go
    page.mouse.move(*at[2])
    page.mouse.up()
    expect(page).to_have_url(re.compile("compare.time="))
    dragged = said_of_other(page)["compare.time"]
    states = [(said_of_other(page), counts())]
    assert states[0][1] == [everything, count_by_api(viewer, datetime=dragged)]

    bar.get_by_label("Period", exact=True).select_option("2024")
    expect(page).to_have_url(re.compile("compare.time=2024-01-01/2024-12-31"))
    bar.get_by_label("Step", exact=True).select_option("quarter")
    bar.get_by_label("Speed", exact=True).select_option("Infinity")
    states.append((said_of_other(page), counts()))
    bar.get_by_role("button", name="Play").click()
    bar.get_by_role("button", name="Pause").wait_for()
    bar.get_by_role("button", name="Play").wait_for()
    expect(page).to_have_url(re.compile("compare.time=2024-10-01/2024-12-31"))
    assert counts() == [everything, count_by_api(viewer, datetime="2024-10-01/2024-12-31")]

    page.reload()
    settle(viewer)
    turn_right()
    for said, counted in reversed(states):
        page.go_back()
        expect(page).to_have_url(re.compile(re.escape(f"compare.time={said['compare.time']}")))
        assert (said_of_other(page), counts()) == (said, counted)
    page.go_back()
    expect(page).not_to_have_url(re.compile("compare.time"))
    assert viewer.address() == start
    assert counts() == [everything, everything]


@pytest.mark.slow
def test_a_comparison_that_is_closed_while_its_time_is_played_stays_closed(open_viewer: Callable[..., Any]) -> None:
    viewer = settle(open_viewer("/?layers=crime&compare=side&bar=time"))
    page = viewer.page
    page.get_by_role("button", name="Right", exact=True).click()
    bar = page.get_by_role("region", name="Time")
    bar.locator("path").first.wait_for(state="attached")
    bar.get_by_role("button", name="Play").click()
    expect(bar).to_have_attribute("data-playing", "true")
    page.wait_for_url(re.compile("compare.time"))
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("#other-map")).to_have_count(0)
    bar.locator("path").first.wait_for(state="attached")
    viewer.settle()
    assert said_of_other(page) == {}


LOSE = """async ids => {
    for (const id of ids) {
        const canvas = document.querySelector(`#${id} canvas`);
        canvas.getContext("webgl2").getExtension("WEBGL_lose_context").loseContext();
    }
}"""


@pytest.mark.slow
def test_a_map_whose_graphics_are_lost_for_good_says_so_once_and_what_to_do_and_lists_its_rows(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = settle(open_viewer(TWO))
    page = viewer.page
    lost = page.get_by_role("alert").filter(has_text="The browser has lost what it draws the map with.")
    page.evaluate(LOSE, ["other-map"])
    expect(page.locator(".other").get_by_role("alert")).to_contain_text("Reload the page")
    expect(lost).to_have_count(1)
    page.get_by_role("button", name="Right", exact=True).click()
    page.get_by_role("tab", name="List").click()
    rows = page.locator("#panel-body ul button")
    expect(rows).to_have_count(20)
    expect(rows.first).to_contain_text("Burglary")
    page.evaluate(LOSE, ["map"])
    expect(page.locator("#other-map")).to_have_count(0)
    expect(lost).to_have_count(1)
    page.get_by_role("tab", name="List").click()
    expect(rows).to_have_count(20)
    expect(rows.first).to_contain_text("Theft")
    lost.get_by_role("button", name="Reload").click()
    settle(viewer)
    expect(lost).to_have_count(0)
    assert count_of(page, "Right") == count_by_api(viewer, filter=BURGLARIES)


@pytest.mark.slow
def test_a_server_that_is_gone_is_told_of_once(open_viewer: Callable[..., Any]) -> None:
    viewer = settle(open_viewer(TWO))
    page = viewer.page
    viewer.expected_faults = ("Failed to load resource", "AJAXError", "Failed to fetch", "net::ERR")
    page.context.set_offline(True)
    page.get_by_role("button", name="Zoom in").click()
    told = page.get_by_text("The server does not answer.")
    expect(told.first).to_be_visible()
    page.wait_for_timeout(1_000)
    expect(told).to_have_count(1)
    page.context.set_offline(False)
    expect(told).to_have_count(0)


@pytest.mark.slow
def test_what_is_taken_over_from_the_left_map_has_the_place_that_the_reader_asks_about(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = settle(open_viewer("/?layers=crime&pin=-28.6,45.2&compare=side&compare.layers=crime"))
    page = viewer.page
    for name in ("Everything, without filters", "The same as"):
        page.get_by_text("Right shows").click()
        page.get_by_role("button", name=re.compile(name)).click()
        page.wait_for_url(re.compile(r"compare\.pin=-28\.6,45\.2"))
        settle(viewer)


@pytest.mark.slow
def test_escape_takes_back_the_last_thing_only_and_leaves_the_cards_behind_it(open_viewer: Callable[..., Any]) -> None:
    viewer = settle(open_viewer("/?layers=crime&time=2023-01-01/2023-12-31&bar=time&compare=side&pin=-28.6,45.2"))
    page = viewer.page
    card = page.get_by_role("dialog", name="45.20000, -28.60000")
    card.wait_for()

    page.keyboard.press("Control+p")
    page.get_by_text("The sheet is ready.").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(card).to_be_visible()

    page.get_by_text("Right shows …").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Everything, without filters")).to_be_hidden()
    expect(card).to_be_visible()

    play = page.get_by_role("button", name="Play")
    play.click()
    page.get_by_role("button", name="Pause").wait_for()
    page.keyboard.press("Escape")
    play.wait_for()
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
