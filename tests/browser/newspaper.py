"""Pages of others that have a map in them."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

BURGLARIES = "layers=crime&filter.crime=" + quote("category='burglary'")
IDLE = "#map[data-state=idle]"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
STYLE = "body {margin: 1rem auto; max-width: 45rem; font: 1rem/1.5 serif} iframe {border: 0; width: 100%}"
LISTENS = "var heard = []; addEventListener('message', event => heard.push(event.data))"
TEXT = "<p>" + "An article goes on and on. " * 60 + "</p>"


class Host:
    """A page of others, on `localhost` while the map is on 127.0.0.1: another site in every respect."""

    def __init__(self, site: str, browser: Browser) -> None:
        self.site = site
        self.pages: dict[str, tuple[str, dict[str, str]]] = {}
        self._browser = browser
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ("/static/", "favicon.ico")  # a picture may not be had
        host = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body, headers = host.pages.get(self.path, ("", {}))
                self.send_response(200 if body else 404)
                for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://localhost:{self.server.server_port}"

    def frame(self, query: str = BURGLARIES, height: int = 440, more: str = "") -> str:
        return f'<iframe src="{self.site}/embed?{query}" height="{height}" title="A map" {more}></iframe>'

    def open(
        self, body: str, headers: dict[str, str] | None = None, *, page: Page | None = None, **context: Any
    ) -> Page:
        """A page with this in it, in a fresh context unless there is one."""
        viewport = '<meta name="viewport" content="width=device-width">'
        head = f"<meta charset=utf-8>{viewport}<title>News</title><style>{STYLE}</style><script>{LISTENS}</script>"
        self.pages["/"] = (f"<!doctype html><html lang=en>{head}<main><h1>News</h1>{body}</main></html>", headers or {})
        options = {"viewport": {"width": 900, "height": 700}, "locale": "en-GB", "reduced_motion": "reduce"} | context
        if page is not None:
            page.goto(f"{self.origin}/")
            return page
        page = self._browser.new_context(**options).new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.faults.append(f"{message.text} {message.location['url']}") if message.type == "error" else None
            ),
        )
        page.goto(f"{self.origin}/")
        return page

    def close(self) -> None:
        for context in self._browser.contexts:
            context.close()
        self.server.shutdown()
        self.server.server_close()
        self.check()

    def check(self) -> None:
        """No script failed, and nobody but the two servers was asked."""
        faults = [fault for fault in self.faults if not any(part in fault for part in self.expected)]
        assert not faults, faults
        known = {urlsplit(self.site).netloc, urlsplit(self.origin).netloc, ""}
        assert {urlsplit(url).netloc for url in self.requests} <= known

    def of(self, part: str) -> list[str]:
        """What was asked of the map's server."""
        return [url for url in self.requests if url.startswith(f"{self.site}/{part}")]


def inside(page: Page, at: int = 0) -> Frame:
    return page.frames[1 + at]


def drawn(page: Page, at: int = 0) -> Frame:
    frame = inside(page, at)
    frame.wait_for_selector(IDLE)
    return frame


def heard(page: Page, event: str) -> list[Any]:
    return page.evaluate("name => heard.filter(each => each.event === name).map(each => each.detail)", event)
