"""A widget moves with its data, and outlives its server, in pages of others: framed, and sandboxed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from mortal import INSERT
from newspaper import BURGLARIES, Host, drawn, inside
from PIL import Image
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mortal import Mortal
    from playwright.sync_api import Browser, Frame, Route

pytestmark = pytest.mark.browser

SANDBOX = 'sandbox="allow-scripts"'
HERE = f"{BURGLARIES}&map=16/45.2/-28.6"
LOST = ("Failed to load resource", "net::ERR")


@pytest.fixture
def host(browser: Browser, built_viewer: Path, living: tuple[Mortal, Any]) -> Iterator[Host]:
    assert built_viewer
    host = Host(living[0].url, browser)
    host.expected += LOST
    yield host
    host.close()


def picture(frame: Frame) -> Image.Image:
    frame.wait_for_selector("#map[data-state=idle]")
    return Image.open(io.BytesIO(frame.locator("#map").screenshot())).convert("RGB")


@pytest.mark.parametrize("more", ["", SANDBOX], ids=["framed", "sandboxed"])
def test_a_row_that_is_written_is_in_every_view_of_an_open_widget(
    host: Host, living: tuple[Mortal, Callable[[str, int], None]], differ: Callable[..., int], more: str
) -> None:
    _, write = living
    widgets = (f"{HERE}&show=map", f"{BURGLARIES}&show=chart&chart=category", f"{BURGLARIES}&show=table")
    page = host.open(
        "".join(host.frame(query, 340, more) for query in widgets), viewport={"width": 900, "height": 1200}
    )
    whole, chart, table = drawn(page, 0), inside(page, 1), inside(page, 2)
    assert (whole.evaluate("origin") == "null") == bool(more)
    expect(chart.locator(".chart svg").first).to_be_visible()
    expect(table.get_by_role("grid")).to_be_visible()
    before, told = picture(whole), whole.locator(".count").inner_text()
    count = int(told.split(" of ")[0].replace(",", ""))
    marks = chart.locator(".chart svg").first.inner_html()
    assert [
        url for url in host.of("api/layers?") if "title" in url
    ] == []  # the catalogue is asked for when there is a change
    write(INSERT, 40)
    for frame in (whole, chart, table):
        expect(frame.locator(".count")).to_contain_text(f"{count + 40:,} of")
    assert differ(before, picture(whole)) > 100
    chart.wait_for_function("before => document.querySelector('.chart svg').innerHTML !== before", arg=marks)
    expect(table.get_by_role("grid")).to_have_attribute("aria-rowcount", str(count + 41))
    assert host.of("api/changes") == []  # streams would take the connections of the page around


@pytest.mark.parametrize("more", ["", SANDBOX], ids=["framed", "sandboxed"])
@pytest.mark.slow
def test_when_the_server_goes_what_is_shown_stays_and_goes_on_when_it_is_back(
    host: Host,
    living: tuple[Mortal, Callable[[str, int], None]],
    differ: Callable[..., int],
    output: Path,
    more: str,
) -> None:
    server, write = living
    page = host.open(host.frame(HERE, 340, more) + host.frame(f"{BURGLARIES}&show=table", 340, more))
    whole, table = drawn(page, 0), inside(page, 1)
    expect(table.get_by_role("gridcell").first).to_be_visible()
    before, cell = picture(whole), table.get_by_role("gridcell").first.inner_text()
    count = int(whole.locator(".count").inner_text().split(" of ")[0].replace(",", ""))
    server.close()
    for frame in (whole, table):
        expect(frame.get_by_role("status").filter(has_text="The server does not answer")).to_be_visible()
        expect(frame.locator(".count")).to_contain_text(f"{count:,} of")
    page.screenshot(path=output / f"embed-gone-{'sandboxed' if more else 'framed'}.png")
    whole.add_style_tag(content=".gone {visibility: hidden}")
    assert differ(before, picture(whole)) < 50
    expect(table.get_by_role("gridcell").first).to_have_text(cell)
    write(INSERT, 40)
    server.start()
    for frame in (whole, table):
        expect(frame.locator(".count")).to_contain_text(f"{count + 40:,} of")
        expect(frame.get_by_text("The server does not answer")).to_have_count(0)
    assert differ(before, picture(whole)) > 100


@pytest.mark.slow
def test_where_no_map_came_before_the_server_went_there_is_its_picture_until_one_comes(
    host: Host, living: tuple[Mortal, Callable[[str, int], None]], output: Path
) -> None:
    server, _ = living
    page = host.open("<p>Text.</p>")
    held: list[Route] = []
    holding = [True]
    page.route("**/tiles/**", lambda route: held.append(route) if holding else route.continue_())
    host.open(host.frame(HERE, 340), page=page)
    frame = inside(page)
    frame.wait_for_function("document.querySelector('#map') && document.querySelector('picture img')?.complete")
    while not held:
        page.wait_for_timeout(100)
    server.close()
    holding.clear()
    for route in held:
        route.continue_()
    expect(frame.get_by_role("status").filter(has_text="The server does not answer")).to_be_visible()
    page.wait_for_timeout(2_000)  # it has drawn what it could
    expect(frame.locator("picture img")).to_be_visible()
    expect(frame.locator("#map")).to_have_css("opacity", "0")
    page.screenshot(path=output / "embed-gone-picture.png")
    server.start()
    expect(frame.locator("#map")).not_to_have_css("opacity", "0")
    frame.wait_for_selector("#map[data-state=idle]")
    expect(frame.get_by_text("The server does not answer")).to_have_count(0)
