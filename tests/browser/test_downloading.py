"""Rows as files out of the map: what the card says is in the file, and what goes wrong is said."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyogrio
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from geoserver.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Download, Locator, Page, Route

    from geoserver.settings import Settings

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
THEFTS = quote("category IN ('theft','it''s \"$HOME\" `id` 🌳')")
NARROWED = f"/?layers=crime&filter.crime={THEFTS}&time=2024-01-01/2024-12-31&area=-28.62,45.18,-28.57,45.22"


@pytest.fixture(scope="module")
def slots(city_settings: Settings, city_database: str, serve: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """A server of its own, and its places for files."""
    app = create_app(city_settings.model_copy(update={"downloads_mb": 0}), city_database)  # what is kept takes no place
    with serve(app, city_database) as running:
        yield running.url, app.state.slots


def open_files(page: Page, word: str = "Download") -> Locator:
    page.locator("article.on .more > details > summary").filter(has_text=re.compile(f"^{word}")).click()
    files = page.locator(".download")
    files.get_by_role("link").first.wait_for()
    return files


def save(page: Page, link: Locator) -> Path:
    with page.expect_download() as started:
        link.click()
    download: Download = started.value
    path = Path(download.path()).with_name(download.suggested_filename)  # GDAL wants to see how it ends
    download.save_as(path)
    return path


def count_rows(path: Path) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _ in csv.DictReader(file))


def number(text: str) -> int:
    return int(re.sub(r"\D", "", text.split(":")[1].split("\n", maxsplit=1)[0]))


def find_violations(page: Page) -> list[str]:
    found = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def test_a_file_has_the_rows_that_the_card_says_filtered_by_all_that_narrows_the_map_and_whole(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(NARROWED)
    page = viewer.page
    files = open_files(page)
    shown, everything = files.locator(".rows label").all_inner_texts()
    assert 0 < number(shown) == viewer.count("crime") < number(everything) == 59_973
    table = files.get_by_role("link", name="CSV table")
    assert count_rows(save(page, table)) == number(shown)
    expect(files.get_by_text("crime.csv is among your downloads")).to_be_visible()

    files.get_by_text("For maps and programs").click()
    files.get_by_text("Coordinates and fields").click()
    files.get_by_label("Coordinates").select_option("EPSG:3857")
    files.get_by_label("Outcome").uncheck()
    path = save(page, files.get_by_role("link", name="GeoPackage for QGIS"))
    about = pyogrio.read_info(path, layer="crime")
    assert (about["features"], about["crs"]) == (number(shown), "EPSG:3857")
    assert sorted(about["fields"]) == ["category", "district", "incident", "reported_at"]
    expect(files.get_by_text("Always longitude, latitude.").first).to_be_visible()

    files.get_by_label("Everything").check()
    assert count_rows(save(page, table)) == number(everything)


def test_files_are_had_by_keyboard_and_lines_copied(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=districts")
    page = viewer.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    summary = page.locator("article.on summary").filter(has_text=re.compile("^Download"))
    summary.focus()
    page.keyboard.press("Enter")
    files = page.locator(".download")
    link = files.get_by_role("link", name="CSV table")
    link.focus()
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert started.value.suggested_filename == "districts.csv"
    files.get_by_text("Lines to copy for programs").click()
    files.get_by_role("button", name="Copy for curl").press("Enter")
    expect(files.get_by_role("button", name="Copied for curl")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == f'curl --fail -o "districts.csv" "{viewer.origin}/download/districts.csv"'
    assert find_violations(page) == []


def test_on_a_phone_in_the_dark_in_french_it_fits_and_readings_are_there_too(
    open_viewer: Callable[..., Any], output: Path
) -> None:
    viewer = open_viewer("/?layers=air-quality", **PHONE, color_scheme="dark", locale="fr-FR")
    page = viewer.page
    page.get_by_role("tab", name="Couches").tap()
    files = open_files(page, "Télécharger")
    assert find_violations(page) == []
    page.screenshot(path=output / "download-phone-dark-french.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert files.evaluate("each => each.scrollWidth <= each.clientWidth")
    for link in files.get_by_role("link").all():
        if link.is_visible():
            assert link.bounding_box()["height"] >= 44  # type: ignore[index]
    text = save(page, files.get_by_role("link", name="Tableau CSV").last).read_text("utf-8-sig")
    assert text.splitlines()[0].split(";")[1:3] == ["sensor", "measured_at"]


def enlarge(route: Route) -> None:
    """The layer's files are told to be as large as those of a layer with a hundred times its rows."""
    answer = route.fetch()
    told = answer.json()
    for item in told["downloads"]:
        item["bytes"] *= 100
    route.fulfill(response=answer, json=told)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.slow
def test_a_server_that_is_busy_says_when_to_try_again_and_then_it_works(
    open_viewer: Callable[..., Any], slots: tuple[str, Any], *, large: bool
) -> None:
    url, places = slots
    viewer = open_viewer(None, origin=url)
    viewer.expected_faults = ("429",)
    page = viewer.page
    if large:
        viewer.tell_nothing()
        page.route(re.compile("/api/layers/crime[?]lang=en$"), enlarge)
    viewer.open("/?layers=crime")
    files = open_files(page)
    for _ in range(5):
        places.take("127.0.0.1")
    table = files.get_by_role("link", name="CSV table")
    table.click()
    expect(files.get_by_role("alert")).to_contain_text("Please try again in 10 seconds.")
    for _ in range(5):
        places.give_back("127.0.0.1")
    assert count_rows(save(page, files.get_by_role("button", name="Try again"))) == 59_973
    said = "Your browser is downloading crime.csv." if large else "crime.csv is among your downloads"
    expect(files.get_by_role("status").filter(has_text=said)).to_be_visible()


def test_a_download_is_cancelled_and_the_server_lets_go_of_it(
    open_viewer: Callable[..., Any], slots: tuple[str, Any]
) -> None:
    url, places = slots
    page = open_viewer("/?layers=crime", origin=url).page
    files = open_files(page)
    # Compressed, all of it would be on its way at once.
    page.set_extra_http_headers({"Accept-Encoding": "identity"})
    page.context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": 100_000, "uploadThroughput": -1},
    )
    files.get_by_role("link", name="Google Earth").click()
    expect(files.get_by_text(re.compile(r"[kM]B of about 3\d MB"))).to_be_visible()
    assert places.taken == 1
    files.get_by_role("button", name="Cancel").click()
    expect(files.get_by_text("Cancelled.")).to_be_visible()
    deadline = time.monotonic() + 30
    while places.taken and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert places.taken == 0
