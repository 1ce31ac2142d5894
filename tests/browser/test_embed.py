"""The widget in pages of another origin, which nobody here controls: framed, sandboxed, under a strict policy."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from newspaper import BURGLARIES, IDLE, PHONE, TEXT, Host, drawn, heard, inside
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path


NO_WEBGL = (
    "const own = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext ="
    " function (kind, ...more) { return /webgl/.test(kind) ? null : own.call(this, kind, ...more) }"
)


STRICT = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-src {}"


@pytest.mark.parametrize(
    ("name", "more", "policy"),
    [("plain", "", ""), ("sandboxed", 'sandbox="allow-scripts"', ""), ("strict", "", STRICT)],
)
def test_a_map_is_drawn_in_a_page_of_others(host: Host, output: Path, name: str, more: str, policy: str) -> None:
    headers = {"Content-Security-Policy": policy.format(host.site)} if policy else {}
    page = host.open(TEXT[:400] + host.frame(more=more) + TEXT, headers)
    frame = drawn(page)
    expect(frame.locator(".count")).to_contain_text(" of ")
    expect(frame.get_by_label("Active filters").get_by_text("Burglary")).to_be_visible()
    expect(frame.get_by_role("link", name="Open the full map")).to_have_attribute("target", "_blank")
    licence = frame.locator("footer").get_by_role("link", name="CC BY 4.0")
    expect(frame.locator("footer")).to_contain_text("Licence: CC BY 4.0")
    expect(licence).to_have_attribute("href", "https://creativecommons.org/licenses/by/4.0/")
    assert frame.evaluate("document.cookie") == "" if name != "sandboxed" else frame.evaluate("origin") == "null"
    page.screenshot(path=output / f"embed-{name}.png")


def test_a_widget_asks_for_nothing_that_its_page_has_told(host: Host) -> None:
    drawn(host.open(host.frame()))
    asked = [url for url in host.of("api/") if "/versions?" not in url]  # which it looks at every few seconds
    assert asked == host.of("styles/") == []
    assert [url for url in host.of("tiles/") if ".json" in url] == []


def test_a_widget_without_a_map_asks_for_no_part_of_one(host: Host) -> None:
    page = host.open(host.frame(f"{BURGLARIES}&show=table"))
    expect(inside(page).get_by_role("grid")).to_be_visible()
    assert host.of("tiles/") == host.of("styles/") == []


def test_views_that_are_offered_are_opened_by_tabs(host: Host, output: Path) -> None:
    page = host.open(host.frame(f"{BURGLARIES}&show=map,chart,table", 560))
    frame = drawn(page)
    frame.get_by_role("tab", name="Chart").click()
    expect(frame.locator(".chart svg").first).to_be_visible()
    expect(frame.get_by_role("button", name="Show all")).to_have_count(0)
    frame.get_by_role("tab", name="Chart").press("ArrowRight")
    expect(frame.get_by_role("grid")).to_be_visible()
    page.screenshot(path=output / "embed-table.png")


@pytest.mark.slow
def test_what_narrows_it_can_be_changed_where_that_is_free_alone(host: Host, output: Path) -> None:
    page = host.open(host.frame() + host.frame(f"{BURGLARIES}&filters=free", 560))
    locked, free = drawn(page, 0), inside(page, 1)
    expect(locked.get_by_role("button", name="Filters")).to_have_count(0)
    expect(locked.get_by_role("button", name="Remove filter")).to_have_count(0)
    free.locator("footer").scroll_into_view_if_needed()
    free.wait_for_selector(IDLE)
    free.get_by_role("button", name="Filters").click()
    free.get_by_role("checkbox", name="Theft ").first.check()
    expect(free.get_by_label("Active filters")).to_contain_text("Theft, Burglary")
    page.screenshot(path=output / "embed-free.png")
    free.get_by_role("button", name="Close").press("Escape")
    expect(free.get_by_role("checkbox")).to_have_count(0)


def test_it_tells_the_page_around_what_is_shown_and_takes_over_what_that_wants(host: Host) -> None:
    page = host.open(host.frame(f"{BURGLARIES}&id=story&show=map,table"))
    frame = drawn(page)
    page.wait_for_function("heard.some(each => each.event === 'change' && 'crime' in each.detail.counts)")
    told = heard(page, "change")[-1]
    assert told["filters"] == {"crime": "category='burglary'"}
    assert "layers=crime" in told["query"]
    assert heard(page, "ready") == [{}]
    height = heard(page, "height")[-1]["height"]
    assert 260 < height < 900
    said = page.evaluate("heard.filter(each => !each.source)")
    assert {"datawrapper-height": {"story": height}} in said
    assert {"sentinel": "amp", "type": "embed-size", "height": height} in said
    page.evaluate("frames[0].postMessage({target: 'city-map', query: '?layers=trees&filters=free&tab=table'}, '*')")
    expect(frame.get_by_role("grid")).to_be_visible()
    expect(frame.get_by_role("heading", name="Trees")).to_be_visible()
    expect(frame.get_by_role("button", name="Filters")).to_have_count(0)  # a state is taken over, and nothing else
    frame.get_by_role("grid").get_by_role("row").nth(1).click()
    page.evaluate("frames[0].postMessage({target: 'else', query: '?layers=crime'}, '*')")
    page.evaluate("frames[0].postMessage(null, '*')")
    expect(frame.get_by_role("heading", name="Trees")).to_be_visible()


def test_without_a_script_there_is_a_picture_with_what_is_to_be_known(host: Host, output: Path) -> None:
    page = host.open(host.frame(), java_script_enabled=False)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Reported crime")).to_be_visible()
    expect(frame.locator(".count")).to_contain_text(" of ")
    expect(frame.locator("noscript p")).to_contain_text("needs JavaScript")
    expect(frame.get_by_role("link", name="Open the full map")).to_be_visible()
    expect(frame.get_by_role("link", name="CC BY 4.0")).to_have_attribute("rel", "license noopener")
    expect(frame.locator("noscript a")).to_have_attribute(
        "href", f"{host.site}/download/crime.csv?filter=category%3D%27burglary%27"
    )
    deadline = time.monotonic() + 60
    while frame.locator("main img").evaluate("image => image.decode().then(() => 0, () => 1)"):
        assert time.monotonic() < deadline, host.of("static/")
        page.reload()  # on a machine that has much to do, it is told to come back for it
    pictures = {url for url in host.of("static/light/") if "/960x480.webp?layers=crime" in url}
    assert len(pictures) == 1, host.of("static/")
    page.screenshot(path=output / "embed-no-script.png")


@pytest.mark.parametrize("place", ["&map=13/45.2/-28.6", "#13/45.2/-28.6"])
def test_a_narrow_widget_looks_at_its_place_from_one_zoom_further_away(host: Host, place: str) -> None:
    wide = drawn(host.open(host.frame(BURGLARIES + place)))
    narrow = drawn(host.open(host.frame(BURGLARIES + place), **PHONE))
    for frame, zoom, size in ((wide, 13, "960x480"), (narrow, 12, "430x460")):
        expect(frame.get_by_role("link", name="Open the full map")).to_have_attribute(
            "href", re.compile(rf"map={zoom}/45\.2")
        )
        if "map" in place:  # servers do not see what stands behind #
            assert any(f"/-28.6,45.2,{zoom}/{size}" in unquote(url) for url in host.of("static/light/"))


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_a_page_of_others_prints_picture_legend_source_and_licence(
    host: Host, output: Path, options: dict[str, Any]
) -> None:
    page = host.open(f"<p>Text.</p>{host.frame()}", **options)
    frame = drawn(page)
    legend = frame.get_by_role("region", name="Legend")
    expect(legend).to_be_visible()
    picture = frame.locator("picture img")
    page.emulate_media(media="print")
    expect(frame.locator("#map")).to_have_css("visibility", "hidden")
    expect(picture).to_have_css("object-fit", "contain")  # with what is written at its edge
    expect(legend.get_by_text("Burglary")).to_be_visible()
    expect(frame.locator("footer")).to_contain_text("Licence: CC BY 4.0")
    room = page.locator("iframe").bounding_box()
    foot = frame.locator("footer").bounding_box()
    for part in (picture, legend):
        box = part.bounding_box()
        assert box
        assert room
        assert foot
        assert room["x"] <= box["x"]
        assert box["x"] + box["width"] <= room["x"] + room["width"]
        assert room["y"] <= box["y"]
        assert box["y"] + box["height"] <= foot["y"] + 1
    pdf = page.pdf(print_background=True)
    (output / f"embed-print-{'phone' if options else 'desk'}.pdf").write_bytes(pdf)
    assert b"/Subtype /Image" in pdf


def test_without_webgl_there_is_the_table(host: Host, output: Path) -> None:
    page = host.open("<p>Text.</p>")
    page.add_init_script(NO_WEBGL)
    host.open(host.frame(height=520), page=page)
    frame = inside(page)
    expect(frame.get_by_text("This browser cannot draw the map")).to_be_visible()
    expect(frame.get_by_role("grid")).to_be_visible()
    page.screenshot(path=output / "embed-no-webgl.png")


def test_what_is_not_public_is_named_in_plain_words(host: Host) -> None:
    page = host.open(host.frame("layers=secret"))
    expect(inside(page).get_by_text("Not public, or not available now: secret")).to_be_visible()


def test_a_widget_is_reached_and_left_by_keys(host: Host) -> None:
    page = host.open(host.frame() + '<a href="#x" id="after">After</a>')
    frame = drawn(page)
    page.locator("h1").click()
    page.keyboard.press("Tab")
    skip = frame.get_by_role("link", name="Skip this map")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(frame.locator("#foot")).to_be_focused()
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "after":
            return
    pytest.fail("the keyboard is kept in the widget")


def test_it_is_as_dark_as_the_page_around(host: Host, output: Path) -> None:
    dark = "<style>:root {color-scheme: dark}</style>"
    page = host.open(dark + host.frame(), color_scheme="null")
    frame = drawn(page)
    assert frame.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert host.of("static/dark/") or not host.of("static/light/")
    page.screenshot(path=output / "embed-dark-host.png")


@pytest.mark.parametrize(
    ("name", "query", "more"),
    [
        ("dark", BURGLARIES + "&base=dark", {}),
        ("rtl", BURGLARIES + "&dir=rtl&show=map,table", {}),
        ("small", "layers=crime,bike-paths", {"size": 'style="width: 300px; height: 200px"'}),
        ("phone", BURGLARIES + "&lang=de&show=map,chart", PHONE),
    ],
)
def test_it_looks_right_and_every_reader_can_use_it(
    host: Host, output: Path, name: str, query: str, more: dict[str, Any]
) -> None:
    page = host.open(host.frame(query, more=more.pop("size", "")), **more)
    frame = drawn(page)
    frame.wait_for_selector("footer .of")
    assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=output / f"embed-{name}.png")
    results = Axe().run(page, options={"iframes": True})
    assert results.violations_count == 0, results.generate_report()
