"""Three browsers behind one small interface: Chromium by Playwright, Firefox by Marionette, WebKit by WebDriver.

Each is the system's own, with WebGL in software; Firefox and WebKit on a screen in memory. Firefox and WebKit speak
the same commands (W3C WebDriver): the one as lines on a socket, the other as HTTP.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTH, HEIGHT = 1280, 800
START = 60  # seconds in which a browser must be there
SOFTWARE = {"LIBGL_ALWAYS_SOFTWARE": "1"}
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " ", "ArrowRight": "\ue014",
        "Shift": "\ue008"}  # fmt: skip
PREFERENCES = {
    "webgl.force-enabled": True,
    "marionette.port": 0,  # any; it is written to a file of the profile
    "intl.accept_languages": "en-GB",
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.disabledForTesting": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "ui.prefersReducedMotion": 1,
    "browser.aboutwelcome.enabled": False,
}


class Engine(Protocol):
    """A window with one page; `run` takes the body of a function and gives what that returns."""

    def open(self, url: str) -> None: ...
    def run(self, script: str, *arguments: Any) -> Any: ...
    def click(self, x: float, y: float) -> None: ...
    def press(self, *keys: str) -> None: ...
    def picture(self) -> bytes: ...


class PlaywrightEngine:
    def __init__(self, page: Any) -> None:
        self._page = page

    def open(self, url: str) -> None:
        self._page.goto(url)

    def run(self, script: str, *arguments: Any) -> Any:
        return self._page.evaluate(f"given => (function () {{ {script} }}).apply(null, given)", list(arguments))

    def click(self, x: float, y: float) -> None:
        self._page.mouse.click(x, y)

    def press(self, *keys: str) -> None:
        self._page.keyboard.press("+".join(keys))

    def picture(self) -> bytes:
        picture: bytes = self._page.screenshot()
        return picture


class WebDriverEngine:
    """`send(command, values)` gives the command's answer; commands are named as Marionette names them."""

    def __init__(self, send: Callable[[str, dict[str, Any]], Any]) -> None:
        self._send = send

    def open(self, url: str) -> None:
        self._send("Navigate", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return _value(self._send("ExecuteScript", {"script": script, "args": list(arguments)}))

    def click(self, x: float, y: float) -> None:
        place = {"type": "pointerMove", "duration": 0, "origin": "viewport", "x": round(x), "y": round(y)}
        steps = [place, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}
        self._send("PerformActions", {"actions": [pointer]})

    def press(self, *keys: str) -> None:
        signs = [KEYS.get(key, key) for key in keys]
        steps = [{"type": "keyDown", "value": sign} for sign in signs]
        steps += [{"type": "keyUp", "value": sign} for sign in reversed(signs)]
        self._send("PerformActions", {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})

    def picture(self) -> bytes:
        return base64.b64decode(_value(self._send("TakeScreenshot", {"full": False})))


def _value(answer: Any) -> Any:
    return answer["value"] if isinstance(answer, dict) and set(answer) == {"value"} else answer


class Marionette:
    """Firefox's own protocol: `LENGTH:[0, id, command, values]` there, `LENGTH:[1, id, error, answer]` back."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._got = b""
        self._numbers = itertools.count(1)
        self._receive()  # its greeting

    def send(self, command: str, values: dict[str, Any]) -> Any:
        name = command if ":" in command else f"WebDriver:{command}"
        text = json.dumps([0, next(self._numbers), name, values]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, answer = self._receive()
        assert error is None, error
        return answer

    def _receive(self) -> Any:
        while b":" not in self._got:
            self._read()
        length, _, self._got = self._got.partition(b":")
        while len(self._got) < int(length):
            self._read()
        text, self._got = self._got[: int(length)], self._got[int(length) :]
        return json.loads(text)

    def _read(self) -> None:
        data = self._socket.recv(65_536)
        assert data, "Firefox has closed the connection"
        self._got += data

    def close(self) -> None:
        self._socket.close()


PATHS = {"Navigate": ("POST", "/url"), "ExecuteScript": ("POST", "/execute/sync"),
         "PerformActions": ("POST", "/actions"), "TakeScreenshot": ("GET", "/screenshot"),
         "SetWindowRect": ("POST", "/window/rect"), "DeleteSession": ("DELETE", "")}  # fmt: skip


class WebDriver:
    """The same commands over HTTP."""

    def __init__(self, port: int, capabilities: dict[str, Any]) -> None:
        self._session = f"http://127.0.0.1:{port}/session"
        started = self._ask("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self._session += f"/{started['sessionId']}"

    def send(self, command: str, values: dict[str, Any]) -> Any:
        method, path = PATHS[command]
        return self._ask(method, path, values if method == "POST" else None)

    def _ask(self, method: str, path: str, values: dict[str, Any] | None) -> Any:
        body = None if values is None else json.dumps(values).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._session + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error


@contextlib.contextmanager
def run_firefox() -> Iterator[Engine]:
    """Debian's Firefox, as it is: Playwright drives one of its own making only."""
    folder = Path(tempfile.mkdtemp(prefix="geoserver-firefox-"))
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [find("firefox-esr", "firefox"), "--marionette", "--no-remote", "--profile", str(folder)]
    with _screen() as display, _run(command, SOFTWARE | {"DISPLAY": display, "HOME": str(folder)}, folder):
        port = _await(lambda: (folder / "MarionetteActivePort").read_text(encoding="utf-8"))
        marionette = Marionette(int(port))
        try:
            marionette.send("NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": False}}})
            engine = WebDriverEngine(marionette.send)
            _fit(engine, marionette.send)
            yield engine
            marionette.send("Marionette:Quit", {"flags": ["eForceQuit"]})
        finally:
            marionette.close()


