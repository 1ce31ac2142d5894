"""A frozen map in a browser: its folder given out by Python's own web server, no other server and no network there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from frozen_folders import freeze, open_server, pack, serve_plainly
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LINK = "?layers=crime,bike-paths&time=2024-01-01/2025-12-31"
YEARS = "reported_at >= '2024-01-01T00:00:00Z' AND reported_at < '2026-01-01T00:00:00Z'"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, city_database: str) -> Iterator[str]:
    """Of a frozen map in a plain folder; the server that froze it has been stopped."""
    workspace = tmp_path_factory.mktemp("frozen-map")
    with open_server(workspace, city_database) as client:
        kept = freeze(client, workspace, LINK, "Crime of two years")
    with serve_plainly(pack(kept, workspace / "folder")) as address:
        yield address


@pytest.fixture
def open_frozen(origin: str, browser: Browser, drive: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """The map on a fresh browser context, in which any request to another place is broken off, and fails the test."""
    opened: list[Any] = []

    def open_frozen(path: str = "/", **context: Any) -> Any:
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", "reduced_motion": "reduce"} | context
        made = browser.new_context(**options)
        made.route(lambda url: not url.startswith((origin, "data:", "blob:")), lambda route: route.abort())
        viewer = drive(made.new_page(), origin)
        opened.append(viewer)
        return viewer.open(path)

    yield open_frozen
    for viewer in opened:
        viewer.page.context.close()
    for viewer in opened:
        viewer.check()


@pytest.fixture(scope="module")
def count(city_database: str) -> Callable[[str], int]:
    """Frozen rows of crime that fulfil a condition in SQL."""

    def count(condition: str = "TRUE") -> int:
        with psycopg.connect(city_database) as connection:
            query = f"SELECT count(*) FROM layers.crime WHERE {YEARS} AND ({condition})"
            row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        return int(row[0])

    return count


def test_a_folder_opens_as_a_map_that_says_of_when_it_is(
    open_frozen: Callable[..., Any], count: Callable[..., int], output: Path
) -> None:
    viewer = open_frozen()
    page = viewer.page
    assert viewer.count("crime") == count()
    expect(page.locator(".frozen")).to_contain_text("Crime of two years")
    expect(page.locator(".frozen")).to_contain_text(re.compile(r"Data of \d+ \w+ \d{4}"))
    page.get_by_role("button", name="About this map").click()
    expect(page.locator(".frozen")).to_contain_text(re.compile("2024.+2025"))
    expect(page.locator(".frozen")).to_contain_text("CC BY 4.0")
    assert page.locator(".frozen a").get_attribute("href").startswith("http://127.0.0.1/?layers=")
    expect(page.locator(".legend")).to_contain_text("number in each square")
    expect(page.get_by_role("searchbox")).to_have_count(0)
    assert len(viewer.picture().resize((200, 120)).getcolors(100_000) or []) > 500
    page.screenshot(path=output / "frozen.png")


@pytest.mark.slow
def test_filters_that_are_chosen_in_the_page_count_chart_and_list_what_sql_does(
    open_frozen: Callable[..., Any], count: Callable[..., int], output: Path
) -> None:
    viewer = open_frozen("/?layers=crime")
    page = viewer.page
    filters = viewer.open_filters("crime")
    filters.get_by_label("Burglary").check()
    filters.get_by_label("Ansodi").check()
    viewer.settle()
    both = "category = 'burglary' AND district = 'Ansodi'"
    assert viewer.count("crime") == count(both)
    filters.get_by_label("Incident number").fill("2024-0")
    page.wait_for_timeout(600)
    viewer.settle()
    found = count(f"{both} AND incident LIKE '%2024-0%'")
    assert viewer.count("crime") == found > 0
    page.get_by_role("tab", name="Table").click()
    grid = page.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", str(found + 1))
    expect(grid.get_by_role("row").nth(1)).to_contain_text("Ansodi")
    page.get_by_role("tab", name="Chart").click()
    page.get_by_role("img").first.wait_for()
    page.go_back()
    expect(page.get_by_role("tab", name="Table")).to_have_attribute("aria-selected", "true")
    page.go_back()
    viewer.settle()
    page.screenshot(path=output / "frozen-filtered.png")
    page.go_back()
    viewer.settle()
    assert viewer.count("crime") == count(both)
    page.go_forward()
    viewer.settle()
    assert viewer.count("crime") == found


def test_a_link_opens_on_its_filter_window_and_area(open_frozen: Callable[..., Any], count: Callable[..., int]) -> None:
    wanted = "category IN ('theft','fraud')"
    viewer = open_frozen(
        f"/?layers=crime&filter.crime={wanted}&time=2024-03-01/2024-05-31&area=-28.62,45.19,-28.58,45.22"
    )
    box = "ST_Intersects(geom, ST_MakeEnvelope(-28.62, 45.19, -28.58, 45.22, 4326))"
    days = "reported_at >= '2024-03-01T00:00:00Z' AND reported_at < '2024-06-01T00:00:00Z'"
    assert viewer.count("crime") == count(f"{wanted} AND {days} AND {box}")


def test_what_needs_a_server_is_refused_in_words_and_nothing_is_drawn_of_it(open_frozen: Callable[..., Any]) -> None:
    viewer = open_frozen("/?layers=crime&filter.crime=T_AFTER(reported_at,DATE('2024-05-01'))")
    viewer.open_filters("crime")
    expect(viewer.card("crime").get_by_role("alert")).to_contain_text("more than this frozen map can look up by itself")
    viewer.card("crime").locator("summary", has_text="Download").click()
    link = viewer.card("crime").get_by_role("link", name="GeoParquet")
    answer = viewer.page.request.get(f"{viewer.origin}/{link.get_attribute('href')}")
    assert answer.body()[:4] == b"PAR1"


@pytest.mark.parametrize("base", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
@pytest.mark.slow
def test_axe_finds_nothing_on_a_desk_or_a_phone_light_or_dark(
    open_frozen: Callable[..., Any], size: tuple[int, int], base: str, output: Path
) -> None:
    width, height = size
    viewer = open_frozen(
        f"/?layers=crime,bike-paths&base={base}",
        viewport={"width": width, "height": height},
        color_scheme=base,
        has_touch=width < 720,
    )
    viewer.page.get_by_role("button", name="About this map").click()
    viewer.page.screenshot(path=output / f"frozen-{base}-{width}.png")
    found = Axe().run(viewer.page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.slow
def test_rows_are_read_in_a_thread_of_their_own_and_in_the_page_where_there_is_none(
    origin: str, open_frozen: Callable[..., Any], browser: Browser, count: Callable[..., int]
) -> None:
    viewer = open_frozen()
    assert any("/assets/worker-" in worker.url for worker in viewer.page.workers)
    page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
    page.route("**/assets/worker-*", lambda route: route.abort())
    page.goto(origin)
    expect(page.get_by_text(f"{count():,} reports").first).to_be_visible(timeout=30_000)
    page.close()
