"""Pages of others, as they are served from another origin."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["Host"]


class Host:
    """A page of others, on `localhost` while the map is on 127.0.0.1."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.body = ""
        host = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(f"<!doctype html><html lang=en><title>News</title><body>{host.body}".encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://localhost:{self.server.server_port}/"

    def open(self, body: str, **context: Any) -> Page:
        self.body = body
        page = self.browser.new_context(viewport={"width": 900, "height": 700}, locale="en-GB", **context).new_page()
        page.set_default_timeout(60_000)
        page.goto(self.url)
        return page