@contextlib.contextmanager
def run_webkit() -> Iterator[Engine]:
    """WebKitGTK's small browser."""
    folder = Path(tempfile.mkdtemp(prefix="geoserver-webkit-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    command = [find("WebKitWebDriver"), f"--port={port}"]
    with _screen() as display, _run(command, SOFTWARE | own | {"DISPLAY": display}, folder):
        _await(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() or "yes")
        driver = WebDriver(port, {})
        engine = WebDriverEngine(driver.send)
        _fit(engine, driver.send)
        yield engine
        driver.send("DeleteSession", {})


@contextlib.contextmanager
def run_chromium(flags: list[str]) -> Iterator[Engine]:
    with sync_playwright() as playwright:
        path = os.environ.get("GEOSERVER_CHROMIUM") or find("chromium", "chromium-browser", "google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB")
        yield PlaywrightEngine(context.new_page())
        browser.close()


def find(*names: str) -> str:
    return next(filter(None, map(shutil.which, names)), "")


@contextlib.contextmanager
def _screen() -> Iterator[str]:
    """A screen in memory: without one, Firefox has no WebGL and WebKit no window."""
    read, write = os.pipe()
    command = [find("Xvfb"), "-displayfd", str(write), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    with _run(command, {}, None, pass_fds=(write,)):
        os.close(write)
        with os.fdopen(read, encoding="ascii") as told:
            display = told.readline().strip()
        yield f":{display}"


def _fit(engine: Engine, send: Callable[[str, dict[str, Any]], Any]) -> None:
    """Make the window so large that the page in it has the wanted size."""
    engine.open("about:blank")
    send("SetWindowRect", {"width": WIDTH, "height": HEIGHT})
    inner = engine.run("return [innerWidth, innerHeight]")
    send("SetWindowRect", {"width": 2 * WIDTH - inner[0], "height": 2 * HEIGHT - inner[1]})


@contextlib.contextmanager
def _run(command: list[str], variables: dict[str, str], folder: Path | None, **options: Any) -> Iterator[None]:
    """A process of ours, and its folder, until the end."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=os.environ | variables, **quiet, **options)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _await(look: Callable[[], str]) -> str:
    deadline = time.monotonic() + START
    while True:
        try:
            if found := look():
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.1)
