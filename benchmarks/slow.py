"""A first visit on a phone with a slow line: until data is drawn, and how many bytes that takes.

1.44 Mbit/s with 300 ms there and back, as Chromium emulates it. Beside the page stands the limit: a page that is
nothing but a map, with the same MapLibre and the same tiles (web/plain). Both are seen from outside: data is drawn in
the first picture of the screen that has half of what the last one has and a map without data has not.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image, ImageChops
from playwright.sync_api import sync_playwright

from benchmarks.frame import Row, Table
from benchmarks.page import FLAGS, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Request

    from benchmarks.frame import Context

__all__ = ["LINE", "PHONE", "run"]

_WEB = Path(__file__).parent.parent / "web"
LINE = {"offline": False, "latency": 300, "downloadThroughput": 1.44e6 / 8, "uploadThroughput": 1.44e6 / 8}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
_LAYERS = "bike-paths,crime"  # those that the page opens with
_VISITS = 5
_QUIET = 3_000  # milliseconds without a request after which a first load is over
_SHADE = 24  # of 255; a smaller difference is that of two pictures of the same
_DRAWN = 0.5  # part of what data changes on the screen that counts as drawn
type Frame = tuple[float, Image.Image]  # seconds since 1970, and the screen


@dataclass(frozen=True)
class _Visit:
    frames: list[Frame]
    start: float
    bytes: int
    requests: int


def run(context: Context) -> list[Row]:
    """The median of some visits to the page and to the plain map, in turns."""
    program = os.environ.get("GEOSERVER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        context.note("slow: Chromium is not installed")
        return []
    with (
        context.serve_samples() as server,
        _serve_plain(context.folder / "plain") as plain,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        pages = {"the page": (f"{server.url}/?layers={_LAYERS}", f"{server.url}/?layers=")}
        pages["a plain map"] = (_plain(plain, server.url, f"?layers={_LAYERS}"), _plain(plain, server.url, ""))
        empty = {name: _visit(browser, without).frames[-1][1] for name, (_, without) in pages.items()}
        seen: dict[str, list[_Visit]] = {name: [] for name in pages}
        for _ in range(_VISITS):
            for name, (address, _without) in pages.items():
                seen[name].append(_visit(browser, address))
        browser.close()
    drawn = {name: [_find_drawn(visit, empty[name]) for visit in visits] for name, visits in seen.items()}
    context.tables.append(_build_table(seen, drawn))
    ours, limit = (statistics.median(drawn[name]) for name in pages)
    most = max(visit.bytes for visit in seen["the page"]) / 1000
    what = "first visit on a slow phone"
    return [
        Row("slow", f"{what}: first data drawn", ours, "s", at_most=4),
        Row("slow", f"{what}: first data drawn", ours, "s", limit, "a plain MapLibre page"),
        Row("slow", f"{what}: bytes", most, "kB", at_most=420),
        Row("slow", f"{what}: own JavaScript, brotli", _measure_own() / 1000, "kB", at_most=45),
    ]


@contextlib.contextmanager
def _serve_plain(folder: Path) -> Iterator[str]:
    """The plain map, built into the folder, on a port of its own."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(_WEB / "node_modules" / ".bin" / "vite"), "build", str(_WEB / "plain"), "--outDir", str(folder)]
    subprocess.run([*command, "--emptyOutDir"], cwd=_WEB / "plain", env=environment, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Packed, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


class _Packed(SimpleHTTPRequestHandler):
    """Files as the build has packed them."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path.rstrip("?")))
        path = path / "index.html" if path.is_dir() else path
        packed = path.with_name(f"{path.name}.br")
        body = (packed if packed.is_file() else path).read_bytes() if path.is_file() else b""
        self.send_response(200 if path.is_file() else 404)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600")
        if packed.is_file():
            self.send_header("Content-Encoding", "br")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _plain(plain: str, server: str, query: str) -> str:
    """The address of the plain map with the style and the place that the page opens with."""
    with urllib.request.urlopen(f"{server}/api/layers") as answer:
        parts = [layer["bounds"] for layer in json.load(answer)["layers"] if layer["basemap"] and layer["bounds"]]
    bounds = [pick(part[at] for part in parts) for at, pick in enumerate((min, min, max, max))]
    return f"{plain}/?style={quote(f'{server}/styles/light.json{query}')}&bounds={quote(json.dumps(bounds))}"


def _visit(browser: Browser, address: str) -> _Visit:
    """Open the address with an empty cache on the slow line, and look at the screen until nothing more comes."""
    page = browser.new_context(**PHONE, locale="en-GB", color_scheme="light").new_page()
    frames: list[Frame] = []
    done: list[Request] = []

    def note(request: Request) -> None:
        done.append(request)

    page.on("requestfinished", note)
    session = page.context.new_cdp_session(page)

    def keep(event: Any) -> None:
        picture = Image.open(io.BytesIO(base64.b64decode(event["data"]))).convert("RGB")
        frames.append((event["metadata"]["timestamp"], picture))
        session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    session.on("Page.screencastFrame", keep)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", LINE)
    session.send("Page.startScreencast", {"format": "jpeg", "quality": 80})
    page.goto(address, wait_until="commit")
    _wait(page, done)
    start = page.evaluate("performance.timeOrigin") / 1000
    sizes = [request.sizes() for request in done]
    body = sum(max(0, size["responseBodySize"]) for size in sizes)
    heads = sum(max(0, size["responseHeadersSize"]) for size in sizes if size["responseBodySize"] >= 0)
    page.context.close()
    return _Visit(frames, start, body + heads, len(done))


def _wait(page: Page, done: list[Request]) -> None:
    """Until no request has ended for a while."""
    before = -1
    while len(done) != before:
        before = len(done)
        page.wait_for_timeout(_QUIET)


def _find_drawn(visit: _Visit, empty: Image.Image) -> float:
    """Seconds until data is on the screen."""
    first, last = visit.frames[0][1], visit.frames[-1][1]
    # What looks as before anything came, such as the paper of a legend, tells nothing.
    data = ImageChops.darker(_differ(last, empty.resize(last.size)), _differ(last, first.resize(last.size)))
    wanted = _count(data)
    for moment, picture in visit.frames:
        same = ImageChops.invert(_differ(picture.resize(last.size), last))
        if _count(ImageChops.darker(data, same)) >= _DRAWN * wanted:
            return moment - visit.start
    return float("inf")


def _differ(one: Image.Image, other: Image.Image) -> Image.Image:
    return ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > _SHADE else 0)


def _count(mask: Image.Image) -> int:
    return mask.histogram()[255]


def _measure_own() -> int:
    """Bytes of our own scripts that a first visit fetches, as `npm run size` tells."""
    program = Path(sys.executable).parent / "node"
    done = subprocess.run(
        [str(program), str(_WEB / "scripts" / "size.mjs")], capture_output=True, text=True, check=False
    )
    return int(done.stdout.split("own JavaScript")[0].split()[-1])


def _build_table(seen: dict[str, list[_Visit]], drawn: dict[str, list[float]]) -> Table:
    lines = [
        (
            name,
            " / ".join(f"{seconds:.2f}" for seconds in drawn[name]),
            " / ".join(f"{visit.bytes / 1000:.0f}" for visit in visits),
            " / ".join(str(visit.requests) for visit in visits),
        )
        for name, visits in seen.items()
    ]
    header = ("first visits on a slow phone", "first data drawn, s", "kB", "requests")
    return Table(f"A slow line, {_VISITS} visits each", header, lines)
