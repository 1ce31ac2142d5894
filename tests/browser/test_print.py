"""The sheet: what is printed, and saved as a picture, is what the map shows, in the same words and true to scale."""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageStat
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
BURGLARIES = "/?layers=crime,bike-paths&filter.crime=category%20IN%20('burglary','robbery')&time=2024-01-01/2024-12-31"


def open_sheet(page: Page) -> Locator:
    page.get_by_role("button", name="Print or save as a picture").click()
    return await_sheet(page)


def await_sheet(page: Page) -> Locator:
    sheet = page.get_by_role("group", name="Preview of the sheet")
    expect(sheet).to_have_attribute("data-state", "ready")
    return sheet


def texts_of(sheet: Locator) -> list[str]:
    return sheet.locator("svg text").all_text_contents()


def count_pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def page_size(pdf: bytes) -> list[int]:
    found = re.search(rb"/MediaBox\s*\[([\d. ]+)\]", pdf)
    assert found
    return [round(float(number)) for number in found.group(1).split()]


def save_picture(page: Page, path: Path) -> Image.Image:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as PNG").click()
    download.value.save_as(path)
    picture = Image.open(path)
    picture.load()
    return picture


def find_faults(page: Page) -> list[str]:
    violations = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"]]


def test_a_sheet_says_what_the_map_and_its_legend_say(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer(BURGLARIES)
    page = viewer.page
    legend = page.get_by_role("group", name="Legend").locator("li").all_inner_texts()
    assert len(legend) == 6
    texts = texts_of(open_sheet(page))
    assert [text for text in texts if text in legend] == legend
    where = "category IN ('burglary', 'robbery') AND reported_at >= '2024-01-01Z' AND reported_at < '2025-01-01Z'"
    left, total = sql(f"SELECT count(*) FROM layers.crime WHERE {where}"), sql("SELECT count(*) FROM layers.crime")
    assert f"{left:,} of {total:,} reports" in texts
    for said in ("Reported crime and Bike paths", "2024", "Filtered by: Burglary, Robbery", "N"):
        assert said in texts
    told = "".join(texts)
    for part in ("City of Antillia (fictional)", "CC-BY-4.0", "Natural Earth", "printed on", "filter.crime=category"):
        assert part in told


def test_a_sheet_beside_the_time_bar_has_the_rows_of_the_window_alone(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime&bar=time&time=2023-01-01/2023-01-14#16/45.2035/-28.6")
    page = viewer.page
    page.get_by_role("region", name="Time").locator("path").first.wait_for(state="attached")
    viewer.settle()

    def asked() -> list[str]:
        return [url for url in viewer.requests if "/tiles/crime/" in url]

    # The map itself leaves out what is not in the window.
    page.wait_for_timeout(500)
    assert any("2023-01" not in url for url in asked())
    viewer.requests.clear()
    open_sheet(page)
    assert asked()
    assert all("2023-01-01" in url and "2023-01-15" in url for url in asked())
    viewer.requests.clear()
    page.get_by_role("button", name="Close", exact=True).click()
    viewer.settle()
    page.get_by_role("region", name="Time").get_by_label("Period", exact=True).select_option("2024")
    viewer.settle()
    assert not any("2024" in url for url in asked())


@pytest.mark.slow
def test_a_filter_of_many_values_is_spelled_out_on_paper(open_viewer: Callable[..., Any]) -> None:
    many = "'burglary','robbery','assault','fraud'"
    viewer = open_viewer(f"/?layers=crime&filter.crime=category%20IN%20({many})")
    expect(viewer.page.get_by_role("button", name=re.compile(r"^Remove filter: Burglary, Robbery \+2"))).to_be_visible()
    told = " ".join(texts_of(open_sheet(viewer.page)))
    assert "Filtered by: Burglary, Robbery, Assault, Fraud" in told


@pytest.mark.slow
def test_what_is_printed_is_one_sheet_of_the_chosen_paper_and_nothing_else(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(BURGLARIES)
    page = viewer.page
    open_sheet(page)
    for paper, way, size in (("A4", "Portrait", [595, 842]), ("Tabloid", "Landscape", [1224, 792])):
        page.get_by_label("Paper").select_option(paper)
        page.get_by_label("Orientation").select_option(way)
        await_sheet(page)
        pdf = page.pdf(prefer_css_page_size=True, print_background=True)
        assert count_pages(pdf) == 1
        assert [abs(one - other) <= 1 for one, other in zip(page_size(pdf)[2:], size, strict=True)] == [True, True]
        page.emulate_media(media="print")
        assert page.locator("body > *:visible").count() == 1
        assert page.locator("body > .printed-sheet text:visible").count() > 10
        page.emulate_media(media="screen")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.locator("body > .printed-sheet").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Print or save as a picture"


def test_the_browsers_own_menu_prints_the_map_with_its_legend_and_no_controls(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(BURGLARIES)
    page = viewer.page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#map canvas:visible")).to_have_count(1)
    picture = Image.open(io.BytesIO(page.locator("#map canvas:visible").screenshot())).convert("RGB")
    assert sum(ImageStat.Stat(picture).stddev) > 20
    for said in ("Robbery", "Cycle street", "1,906 reports", "Burglary, Robbery", "City of Antillia"):
        expect(page.get_by_role("main").get_by_text(said).first).to_be_visible()
    for hidden in ("Zoom in", "Print or save as a picture"):
        expect(page.locator(f"[aria-label='{hidden}']")).to_be_hidden()
    expect(page.locator("#panel-body")).to_be_hidden()
    assert count_pages(page.pdf(format="A4")) == 1
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#map canvas")).to_have_count(1)


@pytest.mark.parametrize("way", ["Landscape", "Portrait"])
@pytest.mark.slow
def test_a_comparison_is_printed_as_two_maps_each_with_what_narrows_it_its_counts_and_its_legend(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any], tmp_path: Path, differ: Callable[..., int], way: str
) -> None:
    other = "compare=side&compare.layers=crime&compare.time=2023-01-01/2023-12-31&compare.area=circle:-28.6,45.2,2000"
    viewer = open_viewer(f"{BURGLARIES}&{other}#12.5/45.2/-28.6")
    page = viewer.page
    page.wait_for_selector("#other-map[data-state=idle]")
    sheet = open_sheet(page)
    expect(page.get_by_label("Orientation")).to_have_value("landscape")
    page.get_by_label("Orientation").select_option(way)
    await_sheet(page)
    expect(sheet.locator("img")).to_have_count(2)
    texts = texts_of(sheet)
    assert {"A · 2024", "B · 2023 · Within 2\u00a0km of here", "Reported crime and Bike paths", "N"} <= set(texts)
    total = sql("SELECT count(*) FROM layers.crime")
    where = "category IN ('burglary', 'robbery') AND reported_at >= '2024-01-01Z' AND reported_at < '2025-01-01Z'"
    assert f"{sql(f'SELECT count(*) FROM layers.crime WHERE {where}'):,} of {total:,} reports" in texts
    asked = {
        "fields": "",
        "datetime": "2023-01-01/2023-12-31",
        "filter": "S_INTERSECTS(geometry,CIRCLE(-28.6,45.2,2000))",
    }
    counted = page.request.get(f"{viewer.origin}/api/layers/crime/summary", params=asked).json()["count"]
    assert f"{counted:,} of {total:,} reports" in texts
    assert texts.count("Cycle street") == 1  # of the first alone
    assert len([text for text in texts if text.startswith("1 : ")]) == 1
    page.get_by_label("Resolution").select_option("96")
    await_sheet(page)
    picture = save_picture(page, tmp_path / "both.png").convert("RGB")
    whole = sheet.bounding_box()
    assert whole
    part = picture.width / whole["width"]

    def cut(box: Any) -> Image.Image:
        x, y = box["x"] - whole["x"], box["y"] - whole["y"]
        edges = (x, y, x + box["width"], y + box["height"])
        return picture.crop([round(edge * part) for edge in edges]).resize((200, 200))

    first, second = (cut(image.bounding_box()) for image in sheet.locator("img").all())
    for drawn in (first, second):
        assert sum(ImageStat.Stat(drawn).stddev) > 20
    assert differ(first, second) > 2_000  # bike paths and the area
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert count_pages(pdf) == 1


@pytest.mark.slow
def test_a_picture_has_exactly_its_dots_and_shows_the_map(
    open_viewer: Callable[..., Any], tmp_path: Path, differ: Callable[..., int]
) -> None:
    viewer = open_viewer(BURGLARIES)
    page = viewer.page
    bare = ".over, .legend, .buttons, .maplibregl-ctrl {visibility: hidden}"
    page.screenshot(clip=page.locator("#map").bounding_box(), path=tmp_path / "map.png", style=bare)
    sheet = open_sheet(page)
    for dots, size in (("96", (794, 1123)), ("300", (2480, 3508))):
        page.get_by_label("Resolution").select_option(dots)
        await_sheet(page)
        picture = save_picture(page, tmp_path / f"{dots}.png")
        assert picture.size == size
        assert [round(each) for each in picture.info["dpi"]] == [int(dots)] * 2
    whole, image = sheet.bounding_box(), sheet.locator("img").bounding_box()
    assert whole
    assert image
    part = picture.width / whole["width"]
    corner = [(image[axis] - whole[axis]) * part for axis in ("x", "y")]
    sides = [image[side] * part for side in ("width", "height")]
    drawn = picture.convert("RGB").crop(
        (int(corner[0]), int(corner[1]), int(corner[0] + sides[0]), int(corner[1] + sides[1]))
    )
    # Both have the same middle; the sheet holds all of the screen's width.
    with Image.open(tmp_path / "map.png") as file:
        screen = file.convert("RGB")
    high = round(drawn.width * screen.height / screen.width)
    top = (drawn.height - high) // 2
    same = drawn.crop((0, top, drawn.width, top + high)).resize(screen.size, Image.Resampling.LANCZOS)
    assert sum(ImageStat.Stat(same).stddev) > 20
    away = (12, 80, screen.width - 60, screen.height - 12)
    # Letters and points are drawn anew for the paper, and fall otherwise on their pixels.
    mirrored = screen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert 2 * differ(same.crop(away), screen.crop(away)) < differ(same.crop(away), mirrored.crop(away))


@pytest.mark.slow
def test_the_scale_bar_is_as_long_as_it_says(open_viewer: Callable[..., Any]) -> None:
    for path, view in (("/?layers=trees#14/45.2/-28.6", PHONE), ("/?layers=trees#12.3/45.22/-28.55", {})):
        viewer = open_viewer(path, **view)
        page = viewer.page
        sheet = open_sheet(page)
        bar = sheet.locator("svg .scale").bounding_box()
        image = sheet.locator("img").bounding_box()
        assert bar
        assert image
        said = [text for text in texts_of(sheet) if re.fullmatch(r"[\d.]+\u00a0k?m", text)][-1]
        metres = float(said.split("\u00a0")[0]) * (1000 if said.endswith("km") else 1)
        # As the map on the screen has them: all its width or all its height is on the sheet, from edge to edge.
        zoom, lat, _ = (float(each) for each in page.url.split("#")[1].split("/"))
        ground = 40_075_016.686 * math.cos(math.radians(lat)) / (512 * 2**zoom)
        room = page.locator("#map").bounding_box()
        assert room
        covered = float(
            page.locator("main").evaluate("element => parseFloat(element.style.getPropertyValue('--covered'))")
        )
        across = max(room["width"] / image["width"], (room["height"] - covered) / image["height"])
        assert bar["width"] * across * ground == pytest.approx(metres, rel=0.01)
        page.get_by_role("button", name="Close").click()


@pytest.mark.slow
def test_a_sheet_is_made_by_keys_alone_and_the_browsers_own_key_leads_to_it(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=bike-paths")
    page = viewer.page
    page.evaluate("() => { window.printed = 0; window.print = () => void (window.printed += 1); }")
    viewer.press("Control+p")
    await_sheet(page)
    title = page.get_by_role("textbox", name="Title")
    expect(title).to_have_value("Bike paths")
    viewer.tab_to(title, 10)
    viewer.press("Control+a")
    page.keyboard.type("Where to ride")
    await_sheet(page)
    assert "Where to ride" in texts_of(await_sheet(page))
    viewer.tab_to(page.get_by_role("button", name="Print, or save as PDF"), 10)
    viewer.press("Enter")
    assert page.evaluate("window.printed") == 1
    viewer.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.slow
def test_axe_finds_no_fault_in_the_dialog_on_a_desk_and_on_a_phone_light_and_dark(
    open_viewer: Callable[..., Any], output: Path
) -> None:
    for name, view in (("desk", {}), ("phone", PHONE)):
        viewer = open_viewer("/?layers=crime&lang=en", **view)
        page = viewer.page
        open_sheet(page)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            await_sheet(page)
            assert find_faults(page) == [], f"{name}, {scheme}"
            page.screenshot(path=output / f"print-{name}-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.locator("dialog .sheet").evaluate("element => element.scrollWidth") <= 320


@pytest.mark.slow
def test_a_map_that_does_not_come_is_told_and_tried_again(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=bike-paths")
    page = viewer.page
    viewer.expected_faults = ("Failed to load resource", "AJAXError", "Failed to fetch", "net::ERR")
    tiles = re.compile(r"/tiles/[^/]+/\d")
    save = page.get_by_role("button", name="Save as PNG")
    page.route(tiles, lambda route: route.fulfill(status=500))
    page.get_by_role("button", name="Print or save as a picture").click()
    told = page.get_by_role("dialog").get_by_text("Part of the map could not be loaded.")
    expect(told).to_be_visible()
    expect(save).to_be_disabled()
    page.unroute_all()
    page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    await_sheet(page)
    expect(save).to_be_enabled()
    page.context.set_offline(True)
    page.get_by_label("Orientation").select_option("Landscape")
    expect(told).to_be_visible()
    page.context.set_offline(False)  # by itself, as soon as the server answers
    await_sheet(page)
    expect(told).to_have_count(0)
