"""The contact sheet of the map: what its readers see at every zoom, in both themes, filtered and not, desk and phone.

`make map-sheet` takes pictures of the running page in Chromium and puts those of one view, theme and device side by
side, to be looked at: `tests/browser/output/map-sheet/VIEW-THEME-DEVICE.png`. `--only TEXT,TEXT` takes those sheets
whose name contains one of the texts, `--zooms 12,13` those zooms, and `--url` a server that runs already.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engines import FLAGS, find_chromium
from PIL import Image, ImageDraw
from playwright.sync_api import TimeoutError, sync_playwright  # noqa: A004 - of the page, not of the system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

OUTPUT = Path(__file__).parent / "output" / "map-sheet"
PLACE = (45.2050, -28.5950)  # the middle of Antillia's city: shore, river, parks and buildings in view
ZOOMS = range(9, 19)
SPRING = "reported_at >= TIMESTAMP('2025-03-01T00:00:00Z') AND reported_at < TIMESTAMP('2025-06-01T00:00:00Z')"
ALL = "crime,bike-paths,trees,sewage-sampling,air-quality,districts"
VIEWS = {
    "unfiltered": "layers=crime,bike-paths",
    "filtered": f"layers=crime&filter.crime={quote(f"category = 'burglary' AND {SPRING}")}",
    "all": f"layers={ALL}",
    "all-filtered": f"layers={ALL}&filter.crime={quote(f"category = 'burglary' AND {SPRING}")}"
    f"&filter.trees={quote("health = 'dead'")}",
    "two": "layers=crime,trees",
    "trees": "layers=trees",
    "areas": "layers=districts",
    "sensors": "layers=air-quality,sewage-sampling",
    "ground": "layers=",  # the basemap alone: with --url and --at that of any city
}
THEMES = ("light", "dark")
DEVICES: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 720}},
    "phone": {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True},
}
COLUMNS = 5
PATIENCE = 90_000  # milliseconds


@dataclass(frozen=True)
class Sheet:
    view: str
    theme: str
    device: str

    @property
    def name(self) -> str:
        return f"{self.view}-{self.theme}-{self.device}"


def main() -> None:
    """Draw the sheets that were asked for, and say where they lie."""
    options = parse_options()
    sheets = [Sheet(view, theme, device) for device in DEVICES for view in VIEWS for theme in THEMES]
    chosen = [sheet for sheet in sheets if any(part in sheet.name for part in options.only.split(","))]
    options.output.mkdir(parents=True, exist_ok=True)
    with running_server(options.url) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for at, sheet in enumerate(chosen, 1):
            draw_sheet(browser, url, sheet, options)
            print(f"{at} of {len(chosen)}: {options.output / sheet.name}.png", flush=True)
        browser.close()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", default="", help="parts of names of sheets, with commas between")
    parser.add_argument("--zooms", default=",".join(map(str, ZOOMS)), help="zooms, with commas between")
    parser.add_argument("--at", default=",".join(map(str, PLACE)), help="latitude,longitude of the middle")
    parser.add_argument("--url", default="", help="a server that runs already, instead of a demo of this checkout")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the pictures")
    return parser.parse_args()


@contextlib.contextmanager
def running_server(url: str) -> Iterator[str]:
    """The address of the server that is named, else of a demo that ends with the sheets."""
    if url:
        yield url.rstrip("/")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo = subprocess.Popen([Path(sys.executable).parent / "geoserver", "demo", "--port", str(port)])
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", demo)
        yield f"http://127.0.0.1:{port}"
    finally:
        demo.terminate()
        demo.wait(30)


def wait_until_ready(address: str, demo: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(address):
            return
        if demo.poll() is not None:
            break
        time.sleep(0.5)
    raise SystemExit("the demo does not answer; try `make demo`")


def draw_sheet(browser: Browser, url: str, sheet: Sheet, options: argparse.Namespace) -> None:
    """One picture per zoom, and all of them on one sheet."""
    context = browser.new_context(color_scheme=sheet.theme, reduced_motion="reduce", **DEVICES[sheet.device])
    pictures = []
    for zoom in options.zooms.split(","):
        page = context.new_page()
        page.goto(f"{url}/?{VIEWS[sheet.view]}#{zoom}/{options.at.replace(',', '/')}")
        picture = take_picture(page, whole=sheet.device == "phone")
        picture.save(options.output / f"{sheet.name}-{zoom}.png")
        pictures.append((f"z{zoom}", picture))
        page.close()
    context.close()
    join_pictures(pictures).save(options.output / f"{sheet.name}.png")


def take_picture(page: Page, *, whole: bool) -> Image.Image:
    """The page, or its map alone, once nothing moves any more."""
    try:
        page.wait_for_selector("#map[data-state=idle]", timeout=PATIENCE)
        page.wait_for_timeout(700)  # what fades in has done so
        page.wait_for_selector("#map[data-state=idle]", timeout=PATIENCE)
    except TimeoutError:
        print(f"not idle after {PATIENCE // 1000} s: {page.url}", flush=True)
    clip = None if whole else page.locator("#map").bounding_box()
    return Image.open(io.BytesIO(page.screenshot(**({"clip": clip} if clip else {})))).convert("RGB")


def join_pictures(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures with their names, in rows of five."""
    width, height = pictures[0][1].size
    columns, margin = min(COLUMNS, len(pictures)), 6
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + margin) - margin, rows * (height + margin) - margin), "#ff00ff")
    for at, (name, picture) in enumerate(pictures):
        left, top = at % columns * (width + margin), at // columns * (height + margin)
        sheet.paste(picture, (left, top))
        label = ImageDraw.Draw(sheet)
        label.rectangle((left, top, left + 50, top + 26), fill="#000000")
        label.text((left + 8, top + 4), name, fill="#ffffff", font_size=18)
    return sheet


if __name__ == "__main__":
    main()
