"""A first visit to the page in Chromium: how much is asked for to show some layers, and how soon nothing more is; and
how many visitors a second get the page itself, which tells what it would ask for first.

The sample city through the real server; each visit has an empty cache, and those with different numbers of layers take
turns.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from benchmarks.drive import measure
from benchmarks.frame import Row, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, Request

    from benchmarks.frame import Context

__all__ = ["FLAGS", "NAMES", "Visit", "find_kind", "run"]

_LAYERS = ("crime", "bike-paths", "trees", "sewage-sampling", "air-quality", "districts")
_ALONE = "the catalogue alone"
_SHOWN = (1, 3, 6)
_VISITS = 3
_QUIET = 4.0  # seconds without a request after which the page is idle
_LONGEST = 40.0  # seconds; a page that asks for ever is watched for so long
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
)
# Addresses of the page: plain, as a shared link has them, and such as nobody has asked for before.
_ADDRESSES = {
    "without a query": ["/"],
    "three layers and a filter": ["/?layers=crime,trees,districts&filter.crime=category%3D'burglary'"],
    "random queries": [
        f"/?layers={','.join(random.Random(number).sample(_LAYERS, 3))}&x{number}={number}" for number in range(2000)
    ],
}
# What an address is, by its path below the page's; the first that matches.
_KINDS = {
    "tiles": r"/tiles/[^/]+/\d+/\d+/\d+\.\w+",
    "the page's own": r"/|/assets/.*|/fonts/.*|/sprites/.*|/favicon.*",
    "catalogue": r"/api/layers",
    "style": r"/styles/.*",
    "about a layer": r".*",
}


@dataclass(frozen=True)
class Visit:
    """Requests by kind, and seconds from the start: until the last tile was there, and until the last answer of all."""

    counts: Counter[str]
    last_tile: float
    last: float
    ended: bool

    @property
    def about_layers(self) -> int:
        """What is asked because of the layers: all but tiles, the page's own, one catalogue and one style."""
        again = sum(max(0, self.counts[kind] - 1) for kind in ("catalogue", "style"))
        return self.counts["about a layer"] + again

    @property
    def idle(self) -> float:
        """Seconds from the last tile until nothing more came; of a page that asks for ever, all that it was watched."""
        return self.last - self.last_tile if self.ended else _LONGEST


def run(context: Context) -> list[Row]:
    """The worst of some visits, per number of layers."""
    program = os.environ.get("GEOSERVER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        context.note("page: Chromium is not installed")
        return []
    visits: dict[int, list[Visit]] = {number: [] for number in _SHOWN}
    with context.serve_samples() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        context.versions["chromium"] = browser.version
        _visit(browser, server.url, _LAYERS)  # the first answers are slower
        for _ in range(_VISITS):
            for number, seen in visits.items():
                seen.append(_visit(browser, server.url, _LAYERS[:number]))
        browser.close()
        rates = measure_answers(server.url, context.seconds)
    context.tables.append(_build_table(visits))
    rows = []
    for number, seen in visits.items():
        what = f"{number} layers shown" if number > 1 else "1 layer shown"
        if not all(visit.ended for visit in seen):
            context.note(f"page: {what}: it was still asking after {_LONGEST:g} s")
        most = max(visit.about_layers for visit in seen) / number
        rows.append(Row("page", f"first visit, {what}: requests a layer, without tiles", most, "requests", at_most=3))
    for number, seen in visits.items():
        what = f"{number} layers shown" if number > 1 else "1 layer shown"
        idle = max(visit.idle for visit in seen)
        rows.append(Row("page", f"first visit, {what}: from the last tile until idle", idle, "s", at_most=2))
    alone = rates.pop(_ALONE)
    rows += [Row("page", f"the page, {what}: answers", rate, "1/s", alone, _ALONE) for what, rate in rates.items()]
    return rows


def measure_answers(url: str, seconds: float) -> dict[str, float]:
    """Answers a second by what is asked for, over some connections, as browsers take them."""
    asked = {_ALONE: ["/api/layers"], **_ADDRESSES}
    return {
        what: measure(url, paths, connections=8, seconds=seconds, encoding="gzip, br, zstd").rate
        for what, paths in asked.items()
    }


def _visit(browser: Browser, url: str, layers: Sequence[str]) -> Visit:
    """Open the page with those layers and watch it until nothing is asked any more."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB").new_page()
    asked: list[tuple[float, str]] = []
    ended: list[tuple[float, str]] = []
    open_now: set[Request] = set()
    start = time.monotonic()

    def begin(request: Request) -> None:
        if request.url.startswith(f"{url}/"):
            asked.append((time.monotonic() - start, find_kind(request.url)))
            open_now.add(request)

    def end(request: Request) -> None:
        if request in open_now:
            open_now.discard(request)
            ended.append((time.monotonic() - start, find_kind(request.url)))

    page.on("request", begin)
    page.on("requestfinished", end)
    page.on("requestfailed", end)
    page.goto(f"{url}/?layers={','.join(layers)}")
    while (now := time.monotonic() - start) < _LONGEST:
        if not open_now and now - max(moment for moment, _ in [*asked, *ended]) > _QUIET:
            break
        page.wait_for_timeout(50)
    quiet = now < _LONGEST
    page.context.close()
    tiles = [moment for moment, kind in ended if kind == "tiles"]
    return Visit(Counter(kind for _, kind in asked), max(tiles, default=0.0), max(ended)[0], quiet)


def find_kind(url: str) -> str:
    """What a request is for."""
    path = urlsplit(url).path
    return next(kind for kind, pattern in _KINDS.items() if re.fullmatch(pattern, path))


def _build_table(visits: dict[int, list[Visit]]) -> Table:
    lines = [
        (
            str(number),
            *(" / ".join(str(visit.counts[kind]) for visit in seen) for kind in _KINDS),
            *(" / ".join(f"{getattr(visit, name):.1f}" for visit in seen) for name in ("last_tile", "last")),
        )
        for number, seen in visits.items()
    ]
    header = ("layers", *(f"requests: {kind}" for kind in _KINDS), "last tile, s", "last answer, s")
    return Table(f"First visits, {_VISITS} each", header, lines)
