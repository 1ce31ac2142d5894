"""Many points in the viewer: squares that tell the truth from afar, points from nearby, and the change between them."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

START = 13  # the layer file's features_from
ROWS = 6_000
LAYER = f"""\
title = "Reports"
description = "Made up for a test."
license = "CC0-1.0"
source = "data/reports.csv"
kind = "points"
time = "reported_at"
label = "category"
facet = "category"
features_from = {START}

[fields.category]
title = "Category"
type = "text"
filter = "choice"

[fields.category.labels]
"theft" = "Theft of anything"

[fields.reported_at]
title = "Reported"
type = "timestamp"
filter = "range"
"""
CATEGORIES = [*(["theft"] * 5), "fraud", "fraud", "arson", *(f"kind {number}" for number in range(15))]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WHOLE = "#10.5/45.2/-28.6"
LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}


@pytest.fixture(scope="session")
def reports(
    make_database: Callable[..., str],
    city_template: str,
    serve: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server over the sample city and 6,000 reports in and around its middle."""
    workspace = tmp_path_factory.mktemp("reports")
    write_reports(workspace)
    url = make_database(template=city_template)
    settings = Settings(workspace=workspace, database_url=None, samples=True)
    load(read_catalog(settings).layers["reports"], url)
    with serve(create_app(settings, url), url) as running:
        yield running


def write_reports(workspace: Path) -> None:
    chance = random.Random(7)
    lines = ["category,reported_at,lon,lat"]
    for _ in range(ROWS):
        spread = chance.choice((0.002, 0.01, 0.02))
        lon, lat = chance.gauss(-28.6, spread * 1.4), chance.gauss(45.2, spread)
        day = f"{chance.randrange(2020, 2025)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        lines.append(f"{chance.choice(CATEGORIES)},{day}T12:00:00Z,{lon:.6f},{lat:.6f}")
    for name, text in (("layers/reports.toml", LAYER), ("data/reports.csv", "\n".join(lines))):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(text, encoding="utf-8")


@pytest.fixture
def open_reports(open_viewer: Callable[..., Any], reports: Any) -> Callable[..., Any]:
    """`open_reports(rest of the address)` opens the viewer on the reports alone."""

    def open_reports(rest: str = WHOLE, **context: Any) -> Any:
        return open_viewer(f"/?layers=reports{rest}", origin=reports.url, **context)

    return open_reports


def click_middle(viewer: Any) -> None:
    box = viewer.page.locator("#map").bounding_box()
    viewer.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def told(text: str) -> int:
    """The first number in a text."""
    found = re.search(r"\d[\d,]*", text)
    assert found, text
    return int(found[0].replace(",", ""))


def show_list(viewer: Any) -> Any:
    """What the list says of squares in view."""
    viewer.in_view()
    return viewer.page.locator("#panel-body [role=status]")


