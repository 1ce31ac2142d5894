"""The server ends while the page is open, and comes back: the page says so, keeps the map and goes on by itself."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from mortal import Mortal
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.browser

GONE = "The server does not answer."
NEAR = "#16/45.2/-28.6"
LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# What the browser itself says of requests that fail.
EXPECTED = ("Failed to load resource", "AJAXError", "Failed to fetch", "net::ERR_INCOMPLETE_CHUNKED_ENCODING")

# All parts that come later and that the page has begun to fetch are there.
FETCHED = """async () => {
  const count = () => performance.getEntriesByType("resource").length;
  const before = count();
  await new Promise((done) => setTimeout(done, 500));
  return count() === before;
}"""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory, city_database: str) -> Iterator[Mortal]:
    with contextlib.closing(Mortal(tmp_path_factory.mktemp("mortal"), city_database)) as server:
        yield server


@pytest.fixture
def open_mortal(open_viewer: Callable[..., Any], mortal: Mortal) -> Callable[[str | None], Any]:
    """A viewer over the server, which is up."""
    mortal.close()
    mortal.start()

    def open_it(path: str | None) -> Any:
        viewer = open_viewer(None, origin=mortal.url)
        viewer.expected_faults = EXPECTED
        return viewer if path is None else viewer.open(path)

    return open_it


def notice(viewer: Any) -> Any:
    return viewer.page.get_by_role("alert").filter(has_text=GONE)


@pytest.mark.slow
def test_the_page_says_that_the_server_is_gone_keeps_the_map_and_goes_on_when_it_is_back(
    open_mortal: Callable[[str], Any], mortal: Mortal, sql: Callable[[str], Any], differ: Callable[..., int]
) -> None:
    viewer = open_mortal(f"/?layers=crime,trees{NEAR}")
    before = viewer.picture()
    # What filters need is fetched once the map has stood for a while.
    with viewer.page.expect_request_finished(lambda request: bool(re.search("/assets/LayerFilters-.*js", request.url))):
        pass
    viewer.page.wait_for_function(FETCHED)
    mortal.close()
    viewer.page.get_by_role("button", name="Zoom out").click()
    expect(notice(viewer)).to_be_visible()
    viewer.page.get_by_role("button", name="Zoom in").click()
    viewer.page.wait_for_selector("#map[data-state=idle]")
    kept = viewer.picture()
    box = (400, 200, 800, 600)  # beside the notice
    assert differ(before.crop(box), kept.crop(box)) < 200
    viewer.open_filters("crime").get_by_role("checkbox", name=re.compile("^Burglary")).check()
    asked = len(viewer.requests)
    viewer.page.wait_for_timeout(5_000)
    assert len(viewer.requests) - asked < 12
    mortal.start()
    expect(notice(viewer)).to_have_count(0)
    expect(viewer.page.locator(".count[data-layer=crime]")).to_have_text(re.compile(" of "))
    assert viewer.settle().count("crime") == sql("SELECT count(*) FROM layers.crime WHERE category = 'burglary'")
    expect(viewer.page.get_by_role("alert")).to_have_count(0)
    viewer.page.get_by_role("button", name="Zoom out").click()
    again = viewer.settle().picture()
    fresh = open_mortal_as_is(viewer)
    assert differ(again, fresh) < 1_000


def open_mortal_as_is(viewer: Any) -> Any:
    """The picture of the same address in a page that knows of no trouble."""
    viewer.page.reload()
    return viewer.settle().picture()


@pytest.mark.slow
def test_what_is_asked_for_while_it_is_away_comes_when_it_is_back(
    open_mortal: Callable[[str], Any], mortal: Mortal, sql: Callable[[str], Any]
) -> None:
    viewer = open_mortal(f"/?layers=trees{NEAR}")
    listed = viewer.in_view()
    mortal.close()
    listed.first.click()
    expect(notice(viewer)).to_be_visible()
    assert Axe().run(viewer.page, options=LEVELS).response["violations"] == []
    viewer.page.get_by_role("tab", name="Layers").click()
    viewer.switch("Reported crime").check()
    mortal.start()
    viewer.page.evaluate("dispatchEvent(new Event('online'))")
    expect(notice(viewer)).to_have_count(0)
    expect(viewer.page.get_by_role("dialog").locator("dd").first).to_be_visible()
    expect(viewer.page.locator(".count[data-layer=crime]")).to_be_visible()
    assert viewer.settle().count("crime") == sql("SELECT count(*) FROM layers.crime")
    assert any("Reported crime" in text for text in viewer.in_view().all_inner_texts())


@pytest.mark.slow
def test_a_restart_while_the_map_is_moved_leaves_no_hole(
    open_mortal: Callable[[str], Any], mortal: Mortal, differ: Callable[..., int]
) -> None:
    viewer = open_mortal("/?layers=crime,trees#13/45.2/-28.6")
    viewer.page.get_by_role("button", name="Zoom in").click()
    mortal.close()
    for _ in range(3):
        viewer.page.get_by_role("button", name="Zoom in").click()
        viewer.page.wait_for_timeout(300)
    mortal.start()
    expect(viewer.page.get_by_role("alert")).to_have_count(0)
    viewer.settle()
    expect(viewer.in_view()).to_have_count(50)
    viewer.page.get_by_role("tab", name="Layers").click()
    assert differ(viewer.picture(), open_mortal_as_is(viewer)) < 1_000


@pytest.mark.slow
def test_a_server_that_is_gone_before_the_first_answer_is_waited_for(
    open_mortal: Callable[[str | None], Any], mortal: Mortal, sql: Callable[[str], Any]
) -> None:
    viewer = open_mortal(None)

    def end(route: Any) -> None:
        mortal.close()
        route.abort()
        viewer.page.unroute(re.compile(r"/api/layers\?"))

    viewer.tell_nothing()
    viewer.page.route(re.compile(r"/api/layers\?"), end)
    viewer.page.goto(f"{viewer.origin}/?layers=trees{NEAR}")
    expect(notice(viewer)).to_be_visible()
    expect(viewer.page.get_by_text("The map data could not be loaded.")).to_be_visible()
    mortal.start()
    expect(notice(viewer)).to_have_count(0)
    assert viewer.settle().count("trees") == sql("SELECT count(*) FROM layers.trees")
    expect(viewer.page.get_by_role("alert")).to_have_count(0)
    assert viewer.in_view().count() == 50


def test_a_part_of_the_page_that_did_not_come_is_asked_for_again(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(None)
    viewer.expected_faults = EXPECTED
    lost: list[str] = []

    def lose(route: Any) -> None:
        lost.append(route.request.url)
        route.abort()
        viewer.page.unroute("**/assets/city-map*.js")

    viewer.page.route("**/assets/city-map*.js", lose)
    viewer.page.goto(f"{viewer.origin}/?layers=trees{NEAR}")
    viewer.settle()
    assert len(lost) == 1
    expect(viewer.page.get_by_role("alert")).to_have_count(0)


def test_a_part_of_the_page_whose_style_did_not_come_has_it_when_it_is_asked_for_again(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(f"/?layers=trees{NEAR}")
    viewer.expected_faults = EXPECTED
    page = viewer.page
    lost: list[str] = []

    def lose(route: Any) -> None:
        lost.append(route.request.url)
        route.abort()
        page.unroute("**/assets/PrintDialog*.css")

    page.route("**/assets/PrintDialog*.css", lose)
    page.keyboard.press("Control+p")
    dialog = page.locator("dialog")
    dialog.wait_for()
    assert len(lost) == 1
    expect(dialog).to_have_css("padding", "0px")
    expect(page.get_by_role("alert")).to_have_count(0)
