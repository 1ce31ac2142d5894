"""The server ends while the page is open, and comes back: the page says so, keeps the map and goes on by itself."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
GONE = "The server does not answer."
NEAR = "#16/45.2/-28.6"
# What the browser itself says of requests that fail.
EXPECTED = ("Failed to load resource", "AJAXError", "Failed to fetch")


class Mortal:
    """`geoserver serve` over the sample city, always on the same port."""

    def __init__(self, workspace: Path, database_url: str) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))
        }
        self._environment = kept | {"DATABASE_URL": database_url, "GEOSERVER_SAMPLES": "true"}
        self._workspace = workspace
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        place = ["--workspace", str(self._workspace), "--port", str(self.port)]
        command = [sys.executable, "-m", "geoserver", "serve", *place]
        pipe = {"stderr": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, **pipe)  # type: ignore[call-overload]
        assert self._process
        assert self._process.stderr
        assert any(re.match(r"http://\S+", line) for line in self._process.stderr), "it did not start"

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory, city_database: str) -> Iterator[Mortal]:
    server = Mortal(tmp_path_factory.mktemp("mortal"), city_database)
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(server.kill)
        yield server


@pytest.fixture
def open_mortal(open_viewer: Callable[..., Any], mortal: Mortal) -> Callable[[str | None], Any]:
    """A viewer over the server, which is up."""
    mortal.kill()
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
    mortal.kill()
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


def test_what_is_asked_for_while_it_is_away_comes_when_it_is_back(
    open_mortal: Callable[[str], Any], mortal: Mortal, sql: Callable[[str], Any]
) -> None:
    viewer = open_mortal(f"/?layers=trees{NEAR}")
    mortal.kill()
    viewer.in_view().first.click()
    expect(notice(viewer)).to_be_visible()
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
    mortal.kill()
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
        mortal.kill()
        route.abort()
        viewer.page.unroute("**/api/layers")

    viewer.page.route("**/api/layers", end)
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
