"""Fixtures of the browser tests: real Chromium, and the viewer's page as its readers use it.

`GEOSERVER_CHROMIUM` names a browser when it is not on the PATH as `chromium`. Every page that is opened here fails its
test when a request leaves the origin or a script fails.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
from engines import FLAGS, find_chromium
from foreign import Host
from PIL import Image, ImageChops
from playwright.sync_api import TimeoutError as Timeout
from playwright.sync_api import expect, sync_playwright

from geoserver import assets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route

PATIENCE = 60_000  # milliseconds; two busy cores draw slowly
OUTPUT = Path(__file__).parent / "output"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium as the system has it; no browser is downloaded.

    It ends with its module: while Playwright runs, no other test could have an event loop of its own.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def built_viewer() -> Path:
    """The folder with the built viewer."""
    folder = assets.root("web")
    assert (folder / "index.html").is_file(), "the viewer is not built: `npm ci && npm run build` in web/"
    return folder


class Viewer:
    """The viewer's page: what a reader does with it and sees on it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.expected_faults: tuple[str, ...] = ()
        page.set_default_timeout(PATIENCE)
        page.on("request", self._note_request)
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.faults.append(f"{error} {(error.stack or '')[:700]} {page.url}"))

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.faults.append(f"{message.text} {message.location['url']}")

    def check(self) -> None:
        """No request left the origin, and no script failed in a way that the test did not bring about."""
        foreign = [
            url for url in self.requests if urlsplit(url).scheme not in ("data", "blob") and not self.is_own(url)
        ]
        assert foreign == []
        assert [fault for fault in self.faults if not any(part in fault for part in self.expected_faults)] == []

    def is_own(self, url: str) -> bool:
        return url.startswith((f"{self.origin}/", f"blob:{self.origin}/"))

    def open(self, path: str = "/") -> Viewer:
        self.page.goto(f"{self.origin}{path}")
        return self.settle()

    def tell_nothing(self) -> None:
        """From now on the page comes without the answers that the server tells within it, and asks for all."""

        def strip(route: Route) -> None:
            answer = route.fetch()
            body = re.sub(r'<script type="application/json".*?</script>', "", answer.text(), flags=re.DOTALL)
            route.fulfill(response=answer, body=body)

        self.page.route(re.compile(rf"{re.escape(self.origin)}/(?:\?.*)?$"), strip)

    def settle(self) -> Viewer:
        """Wait until the map is drawn and every count is there."""
        try:
            self.page.wait_for_selector("#map[data-state=idle]", timeout=PATIENCE)
            self.page.wait_for_function("() => !document.querySelector('.count[data-busy=true]')", timeout=PATIENCE)
            self.page.wait_for_selector("#map[data-state=idle]", timeout=PATIENCE)
        except Timeout as error:
            state = self.page.locator("#map").get_attribute("data-state")
            said = self.page.get_by_role("main").inner_text()
            last = "\n".join([*self.faults, *self.requests[-12:]])
            raise AssertionError(f"The map is {state}, and says {said!r}; faults and last requests:\n{last}") from error
        return self

    def switch(self, title: str) -> Locator:
        return self.page.get_by_role("switch", name=title, exact=True)

    def card(self, layer: str) -> Locator:
        return self.page.locator("article").filter(has=self.page.locator(f"#about-{layer}"))

    def open_filters(self, layer: str) -> Locator:
        card = self.card(layer)
        details = card.locator("details").first
        if details.get_attribute("open") is None:
            details.locator("summary").click()
        details.locator(".filters > *").first.wait_for()  # they are fetched when they are first opened
        self.settle()
        return details

    def count_text(self, layer: str) -> str:
        return self.page.locator(f".count[data-layer={layer}]").inner_text()

    def count(self, layer: str) -> int:
        """Matching rows as the page tells them: the first number of "1,234 of 60,000 rows"."""
        return int(re.sub(r"\D", "", self.count_text(layer).split(" of ")[0]))

    def picture(self) -> Image.Image:
        """The map as it is drawn, without what the page tells on it and the buttons."""
        self.settle()
        box = self.page.locator("#map").bounding_box()
        assert box
        shot = self.page.screenshot(clip=box, animations="disabled", style=".over, .legend {visibility: hidden}")
        image = Image.open(io.BytesIO(shot)).convert("RGB")
        return image.crop((0, 0, image.width - 80, image.height - 60))

    def in_view(self) -> Locator:
        """The buttons of the list of features in view."""
        tab = self.page.get_by_role("tab", name="In view")
        if tab.get_attribute("aria-selected") != "true":
            tab.click()
        self.page.locator("#panel-body .say").first.wait_for()  # the list is fetched when it is first opened
        return self.page.locator("#panel-body ul button")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, target: Locator, most: int = 150, key: str = "Tab") -> None:
        """Press Tab until the target has the focus, as somebody without a mouse does."""
        for _ in range(most):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.press(key)
        raise AssertionError(f"{target} is not reached by {most} times {key}")

    def address(self) -> str:
        return self.page.url.removeprefix(self.origin)


@pytest.fixture
def open_viewer(browser: Browser, built_viewer: Path, server: Any) -> Iterator[Callable[..., Viewer]]:
    """`open_viewer(path, origin=..., **context)` gives a Viewer on a fresh browser context, English unless told."""
    opened: list[Viewer] = []

    def open_viewer(path: str | None = "/", origin: str = server.url, **context: Any) -> Viewer:
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", "reduced_motion": "reduce"} | context
        viewer = Viewer(browser.new_context(**options).new_page(), origin)
        opened.append(viewer)
        return viewer if path is None else viewer.open(path)

    yield open_viewer
    for viewer in opened:
        viewer.page.context.close()
    for viewer in opened:
        viewer.check()


@pytest.fixture
def host(browser: Browser, built_viewer: Any) -> Iterator[Host]:
    assert built_viewer
    host = Host(browser)
    before = list(browser.contexts)
    yield host
    for context in browser.contexts:
        if context not in before:
            context.close()
    host.server.shutdown()
    host.server.server_close()


@pytest.fixture
def sql(server: Any) -> Callable[[str], Any]:
    """The first value that a query gives on the database under the server."""

    def ask(query: str) -> Any:
        with psycopg.connect(server.database_url) as connection:
            row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        assert row
        return row[0]

    return ask


def differing_pixels(one: Image.Image, other: Image.Image) -> int:
    """How many pixels differ by more than a shade."""
    difference = ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > 24 else 0)
    return difference.histogram()[255]


@pytest.fixture(scope="session")
def differ() -> Callable[[Image.Image, Image.Image], int]:
    return differing_pixels


@pytest.fixture(scope="session", autouse=True)
def _patience() -> None:
    expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def output() -> Path:
    OUTPUT.mkdir(exist_ok=True)
    return OUTPUT


@pytest.fixture(scope="session")
def drive() -> Callable[..., Viewer]:
    """A page of a context of the test's own, and where its server is."""
    return Viewer
