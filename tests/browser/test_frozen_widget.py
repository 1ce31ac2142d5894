"""The widget over a frozen map, in a page of another origin: framed, sandboxed, after an edit, missing."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from test_embed import Host, drawn, inside

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

LINK = "?layers=crime&filter.crime=category='burglary'&time=2024-01-01/2024-03-01&map=12/45.2/-28.6"
TITLE = "Burglaries of a winter"
LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
SANDBOXED = 'sandbox="allow-scripts"'


@pytest.fixture(scope="module")
def frozen_server(
    tmp_path_factory: pytest.TempPathFactory,
    make_database: Callable[..., str],
    city_template: str,
    serve: Callable[..., Any],
) -> Iterator[Any]:
    """A server that freezes for everybody, over a city to be edited."""
    database = make_database(template=city_template)
    workspace = tmp_path_factory.mktemp("frozen-widget")
    settings = Settings(workspace=workspace, database_url=None, samples=True, freeze="anyone")
    with serve(create_app(settings, database), database) as running:
        yield running


def ask(address: str, body: object = None) -> Any:
    """The document at an address; what is sent is JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def freeze(site: str) -> dict[str, Any]:
    """What the page does: gives the last status."""
    told = ask(f"{site}/frozen", {"link": LINK, "title": TITLE})
    deadline = time.monotonic() + 240
    while told["state"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        told = ask(told["status"])
    assert told["state"] == "done", told
    found: dict[str, Any] = told
    return found


@pytest.fixture(scope="module")
def frozen(frozen_server: Any) -> str:
    return str(freeze(frozen_server.url)["id"])


@pytest.fixture
def host(browser: Browser, built_viewer: Path, frozen_server: Any) -> Iterator[Host]:
    assert built_viewer
    host = Host(frozen_server.url, browser)
    yield host
    for context in browser.contexts:
        context.close()
    host.server.shutdown()
    host.server.server_close()
    host.check()


def test_a_frozen_map_is_drawn_from_its_files_framed_and_sandboxed(host: Host, frozen: str, output: Path) -> None:
    page = host.open(host.frame(f"frozen={frozen}&lang=en") + host.frame(f"frozen={frozen}&lang=de", more=SANDBOXED))
    manifest = ask(f"{host.site}/frozen/{frozen}/manifest.json")
    count = manifest["rows"]["crime"]["count"]
    for at, says, day in ((0, f"{count} reports", "Data of"), (1, f"{count} Meldungen", "Daten vom")):
        frame = drawn(page, at)
        expect(frame.get_by_role("heading", level=1)).to_have_text(TITLE)
        expect(frame.locator(".line .count")).to_have_text(says)
        expect(frame.locator(".dated")).to_contain_text(day)
        expect(frame.locator(".dated").get_by_role("link")).to_have_count(0)
        expect(frame.locator(".sources")).to_contain_text("City of Antillia")
    assert inside(page).locator(".open").get_attribute("href").startswith(f"{host.site}/frozen/{frozen}/?")
    page.screenshot(path=output / "frozen-widget.png", full_page=True)
    for part in ("api/", "tiles/", "styles/"):
        assert host.of(part) == []


def test_filters_of_a_frozen_widget_find_the_rows_that_were_frozen(host: Host, frozen: str) -> None:
    asked = "layers=crime&filter.crime=district='Ansodi'&show=table&filters=free"
    page = host.open(host.frame(f"frozen={frozen}&{asked}", more=SANDBOXED))
    frame = inside(page)
    frame.get_by_role("grid").wait_for()
    expect(frame.get_by_role("grid").get_by_role("row").nth(1)).to_contain_text("Ansodi")
    expect(frame.get_by_role("grid").get_by_role("row").nth(1)).to_contain_text("Burglary")


def test_after_an_edit_it_says_so_and_stays_as_it_was(host: Host, frozen: str, frozen_server: Any) -> None:
    manifest = ask(f"{host.site}/frozen/{frozen}/manifest.json")
    count = manifest["rows"]["crime"]["count"]
    with psycopg.connect(frozen_server.database_url) as connection:
        connection.execute(
            "DELETE FROM layers.crime WHERE fid IN (SELECT fid FROM layers.crime WHERE category = 'burglary'"
            " AND reported_at >= '2024-01-02' AND reported_at < '2024-03-01' LIMIT 5)"
        )
    deadline = time.monotonic() + 60
    while not ask(f"{host.site}/frozen/{frozen}/changed.json")["changed"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    page = host.open(host.frame(f"frozen={frozen}&lang=en", more=SANDBOXED))
    frame = drawn(page)
    link = frame.get_by_role("link", name="The data have changed since")
    expect(link).to_have_attribute("href", manifest["original"])
    expect(frame.locator(".line .count")).to_have_text(f"{count} reports")


def test_without_scripts_there_are_its_picture_and_its_facts(host: Host, frozen: str, output: Path) -> None:
    page = host.open(host.frame(f"frozen={frozen}&lang=en"), java_script_enabled=False)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_have_text(TITLE)
    expect(frame.locator("header")).to_contain_text("Data of ")
    expect(frame.locator("img")).to_have_attribute("src", f"{host.site}/frozen/{frozen}/picture.png")
    expect(frame.locator("noscript a")).to_have_attribute("href", f"{host.site}/frozen/{frozen}/data/crime.parquet")
    page.screenshot(path=output / "frozen-widget-without-scripts.png", full_page=True)


def test_one_that_is_not_there_says_so_in_the_readers_language(host: Host) -> None:
    host.expected += ("/embed?frozen=",)
    page = host.open(host.frame("frozen=abcdefghijkl&lang=fr"))
    expect(inside(page).get_by_text("Cette carte figée")).to_be_visible()
    assert inside(page).locator("script[type=module]").count() == 0


@pytest.mark.slow
def test_who_may_freeze_does_so_where_the_map_is_embedded(
    host: Host, open_viewer: Callable[..., Any], frozen_server: Any
) -> None:
    viewer = open_viewer("/?layers=crime&filter.crime=category='arson' AND district='Ansodi'", frozen_server.url)
    page = viewer.page
    page.get_by_role("button", name="Embed this map").click()
    dialog = page.get_by_role("dialog")
    text = dialog.locator("textarea").first
    dialog.get_by_label("Frozen: stays as it is today").check()
    assert "frozen=" not in text.input_value()
    dialog.get_by_role("button", name="Freeze the map").click()
    dialog.get_by_text("All below shows the frozen map").wait_for()
    address = dialog.get_by_role("link", name="Open the frozen map").get_attribute("href")
    assert address in dialog.locator(".cite").inner_text()
    frozen = address.rstrip("/").rpartition("/")[2]
    assert f"/embed?frozen={frozen}&amp;" in text.input_value()
    assert f'<img src="{address}picture.png"' in text.input_value()
    assert ask(f"{address}manifest.json")["rows"]["crime"]["count"] == viewer.count("crime")
    expect(page.frame_locator("dialog iframe").locator(".dated")).to_contain_text("Data of")
    zipped = dialog.get_by_role("link", name="folder (ZIP)").get_attribute("href")
    assert zipped == f"{host.site}/frozen/{frozen}.zip"
    dialog.get_by_label("Live: always").check()
    assert "frozen=" not in text.input_value()
    found = Axe().run(page, options=LEVELS)
    assert [violation["id"] for violation in found.response["violations"]] == []
