"""The time bar plays a year by weeks in Chromium, as fast as it can: steps a second, each drawn before the next one.

Below the zoom from which tiles hold every feature each step's tiles are the server's; from there on, and under a filter
that leaves few enough rows, the map narrows them itself.
"""

from __future__ import annotations

import os
import shutil
import statistics
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, NamedTuple

import orjson
from playwright.sync_api import sync_playwright

from benchmarks.data import CENTRE
from benchmarks.frame import Row, Table
from benchmarks.page import FLAGS, NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser

    from benchmarks.frame import Context

__all__ = ["run"]

_ZOOM = 11
_WINDOW = "2023-01-01/2023-12-31"
_WIDTH, _HEIGHT = 1280, 800
_ROUNDS = 3
_LONGEST = 600_000  # milliseconds of a play
_QUESTIONS = ("category = 'other'", "category = 'other' AND amount > 100", "category = 'other' AND amount > 300")
# When each step was shown, in milliseconds.
_WATCH = """() => {
  window.shown = [];
  const period = document.querySelector("section .period");
  const observer = new MutationObserver(() => window.shown.push(performance.now()));
  observer.observe(period, {childList: true, characterData: true, subtree: true});
}"""


class Play(NamedTuple):
    """Steps that were shown, seconds from the first to the last, and tiles that were asked for meanwhile."""

    steps: int
    seconds: float
    tiles: int

    @property
    def rate(self) -> float:
        return (self.steps - 1) / self.seconds


def run(context: Context) -> list[Row]:
    """The median of some plays, from the second one on also with the server's tiles in its memory."""
    program = os.environ.get("GEOSERVER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        context.note("play: Chromium is not installed")
        return []
    rows, lines = [], []
    with context.serve() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        context.versions["chromium"] = browser.version
        for what, question, zoom, least in _list_cases(server.url):
            with context.step("play", what):
                plays = [_play(browser, server.url, question, zoom) for _ in range(_ROUNDS)]
                rate = statistics.median(play.rate for play in plays)
                rows.append(Row("play", f"a year by weeks, {what}: steps", rate, "1/s", at_least=least))
                lines.append((what, *(f"{play.rate:.1f}" for play in plays), _list_tiles(plays)))
        browser.close()
    header = ("what is played", *(f"steps a second, {number + 1}." for number in range(_ROUNDS)), "tiles asked for")
    context.tables.append(Table(f"The time bar over {context.rows:,} rows, a year by weeks", header, tuple(lines)))
    return rows


def _list_tiles(plays: Sequence[Play]) -> str:
    return ", ".join(str(play.tiles) for play in plays)


def _list_cases(url: str) -> list[tuple[str, str, int, int]]:
    """What is played: its name, filter, zoom and the steps a second to reach."""
    whole = next((question for question in _QUESTIONS if _read_start(url, question) <= _ZOOM), "")
    start = _read_start(url, "")
    cases = [(f"all rows at zoom {_ZOOM}", "", _ZOOM, 3 if start > _ZOOM else 8)]
    if whole:
        cases.append((f"{whole} at zoom {_ZOOM}, whole tiles", whole, _ZOOM, 8))
    return [*cases, (f"all rows at zoom {start}, whole tiles", "", start, 8)]


def _read_start(url: str, question: str) -> int:
    """From which zoom on tiles under a filter hold every feature."""
    query = urllib.parse.urlencode({"filter": question} if question else {})
    with urllib.request.urlopen(f"{url}/tiles/points.json?{query}", timeout=60) as answer:
        return int(orjson.loads(answer.read())["features_from"])


def _play(browser: Browser, url: str, question: str, zoom: int) -> Play:
    """One play in a browser that has nothing kept."""
    page = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, locale="en-GB").new_page()
    page.set_default_timeout(_LONGEST)
    tiles: list[str] = []
    query = {"layers": "points", "bar": "time", "time": _WINDOW} | ({"filter.points": question} if question else {})
    page.goto(f"{url}/?{urllib.parse.urlencode(query)}#{zoom}/{CENTRE[1]}/{CENTRE[0]}")
    page.wait_for_selector("#map[data-state=idle]")
    page.locator("section .bars path").first.wait_for(state="attached")
    page.get_by_label("Step", exact=True).select_option("week")
    page.get_by_label("Speed", exact=True).select_option("Infinity")
    page.wait_for_selector("#map[data-state=idle]")
    page.evaluate(_WATCH)
    page.on("request", lambda request: tiles.append(request.url) if ".mvt" in request.url else None)
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play").wait_for()
    shown = page.evaluate("window.shown")
    page.context.close()
    return Play(len(shown), (shown[-1] - shown[0]) / 1000, len(tiles))
