"""A widget in pages of others: how much script it brings, how soon a phone on a slow line sees its picture and then its
map, by a server that has just started and by one that knows it, and what ten of them on a page fetch.

The line is that of `slow`. The picture is seen when it is decoded and a frame has been drawn since; the map lives when
it has drawn all that is in view.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.frame import Row, Table
from benchmarks.page import FLAGS, NAMES
from benchmarks.slow import LINE, PHONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, Page, Request

    from benchmarks.frame import Context

__all__ = ["run"]

_WEB = Path(__file__).parent.parent / "web"
_WIDGET = "/embed?layers=crime&lang=en"
_STARTS, _VISITS = 3, 5
_PATIENCE = 180_000  # milliseconds
_TEN = [f"/embed?layers={layers}&lang=en" for layers in ("crime", "bike-paths", "trees", "districts", "crime,trees")]
# Milliseconds since the widget was asked for, put down as soon as they are known.
_WATCH = """
window.seen = {};
const painted = () => requestAnimationFrame(() => requestAnimationFrame(() => (seen.picture ??= performance.now())));
(function look() {
  const image = document.querySelector("picture img");
  if (image?.complete && image.naturalWidth && !seen.decoding) seen.decoding = image.decode().then(painted, () => 0);
  if (document.querySelector("#map[data-state=idle]")) seen.alive ??= performance.now();
  else requestAnimationFrame(look);
})();
"""


@dataclass(frozen=True)
class _Visit:
    """Seconds until each is seen, and bytes of all answers with their heads."""

    picture: float
    alive: float
    bytes: int


def run(context: Context) -> list[Row]:
    """Medians of some visits, each with an empty cache."""
    sizes = _measure_sizes()
    rows = [
        Row("embed", "own JavaScript of the widget, brotli", sizes["embed"], "kB", at_most=40),
        Row("embed", "<city-map>, brotli", sizes["element"], "kB", at_most=4),
    ]
    program = os.environ.get("GEOSERVER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        context.note("embed: Chromium is not installed")
        return rows
    first: list[_Visit] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        for start in range(_STARTS):
            with context.serve_samples() as server:
                first.append(_visit(browser, server.url))
                if start + 1 == _STARTS:
                    known = [_visit(browser, server.url) for _ in range(_VISITS)]
                    fetched = _visit_ten(browser, server.url, context.folder / "article")
        browser.close()
    for what, visits in (("", known), (", server just started", first)):
        picture, alive = (statistics.median(getattr(visit, name) for visit in visits) for name in ("picture", "alive"))
        rows.append(Row("embed", f"slow phone{what}: picture seen", picture, "s", at_most=1.5))
        rows.append(Row("embed", f"slow phone{what}: map alive", alive, "s", at_most=5))
    scripts = Counter({address: times for address, times in fetched.items() if address.endswith(".js")})
    rows.append(Row("embed", "ten widgets: times that a script is fetched", max(scripts.values()), "", at_most=1))
    context.tables.append(_build_table({"a server that knows it": known, "a server just started": first}))
    return rows


def _measure_sizes() -> dict[str, float]:
    """Kilobytes of our own scripts of the widget and of the element, as `npm run size` tells."""
    program = Path(sys.executable).parent / "node"
    command = [str(program), str(_WEB / "scripts" / "size.mjs")]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    wanted = {"embed": r"(\d+)  own JavaScript of a first visit of embed\.html", "element": r"(\d+)  the element for"}
    return {name: int(re.findall(line, told)[0]) / 1000 for name, line in wanted.items()}


def _visit(browser: Browser, url: str) -> _Visit:
    """Open the widget on the slow line, until its map lives."""
    page = browser.new_context(**PHONE, locale="en-GB", color_scheme="light").new_page()
    done = _note(page)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", LINE)
    page.add_init_script(_WATCH)
    page.goto(f"{url}{_WIDGET}", wait_until="commit")
    page.wait_for_function("() => seen.alive", timeout=_PATIENCE)
    alive = page.evaluate("seen.alive") / 1000
    picture = page.evaluate("seen.picture ?? seen.alive") / 1000  # from then on nobody waits for it
    sizes = [request.sizes() for request in done]
    total = sum(max(0, size["responseBodySize"]) + max(0, size["responseHeadersSize"]) for size in sizes)
    page.context.close()
    return _Visit(picture, alive, total)


def _visit_ten(browser: Browser, url: str, folder: Path) -> Counter[str]:
    """How often each address is fetched by ten widgets on a page of another site, all of them seen."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = "".join(f'<iframe src="{url}{widget}" width="380" height="300"></iframe>' for widget in _TEN * 2)
    (folder / "index.html").write_text(f"<!doctype html><title>Article</title>{frames}", encoding="utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_context(viewport={"width": 1600, "height": 1000}).new_page()
        done = _note(page)
        page.goto(f"http://127.0.0.1:{server.server_port}/", wait_until="domcontentloaded", timeout=_PATIENCE)
        for frame in page.frames[1:]:
            frame.wait_for_selector("#map[data-state=idle]", timeout=_PATIENCE)
        fetched = Counter(request.url for request in done if request.sizes()["responseBodySize"] > 0)
        page.context.close()
        server.shutdown()
    return fetched


def _note(page: Page) -> list[Request]:
    """Requests that have ended, as they do."""
    done: list[Request] = []

    def note(request: Request) -> None:
        done.append(request)

    page.on("requestfinished", note)
    return done


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _build_table(seen: dict[str, Sequence[_Visit]]) -> Table:
    lines = [
        (
            name,
            " / ".join(f"{visit.picture:.2f}" for visit in visits),
            " / ".join(f"{visit.alive:.2f}" for visit in visits),
            " / ".join(f"{visit.bytes / 1000:.0f}" for visit in visits),
        )
        for name, visits in seen.items()
    ]
    return Table("A widget on a slow phone", ("first visits", "picture seen, s", "map alive, s", "kB"), lines)
