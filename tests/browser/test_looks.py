"""How the viewer looks, on a desk and on a phone, light and dark: to axe, to a finger, and as pictures."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

DESK = {"viewport": {"width": 1280, "height": 800}}
SIX = "crime,bike-paths,trees,sewage-sampling,air-quality,districts"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LOOKS = {
    "light": DESK | {"color_scheme": "light"},
    "dark": DESK | {"color_scheme": "dark"},
    "phone": PHONE | {"color_scheme": "light"},
    "dark phone": PHONE | {"color_scheme": "dark"},
}
FILTERED = f"/?layers=crime,trees&filter.crime={quote("category IN ('burglary','theft')")}"
LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PICTURE = Path(__file__).parents[2] / "docs" / "map.png"


def find_violations(viewer: Any) -> list[str]:
    found = Axe().run(viewer.page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_no_violation_of_level_a_or_aa(open_viewer: Callable[..., Any], look: str) -> None:
    viewer = open_viewer(FILTERED, **LOOKS[look])
    page = viewer.page
    if "phone" in look:
        assert find_violations(viewer) == []
        page.get_by_role("button", name="Show the list").click()
    viewer.open_filters("trees")
    viewer.card("crime").get_by_text("About this data").click()
    assert find_violations(viewer) == []
    viewer.in_view().first.click()
    expect(page.get_by_role("dialog").locator("dd").first).to_be_visible()
    viewer.settle()
    assert find_violations(viewer) == []


@pytest.mark.slow
def test_axe_finds_no_violation_where_nothing_matches_where_a_filter_is_refused_or_the_page_is_magnified(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(
        f"/?layers=trees,crime&filter.trees={quote('height>900')}&time=1800-01-01/..", **LOOKS["light"]
    )
    viewer.expected_faults = ("400",)
    page = viewer.page
    expect(page.get_by_text("Trees: nothing matches")).to_be_visible()
    assert find_violations(viewer) == []
    page.emulate_media(color_scheme="dark")
    page.evaluate("location.search = '?layers=trees&filter.trees=no_such_field=1'")
    expect(page.locator(".over").get_by_text("This filter could not be used.")).to_be_visible()
    assert find_violations(viewer.settle()) == []
    for width, height in ((640, 400), (320, 200)):  # the desk at 200 % and 400 %
        page.set_viewport_size({"width": width, "height": height})
        page.get_by_role("button", name="Show the list").click()
        expect(viewer.card("trees").get_by_role("alert")).to_be_visible()
        assert find_violations(viewer) == []
        assert page.locator("html").evaluate("element => element.scrollWidth") == width
        page.get_by_role("button", name="Show more map").click()
        assert find_violations(viewer) == []


@pytest.mark.parametrize(("look", "least"), [("light", 24), ("phone", 44)])
@pytest.mark.slow
def test_everything_to_press_is_wide_and_high_enough(open_viewer: Callable[..., Any], look: str, least: int) -> None:
    viewer = open_viewer(FILTERED, **LOOKS[look])
    if "phone" in look:
        viewer.page.get_by_role("button", name="Show the list").click()
    viewer.open_filters("trees")
    small = viewer.page.evaluate(
        """(least) => [...document.querySelectorAll('button, summary, select, input, a')]
            .map((element) => element.closest('label') ?? element)
            .filter((element) => !element.matches('.skip, .maplibregl-ctrl a, label:has(input[type=range])'))
            .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.width < least || box.height < least))
            .map(([html]) => html)""",
        least,
    )
    assert small == []


def test_the_page_does_not_scroll_sideways_on_a_narrow_phone(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(FILTERED, **(PHONE | {"viewport": {"width": 320, "height": 640}}))
    viewer.page.get_by_role("button", name="Show the list").click()
    viewer.open_filters("trees")
    wide = "element => element.scrollWidth - element.clientWidth"
    assert viewer.page.locator("html").evaluate(wide) <= 0
    assert viewer.page.locator("#panel-body").evaluate(wide) <= 0


def test_the_map_follows_the_reader_s_system_and_the_button_overrides_it(
    open_viewer: Callable[..., Any], differ: Callable[..., int]
) -> None:
    viewer = open_viewer("/?layers=", color_scheme="dark")
    dark = viewer.picture()
    viewer.page.get_by_role("button", name="Switch to the light map").click()
    light = viewer.settle().picture()
    assert differ(dark, light) > 0.5 * dark.width * dark.height
    assert "base=light" in viewer.address()
    assert sum(light.resize((1, 1)).getpixel((0, 0))) > sum(dark.resize((1, 1)).getpixel((0, 0))) + 150


@pytest.mark.slow
def test_on_a_phone_the_sheet_opens_and_a_feature_s_card_takes_its_place(
    open_viewer: Callable[..., Any], output: Path
) -> None:
    viewer = open_viewer("/", **LOOKS["phone"] | {"device_scale_factor": 2})
    page = viewer.page
    page.screenshot(path=output / "phone.png")
    body = page.locator("#panel-body")
    expect(body).to_be_hidden()
    page.get_by_role("tab", name="In view").tap()
    expect(body).to_be_visible()
    first = page.locator("#panel-body ul button").first
    first.tap()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("dd").first).to_be_visible()
    expect(body).to_be_hidden()
    viewer.settle()
    page.screenshot(path=output / "phone-card.png")
    page.go_back()
    expect(dialog).to_have_count(0)
    expect(body).to_be_visible()
    page.get_by_role("tab", name="Layers").tap()
    viewer.card("crime").locator("summary").first.tap()
    card = viewer.card("crime")
    card.get_by_role("checkbox", name=re.compile("^Burglary")).tap()
    card.get_by_role("button", name="Spring 2025").tap()  # the fourth tap from the closed sheet
    viewer.settle()
    page.screenshot(path=output / "phone-filters.png")
    page.go_back()  # closes the sheet, and nothing else
    expect(body).to_be_hidden()
    chips = page.get_by_role("group", name="Active filters")
    expect(chips).to_contain_text("Mar \u2013 May 2025")
    chips.get_by_role("button", name="Undo").tap()
    expect(chips).not_to_contain_text("2025")
    expect(chips).to_contain_text("Burglary")


@pytest.mark.slow
def test_the_map_is_drawn_behind_a_card_on_a_phone(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=air-quality", **LOOKS["phone"])
    viewer.page.get_by_role("tab", name="In view").tap()
    for place in (0, 1):
        viewer.page.locator("#panel-body ul button").nth(place).tap()
        dialog = viewer.page.get_by_role("dialog")
        expect(dialog.get_by_role("slider")).to_be_visible()
        map_above = viewer.picture().crop((10, 80, 300, 280))
        assert len(map_above.getcolors(map_above.width * map_above.height) or []) > 200
        dialog.get_by_role("button", name="Close").tap()


@pytest.mark.slow
def test_a_card_stays_within_the_map_as_its_readings_arrive(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=sewage-sampling", **LOOKS["light"])
    room = viewer.page.locator("#map").bounding_box()
    for index in range(0, viewer.in_view().count(), 9):
        viewer.in_view().nth(index).click()
        expect(viewer.page.get_by_role("dialog").get_by_role("slider")).to_be_visible()
        viewer.settle()
        box = viewer.page.get_by_role("dialog").locator("xpath=..").bounding_box()
        assert box["x"] >= room["x"]
        assert box["y"] >= room["y"]
        assert box["x"] + box["width"] <= room["x"] + room["width"]
        assert box["y"] + box["height"] <= room["y"] + room["height"]


def test_nothing_moves_for_a_reader_who_asks_for_that(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(FILTERED, reduced_motion="reduce", **LOOKS["light"])
    lasting = """() => [...document.querySelectorAll('*')].flatMap((element) => {
        const {transitionDuration, transitionProperty, animationName} = getComputedStyle(element);
        const moves = transitionProperty !== 'none' && transitionDuration !== '0s';
        return moves || animationName !== 'none' ? [element.outerHTML.slice(0, 80)] : [];
    })"""
    assert viewer.page.evaluate(lasting) == []
    shown = "() => document.querySelector('.maplibregl-ctrl-scale').textContent"
    before = viewer.page.evaluate(shown)
    viewer.page.get_by_role("button", name="Zoom in").click()
    assert viewer.page.evaluate(shown) != before


def test_the_picture_of_the_map_is_drawn(open_viewer: Callable[..., Any], output: Path) -> None:
    """Kept in output/; `GEOSERVER_UPDATE_PICTURES=1` also puts it where the README shows it."""
    text = "category IN ('burglary','robbery') AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"
    viewer = open_viewer(f"/?layers=crime&filter.crime={quote(text)}#15.8/45.2045/-28.6", **LOOKS["light"])
    reported = viewer.card("crime").get_by_role("group", name="Reported", exact=True)
    expect(reported.get_by_role("img")).to_be_visible()
    reported.get_by_label(re.compile("^To")).evaluate("element => element.scrollIntoView({block: 'end'})")
    box = viewer.page.locator("#map").bounding_box()
    viewer.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    viewer.settle()
    shot = output / "map.png"
    viewer.page.screenshot(path=shot)
    with Image.open(shot) as image:
        few = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    few.save(shot, optimize=True)
    assert shot.stat().st_size < 400_000
    if os.environ.get("GEOSERVER_UPDATE_PICTURES"):
        PICTURE.write_bytes(shot.read_bytes())


ELEMENTS = """
    () => {
        const map = document.querySelector('.maplibregl-map');
        const made = ['button', 'a', 'summary', 'input', 'select', 'div'].map((name) => {
            const element = document.createElement(name);
            if (name === 'a') element.href = '#';
            if (name === 'input') element.type = 'checkbox';
            map.append(element);
            return element;
        });
        const names = ['box-sizing', 'display', 'padding', 'margin', 'min-height', 'border-width', 'border-style',
            'border-radius', 'cursor', 'background-color', 'list-style', 'transition', 'appearance'];
        const own = {button: ['font', 'color'], select: ['font', 'color'], a: ['color'], input: ['width', 'height']};
        return made.map((element) => {
            const name = element.localName;
            const style = getComputedStyle(element);
            const said = [...names, ...(own[name] ?? [])].map((each) => `${each}: ${style.getPropertyValue(each)}`);
            const before = getComputedStyle(element, '::before').content;
            if (name === 'button') {
                element.focus({focusVisible: true});
                said.push(style.outline);
            }
            element.remove();
            return [name, ...said, before];
        });
    }
"""


def test_the_dress_of_the_page_does_not_change_what_maplibre_brings(
    open_viewer: Callable[..., Any], built_viewer: Path
) -> None:
    viewer = open_viewer("/?layers=")
    ours = viewer.page.evaluate(ELEMENTS)
    bare = viewer.page.context.new_page()
    sheet = (built_viewer.parent / "node_modules/maplibre-gl/dist/maplibre-gl.css").read_text()
    bare.set_content(f"<!doctype html><style>:root{{color-scheme:light dark}}{sheet}</style><div class=maplibregl-map>")
    assert ours == bare.evaluate(ELEMENTS)


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_closed_sheet_of_many_layers_is_as_wide_as_the_phone(
    open_viewer: Callable[..., Any], language: str
) -> None:
    viewer = open_viewer(f"/?layers={SIX}&lang={language}", **PHONE)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") == 390
    box = viewer.page.locator("aside").first.bounding_box()
    assert box
    assert (box["x"], box["width"]) == (0, 390)
