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
    from playwright.sync_api import Browser, Frame

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