def find_violations(viewer: Any) -> list[str]:
    found = Axe().run(viewer.page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.slow
def test_squares_in_view_add_up_to_every_row(open_reports: Callable[..., Any]) -> None:
    for zoom in (9, 10.5, 11):
        viewer = open_reports(f"#{zoom}/45.2/-28.6")
        said = show_list(viewer)
        expect(said).to_contain_text("shown as squares")
        assert told(said.inner_text()) == ROWS


@pytest.mark.slow
def test_under_a_filter_squares_add_up_to_what_matches(open_viewer: Callable[..., Any]) -> None:
    text = "category <> 'burglary' AND reported_at >= TIMESTAMP('2021-06-01T00:00:00Z')"
    viewer = open_viewer(f"/?layers=crime&filter.crime={quote(text)}{WHOLE}")
    matching = viewer.count("crime")
    said = show_list(viewer)
    expect(said).to_contain_text("shown as squares")
    assert told(said.inner_text()) == matching


def test_the_few_rows_that_a_filter_leaves_are_points_from_afar(open_reports: Callable[..., Any]) -> None:
    text = "category = 'kind 3' AND reported_at >= TIMESTAMP('2022-06-01T00:00:00Z')"
    viewer = open_reports(f"&filter.reports={quote(text)}{WHOLE}")
    expect(viewer.page.get_by_role("list", name="Legend for Reports")).to_be_visible()
    assert viewer.page.get_by_role("list", name="Reports: number in each square").count() == 0
    said = show_list(viewer)
    expect(said).to_contain_text("50 nearest")
    assert "square" not in said.inner_text()
    # The style follows the plan of the filter, and every tile is of that plan.
    assert sum("features-from=0" in url for url in viewer.requests if "/styles/" in url) == 1
    tiles = [url for url in viewer.requests if re.search(r"/tiles/reports/\d", url)]
    assert tiles
    assert all("features-from=0" in url for url in tiles)


@pytest.mark.slow
def test_the_legend_explains_squares_from_afar_and_points_from_nearby_and_never_both(
    open_reports: Callable[..., Any],
) -> None:
    shown = {}
    for zoom in (START - 1, START - 0.1, START, START + 1):
        legend = open_reports(f"#{zoom}/45.2/-28.6").page.get_by_role("region", name="Legend")
        expect(legend.get_by_role("list").first).to_be_visible()
        squares = legend.get_by_role("list", name="Reports: number in each square")
        points = legend.get_by_role("list", name="Legend for Reports")
        shown[zoom] = (squares.count(), points.count())
        if squares.count():
            assert squares.get_by_role("listitem").count() == 6
            assert "50 and more" in squares.get_by_role("listitem").last.inner_text()
    assert list(shown.values()) == [(1, 0), (1, 0), (0, 1), (0, 1)]


def test_a_click_on_a_square_tells_its_counts_and_days(open_reports: Callable[..., Any]) -> None:
    viewer = open_reports()
    click_middle(viewer)
    dialog = viewer.page.get_by_role("dialog")
    count = told(dialog.get_by_role("heading").inner_text())
    values = dialog.get_by_role("list", name="Category").get_by_role("listitem").all_inner_texts()
    assert values[0].startswith("Theft of anything")
    assert values[-1].startswith("Other")
    assert len(values) == 13
    assert sum(int(re.sub(r"\D", "", value.split("\n")[-1])) for value in values) == count > 100
    assert "2020" in dialog.locator("dd").first.inner_text()


@pytest.mark.slow
def test_zooming_into_a_square_shows_each_of_its_points(open_reports: Callable[..., Any]) -> None:
    viewer = open_reports()
    click_middle(viewer)
    viewer.page.get_by_role("button", name="Zoom in to see each one").click()
    viewer.settle()
    expect(viewer.page.get_by_role("dialog")).to_have_count(0)
    expect(viewer.page.locator("#map canvas")).to_be_focused()
    zoom = float(viewer.address().split("#")[1].split("/")[0])
    assert zoom >= START
    assert viewer.in_view().count() == 50
    assert "square" not in show_list(viewer).inner_text()
    click_middle(viewer)
    expect(viewer.page.get_by_role("dialog").locator("dt").first).to_have_text("Reported")


@pytest.mark.slow
def test_on_a_phone_the_way_into_a_square_is_gone_to_its_end_though_the_card_goes(
    open_reports: Callable[..., Any],
) -> None:
    viewer = open_reports("#11/45.2/-28.6", **PHONE, reduced_motion="no-preference")
    box = viewer.page.locator("#map").bounding_box()
    assert box
    viewer.page.touchscreen.tap(box["width"] / 2, (box["height"] - 130) / 2)
    viewer.page.get_by_role("button", name="Zoom in to see each one").tap()
    expect(viewer.page.get_by_role("dialog")).to_have_count(0)
    viewer.page.wait_for_function(f"() => parseFloat(location.hash.slice(1)) >= {START}", timeout=60_000)


@pytest.mark.slow
def test_on_each_side_of_the_switch_only_one_of_squares_and_points_is_counted(
    open_reports: Callable[..., Any],
) -> None:
    early = show_list(open_reports(f"#{START - 0.1}/45.2/-28.6")).inner_text()
    assert "shown as squares" in early
    assert "nearest" not in early
    late = show_list(open_reports(f"#{START}/45.2/-28.6")).inner_text()
    assert "shown as squares" not in late
    assert "50 nearest" in late


@pytest.mark.slow
def test_seven_layers_are_all_counted_each_is_asked_for_once_and_an_edit_is_all_that_is_asked_again(
    open_viewer: Callable[..., Any], reports: Any
) -> None:
    layers = ["reports", "crime", "bike-paths", "trees", "sewage-sampling", "air-quality", "districts"]
    theft = quote("category IN ('theft')")
    viewer = open_viewer(f"/?layers={','.join(layers)}&filter.reports={theft}", origin=reports.url)
    assert all(viewer.count(layer) > 0 for layer in layers)
    # What the browser has kept may be asked of it again: the worker takes its script where the page has.
    asked = [url for url in viewer.requests if not re.search(r"/assets/|/fonts/|\.svg$", url)]
    assert sorted(asked) == sorted(set(asked))
    details = [url for url in asked if re.search(r"/api/layers/[^/]+$", url)]
    assert len(details) <= len(layers)  # the page may hold some of the answers
    before, counted = len(viewer.requests), viewer.count("reports")
    change_one = (
        "UPDATE layers.reports SET category = %s WHERE fid = (SELECT min(fid) FROM layers.reports WHERE category = %s)"
    )
    with psycopg.connect(reports.database_url) as connection:
        connection.execute(change_one, ("a theft no more", "theft"))
    try:
        shown = viewer.page.locator(".count[data-layer=reports]")
        expect(shown).to_have_text(f"{counted - 1:,} of {ROWS:,} entries")
        viewer.settle()
        new = viewer.requests[before:]
        assert any("/tiles/reports/" in url for url in new)
        others = [url for url in new if not re.search(r"/reports\b|/api/layers\?fields=|/styles/|/assets/", url)]
        assert others == []
    finally:
        with psycopg.connect(reports.database_url) as connection:
            connection.execute(change_one, ("theft", "a theft no more"))


@pytest.mark.slow
def test_squares_are_reached_by_keyboard(open_reports: Callable[..., Any]) -> None:
    viewer = open_reports()
    viewer.in_view()
    first = viewer.page.locator("#panel-body ul button").first
    most = told(first.inner_text())
    viewer.tab_to(first)
    viewer.press("Enter")
    dialog = viewer.page.get_by_role("dialog", name=re.compile(f"^{most:,} "))
    expect(dialog).to_be_focused()
    viewer.press("Escape")
    expect(dialog).to_have_count(0)
    expect(first).to_be_focused()


@pytest.mark.slow
def test_a_card_that_counts_other_rows_closes(open_reports: Callable[..., Any]) -> None:
    viewer = open_reports()
    click_middle(viewer)
    dialog = viewer.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    viewer.open_filters("reports").get_by_role("checkbox", name=re.compile("^Fraud", re.IGNORECASE)).check()
    expect(dialog).to_have_count(0)
    viewer.card("reports").get_by_role("button", name="Clear all filters").click()
    viewer.settle().in_view().first.click()
    expect(dialog.get_by_role("listitem").first).to_be_visible()
    viewer.page.get_by_role("button", name="Zoom in", exact=True).first.click()
    expect(dialog).to_have_count(0)


@pytest.mark.parametrize("look", ["light", "dark phone"])
@pytest.mark.slow
def test_axe_finds_no_violation_in_the_legend_the_list_and_the_card_of_squares(
    open_reports: Callable[..., Any], look: str, output: Path
) -> None:
    dark = "dark" in look
    context = (PHONE if "phone" in look else {}) | {"color_scheme": "dark" if dark else "light"}
    viewer = open_reports(**context)
    if "phone" in look:
        viewer.page.get_by_role("button", name="Show the list").click()
    assert find_violations(viewer) == []
    viewer.in_view().first.click()
    expect(viewer.page.get_by_role("dialog").get_by_role("list")).to_be_visible()
    viewer.settle()
    assert find_violations(viewer) == []
    viewer.page.screenshot(path=output / f"squares-{look.replace(' ', '-')}.png")


def test_squares_speak_the_language_of_the_reader(open_reports: Callable[..., Any]) -> None:
    viewer = open_reports(locale="de-AT")
    expect(viewer.page.get_by_role("list", name="Reports: Anzahl je Quadrat")).to_be_visible()
    viewer.page.get_by_role("tab", name="Im Ausschnitt").click()
    expect(viewer.page.get_by_text("als Quadrate gezeigt")).to_be_visible()


@pytest.mark.slow
def test_the_legend_names_what_was_chosen_alone_and_shows_areas_beside_other_layers_as_outlines(
    open_viewer: Callable[..., Any],
) -> None:
    robbery = quote("category = 'robbery'")
    viewer = open_viewer(f"/?layers=crime,districts&filter.crime={robbery}#16/45.205/-28.595")
    legend = viewer.page.get_by_role("region", name="Legend")
    expect(legend.get_by_text("Robbery")).to_be_visible()
    assert "Assault" not in legend.inner_text()
    districts = legend.get_by_role("list", name="Legend for Districts")
    shapes = (
        "(list) => [...list.querySelectorAll('path, rect')].map((shape) => [shape.tagName, shape.getAttribute('fill')])"
    )
    assert districts.evaluate(shapes) == [["path", "none"]] * 6
    alone = open_viewer("/?layers=districts#12/45.205/-28.595").page.get_by_role("list", name="Legend for Districts")
    expect(alone).to_be_visible()
    assert {tag for tag, _ in alone.evaluate(shapes)} == {"rect"}
