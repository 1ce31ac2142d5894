"""Widgets in articles of others: fingers that scroll on, ten on a page, and hosts that mean no good."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from newspaper import BURGLARIES, IDLE, PHONE, TEXT, Host, drawn, heard
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, CDPSession, Page

SEVERAL = 10


def test_the_page_scrolls_on_over_the_map(host: Host) -> None:
    page = host.open(TEXT[:300] + host.frame() + TEXT * 6)
    frame = drawn(page)
    link = frame.get_by_role("link", name="Open the full map").get_attribute("href")
    page.mouse.move(450, 350)
    page.mouse.wheel(0, 300)
    page.wait_for_function("scrollY >= 250")
    expect(frame.get_by_text("Hold Ctrl and scroll to zoom the map")).to_have_count(1)
    assert frame.get_by_role("link", name="Open the full map").get_attribute("href") == link


def drag(session: CDPSession, fingers: list[tuple[int, int]], to: tuple[int, int], steps: int = 12) -> None:
    """Put fingers down, move all of them by so much, and lift them: real touch, as the browser gets it of a screen."""
    for at in range(steps + 1):
        part = at / steps
        points = [{"x": x + to[0] * part, "y": y + to[1] * part, "id": n} for n, (x, y) in enumerate(fingers)]
        kind = "touchMove" if at else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def await_rest(page: Page) -> float:
    """Where the page is once nothing glides any more, which a touch leaves gliding."""
    seen: list[float] = []
    while len(seen) < 4 or len(set(seen[-4:])) > 1:
        assert len(seen) < 200, "it glides for ever"
        seen.append(page.evaluate("scrollY"))
        page.wait_for_timeout(150)
    return seen[-1]


def told_place(page: Page) -> str:
    """Where the map is, as the widget has told the page around at last."""
    page.wait_for_function("heard.some(each => each.event === 'change')")
    query = heard(page, "change")[-1]["query"]
    return str(query).partition("#")[2]


@pytest.mark.parametrize("more", ["", 'sandbox="allow-scripts"'], ids=["framed", "sandboxed"])
def test_one_finger_scrolls_the_article_and_two_move_the_map(host: Host, more: str) -> None:
    page = host.open(TEXT[:200] + host.frame(f"{BURGLARIES}&lang=de&map=12/45.15/-28.6", 440, more) + TEXT * 6, **PHONE)
    frame = drawn(page)
    page.wait_for_timeout(500)
    session = page.context.new_cdp_session(page)
    box = page.locator("iframe").bounding_box()
    assert box
    x, y = int(box["x"] + box["width"] / 2), int(box["y"] + 260)
    before = told_place(page)
    drag(session, [(x, y)], (0, -150))
    page.wait_for_function("scrollY > 80")
    expect(frame.get_by_text("Die Karte mit zwei Fingern bewegen")).to_be_attached()
    assert told_place(page) == before
    await_rest(page)
    page.evaluate("scrollTo(0, 0)")
    assert await_rest(page) == 0
    drag(session, [(x - 40, y), (x + 40, y)], (60, -60))
    page.wait_for_function(
        "before => heard.at(-1) && heard.filter(each => each.event === 'change').at(-1)"
        ".detail.query.split('#')[1] !== before",
        arg=before,
    )
    assert await_rest(page) < 40


@contextlib.contextmanager
def count_requests(site: str) -> Iterator[tuple[str, Counter[str]]]:
    """Another address of the server, and how often each path was asked for there."""
    asked: Counter[str] = Counter()
    goal = (str(urlsplit(site).hostname), urlsplit(site).port or 80)

    def hand_on(source: socket.socket, sink: socket.socket, note: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if note:
                    asked.update(path.decode() for path in re.findall(rb"(?m)^GET (\S+) HTTP/1.1\r$", data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection(goal) as server:
            back = threading.Thread(target=hand_on, args=(server, client, False))
            back.start()
            hand_on(client, server, True)
            back.join()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = door.accept()
                relays.append(threading.Thread(target=relay, args=(client,)))
                relays[-1].start()

    relays: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        serving = threading.Thread(target=serve)
        serving.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}", asked
        door.shutdown(socket.SHUT_RDWR)
        for thread in (serving, *relays):
            thread.join()


@pytest.mark.parametrize("more", ["", 'sandbox="allow-scripts"'], ids=["framed", "sandboxed"])
def test_ten_widgets_fetch_each_script_once_and_draw_what_is_seen(browser: Browser, server: Any, more: str) -> None:
    with count_requests(server.url) as (site, asked), contextlib.closing(Host(site, browser)) as host:
        page = host.open((host.frame(more=more) + TEXT) * SEVERAL)
        drawn(page)
        assert [frame.locator("#map").count() for frame in page.frames[1:]].count(1) < SEVERAL
        for frame in page.frames[1:]:
            frame.frame_element().scroll_into_view_if_needed()
            frame.wait_for_selector(IDLE)
    assert sum(times for path, times in asked.items() if path.startswith("/embed?")) == SEVERAL
    scripts = {path: times for path, times in asked.items() if path.startswith("/assets/")}
    assert any("/embed-" in path for path in scripts)
    # A frame without an origin shares nothing with others: each fetches for itself what it takes, its worker once more.
    assert max(scripts.values()) <= (2 * SEVERAL if more else 1)
    assert not [path for path in asked if re.search("trees|bike-paths|sampling|quality", path)]


def test_a_page_around_that_means_no_good_changes_nothing_but_what_is_shown(host: Host) -> None:
    page = host.open(host.frame(f"{BURGLARIES}&show=map,table&id=story"))
    frame = drawn(page)
    asked = len(host.of(""))
    for hostile in (
        "{target: 'city-map', query: {toString: null}}",
        "{target: 'city-map', query: ['?layers=trees']}",
        "{target: 'city-map', query: 7}",
        "{target: 'city-map', query: '?layers=trees&x=' + 'x'.repeat(20000)}",
        "{target: 'city-map'}",
        "{target: {}, query: '?layers=trees'}",
        "{__proto__: {target: 'city-map', query: '?layers=trees'}}",
        'JSON.parse(\'{"__proto__": {"target": "city-map", "query": "?layers=trees"}}\')',
        "'city-map'",
        "new ArrayBuffer(8)",
        "null",
    ):
        page.evaluate(f"frames[0].postMessage({hostile}, '*')")
    page.wait_for_timeout(500)
    expect(frame.get_by_role("heading", name="Reported crime")).to_be_visible()
    assert len(host.of("")) - asked < 5  # it asks for versions, and for nothing else
    names = "__proto__,constructor,toString"
    script = quote("<img src=x onerror=parent.postMessage('hacked','*')>")
    for query in (
        f"?layers={names}&filter.__proto__=a=1&filter.constructor=b&of=__proto__&chart=constructor&sort=__proto__&lang=__proto__",
        "?layers=crime&tab=constructor&select=__proto__/1&columns=toString&area=__proto__&time=constructor&base=__proto__",
        f"?layers={script}&title={script}&filter.crime={script}",
        "?" + "&".join(f"layers={'x' * 50}{number}" for number in range(250)),
        "?layers=crime&" + "%" * 5_000,
        "#" * 1_000,
    ):
        page.evaluate("query => frames[0].postMessage({target: 'city-map', query}, '*')", query)
        page.wait_for_timeout(400)
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert frame.locator("main").evaluate("element => element.clientHeight") > 100
    assert frame.evaluate("document.title")
    assert not frame.evaluate("'polluted' in {} || Object.keys(Object.prototype).length")
    assert "hacked" not in page.evaluate("heard")
    host.expected += ("status of 400",)  # a filter that is none
    before = len(host.of(""))
    page.evaluate(
        """async () => {
          for (let n = 0; n < 2000; n++) {
            frames[0].postMessage({target: 'city-map', query: `?layers=trees&filter.trees=height>${n}`}, '*');
            if (n % 10 === 0) await new Promise(done => setTimeout(done));
          }
          frames[0].postMessage({target: 'city-map', query: '?layers=trees&tab=table'}, '*');
        }"""
    )
    expect(frame.get_by_role("heading", name="Trees")).to_be_visible()
    expect(frame.get_by_role("grid")).to_be_visible()
    expect(frame.locator(".count")).not_to_contain_text(" of ")
    assert len(host.of("")) - before < 500
    assert urlsplit(frame.url).query.startswith("layers=crime")
