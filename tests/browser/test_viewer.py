"""The viewer in a real browser, over a real server and a real PostGIS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
NEAR = "#16/45.2/-28.6"  # where points are whole
BURGLARY = "category IN ('burglary') AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"


def test_the_page_lists_every_dataset_by_theme_and_no_basemap_layer(
    open_viewer: Callable[..., Any], city_settings: Settings
) -> None:
    page = open_viewer("/").page
    datasets = [layer for layer in read_catalog(city_settings).layers.values() if not layer.basemap]
    titles = page.locator("article .title").all_inner_texts()
    assert sorted(titles) == sorted(layer.title for layer in datasets)
    for layer in datasets:
        theme = page.locator("section").filter(has=page.get_by_role("switch", name=layer.title, exact=True))
        assert theme.locator("h2").inner_text().casefold() == layer.theme.casefold()
        switch = page.get_by_role("switch", name=layer.title, exact=True)
        assert switch.is_checked() == layer.visible


@pytest.mark.slow
def test_switching_a_layer_on_draws_it_and_tells_its_rows(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any], differ: Callable[..., int]
) -> None:
    viewer = open_viewer(f"/?layers={NEAR}")
    empty = viewer.picture()
    assert viewer.page.locator(".count").count() == 0
    viewer.switch("Trees").check()
    drawn = viewer.settle().picture()
    assert differ(empty, drawn) > 2000
    assert viewer.count("trees") == sql("SELECT count(*) FROM layers.trees")
    assert viewer.in_view().count() == 50
    viewer.page.get_by_role("tab", name="Layers").click()
    viewer.switch("Trees").uncheck()
    assert differ(empty, viewer.settle().picture()) == 0
    assert viewer.in_view().count() == 0


def test_a_category_and_a_date_range_show_the_count_of_sql_and_draw_what_matches(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any], differ: Callable[..., int]
) -> None:
    viewer = open_viewer("/?layers=crime")
    everything = viewer.picture()
    filters = viewer.open_filters("crime")
    filters.get_by_role("checkbox", name=re.compile("^Burglary")).check()
    by_category = viewer.settle().picture()
    assert viewer.count("crime") == sql("SELECT count(*) FROM layers.crime WHERE category = 'burglary'")
    reported = filters.get_by_role("group", name="Reported", exact=True)
    reported.get_by_label(re.compile("^From")).fill("2024-03-01")
    reported.get_by_label(re.compile("^From")).press("Tab")
    reported.get_by_label(re.compile("^To")).fill("2024-05-31")
    reported.get_by_label(re.compile("^To")).press("Tab")
    by_both = viewer.settle().picture()
    wanted = "category = 'burglary' AND reported_at >= '2024-03-01Z' AND reported_at < '2024-06-01Z'"
    count = sql(f"SELECT count(*) FROM layers.crime WHERE {wanted}")
    assert viewer.count("crime") == count > 0
    assert viewer.count_text("crime") == f"{count:,} of {sql('SELECT count(*) FROM layers.crime'):,} reports"
    assert differ(everything, by_category) > 2000
    assert differ(by_category, by_both) > 500
    listed = viewer.in_view().all_inner_texts()
    assert listed
    assert all("Burglary" in text for text in listed)
    # The map says the same whichever tab is open, and each part is taken out there; undo brings it back.
    chips = viewer.page.get_by_role("group", name="Active filters")
    seen = chips.inner_text().replace("Remove filter:", "")  # that is only heard
    assert re.split(r"\n+", seen) == [f"{count:,} reports", "Burglary", "Mar \u2013 May 2024", "Undo"]
    expect(viewer.page.get_by_role("list", name="Legend for Reported crime")).to_have_text("Reported crime: Burglary")
    chips.get_by_role("button", name="Remove filter: Mar \u2013 May 2024").press("Enter")
    expect(chips.get_by_role("button", name="Undo")).to_be_focused()
    expect(chips).to_contain_text(f"{sql("SELECT count(*) FROM layers.crime WHERE category = 'burglary'"):,} reports")
    viewer.press("Enter")
    expect(chips).to_contain_text(f"{count:,} reports")
    assert "2024-06-01" in viewer.address()


@pytest.mark.slow
def test_where_nothing_matches_the_filter_that_is_most_in_the_way_can_be_taken_out(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    text = "category IN ('burglary') AND reported_at >= TIMESTAMP('2035-01-01T00:00:00Z')"
    viewer = open_viewer(f"/?layers=crime&filter.crime={quote(text)}")
    burglaries = sql("SELECT count(*) FROM layers.crime WHERE category = 'burglary'")
    status = viewer.page.get_by_role("status").filter(has_text="Reported crime: nothing matches the filters.")
    status.get_by_role("button", name=f"Without “Since 1 Jan 2035”: {burglaries:,} reports").click()
    assert viewer.settle().count("crime") == burglaries
    expect(viewer.page.get_by_text("nothing matches")).to_have_count(0)


def test_the_counts_beside_the_choices_are_those_of_sql_under_the_other_filters(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer(f"/?layers=crime&filter.crime={quote(BURGLARY)}")
    category = viewer.card("crime").get_by_role("group", name="Category", exact=True)
    for name in ("burglary", "theft"):
        row = category.locator("label").filter(has_text=re.compile(name, re.IGNORECASE))
        count = sql(f"SELECT count(*) FROM layers.crime WHERE category = '{name}' AND reported_at >= '2024-01-01Z'")
        expect(row.locator(".number").first).to_have_text(f"{count:,}")


@pytest.mark.slow
def test_the_link_gives_the_same_page_again(open_viewer: Callable[..., Any], differ: Callable[..., int]) -> None:
    viewer = open_viewer("/?layers=crime")
    filters = viewer.open_filters("crime")
    filters.get_by_role("checkbox", name=re.compile("^Theft")).check()
    viewer.settle()
    reported = filters.get_by_role("group", name="Reported", exact=True)
    reported.get_by_label(re.compile("^From")).fill("2025-02-01")
    reported.get_by_label(re.compile("^From")).press("Tab")
    viewer.settle().page.get_by_role("button", name="Zoom in").click()
    viewer.settle().page.get_by_role("button", name="Switch to the dark map").click()
    viewer.settle()
    address = viewer.address()
    query = parse_qs(urlsplit(address).query)
    assert query == {
        "v": ["1"],
        "layers": ["crime"],
        "filter.crime": ["category IN ('theft') AND reported_at >= TIMESTAMP('2025-02-01T00:00:00Z')"],
        "base": ["dark"],
    }
    before, count = viewer.picture(), viewer.count_text("crime")
    again = open_viewer(address)
    assert again.address() == address
    assert again.count_text("crime") == count
    card = again.card("crime")
    assert card.get_by_role("checkbox", name=re.compile("^Theft")).is_checked()
    assert not card.get_by_role("checkbox", name=re.compile("^Burglary")).is_checked()
    assert card.get_by_label(re.compile("^From: Reported")).input_value() == "2025-02-01"
    assert differ(before, again.picture()) < 1000


@pytest.mark.slow
def test_back_and_forward_walk_through_what_was_chosen(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime")
    whole = viewer.count("crime")
    viewer.open_filters("crime").get_by_role("checkbox", name=re.compile("^Fraud|^Burglary")).first.check()
    part = viewer.settle().count("crime")
    viewer.switch("Trees").check()
    viewer.settle()
    assert part < whole
    viewer.page.go_back()
    expect(viewer.switch("Trees")).not_to_be_checked()
    assert viewer.settle().count("crime") == part
    viewer.page.go_back()
    assert viewer.settle().count("crime") == whole
    assert viewer.card("crime").get_by_role("checkbox", checked=True).count() == 0
    viewer.page.go_forward()
    assert viewer.settle().count("crime") == part
    viewer.page.go_forward()
    expect(viewer.switch("Trees")).to_be_checked()
    # A place that is pasted into the address is gone to, and the choices stay.
    viewer.page.evaluate("() => (location.hash = '#16/45.20500/-28.59500')")
    viewer.settle()
    assert viewer.address().endswith("#16/45.20500/-28.59500")
    expect(viewer.switch("Trees")).to_be_checked()
    assert viewer.page.locator(".maplibregl-ctrl-scale").inner_text().endswith("m")
    assert not viewer.page.locator(".maplibregl-ctrl-scale").inner_text().endswith("km")


@pytest.mark.slow
def test_everything_is_done_by_keyboard(open_viewer: Callable[..., Any], sql: Callable[[str], Any]) -> None:
    viewer = open_viewer("/?layers=")
    page = viewer.page
    viewer.press("Tab")
    expect(page.get_by_text("Skip to the map")).to_be_focused()
    viewer.press("Enter")
    expect(page.locator("#map canvas")).to_be_focused()
    viewer.press("+")
    page.wait_for_function("() => location.hash")
    for _ in range(3):
        before = viewer.settle().address()
        viewer.press("+")
        page.wait_for_function("before => !location.href.endsWith(before)", arg=before)
    zoomed = viewer.settle().address()
    viewer.press("ArrowRight")
    page.wait_for_function("before => !location.href.endsWith(before)", arg=zoomed)
    viewer.settle()
    viewer.tab_to(viewer.switch("Reported crime"), key="Shift+Tab")
    viewer.press("Space")
    viewer.settle()
    viewer.tab_to(viewer.card("crime").locator("summary").first)
    viewer.press("Enter")
    viewer.settle()
    viewer.tab_to(viewer.card("crime").get_by_role("checkbox", name=re.compile("^Burglary")))
    viewer.press("Space")
    viewer.settle()
    assert viewer.count("crime") == sql("SELECT count(*) FROM layers.crime WHERE category = 'burglary'")
    slider = viewer.card("crime").get_by_role("slider", name="Reported, from")
    viewer.tab_to(slider)
    viewer.press(*["PageUp"] * 4, "ArrowRight")
    viewer.settle()
    start = viewer.card("crime").get_by_label(re.compile("^From: Reported")).input_value()
    wanted = f"category = 'burglary' AND reported_at >= '{start}Z'"
    assert viewer.count("crime") == sql(f"SELECT count(*) FROM layers.crime WHERE {wanted}")
    layers = page.get_by_role("tab", name="Layers")
    viewer.tab_to(layers, key="Shift+Tab")
    viewer.press("ArrowRight")
    first = page.locator("#panel-body ul button").first
    viewer.tab_to(first)
    viewer.press("Enter")
    dialog = page.get_by_role("dialog", name="Burglary")
    expect(dialog).to_be_focused()
    viewer.press("Escape")
    expect(dialog).to_have_count(0)
    expect(first).to_be_focused()


@pytest.mark.slow
def test_a_click_on_a_feature_opens_its_values_with_labels_and_units(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=trees#17/45.2/-28.6")
    page = viewer.page
    fid = sql("SELECT fid FROM layers.trees WHERE height IS NOT NULL AND health = 'good' ORDER BY fid LIMIT 1")
    at = [sql(f"SELECT ST_{axis}(ST_Transform(geom_3857, 4326)) FROM layers.trees WHERE fid = {fid}") for axis in "YX"]
    viewer = open_viewer(f"/?layers=trees#19/{at[0]:.6f}/{at[1]:.6f}")
    page = viewer.page
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    dialog = page.get_by_role("dialog")
    values = dict(
        zip(dialog.locator("dt").all_inner_texts(), dialog.locator("dd").all_inner_texts(), strict=True)
        if dialog.locator("dd").first.inner_text()
        else []
    )
    assert dialog.get_by_role("heading").inner_text() == sql(f"SELECT species FROM layers.trees WHERE fid = {fid}")
    assert values["Health"] == "Good"
    assert values["Height"].replace("\u00a0", " ") == f"{sql(f'SELECT height FROM layers.trees WHERE fid = {fid}'):g} m"
    assert "planted" not in values
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


@pytest.mark.slow
def test_readings_are_one_chart_that_is_read_by_key_beside_a_table(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    fid = sql("SELECT fid FROM layers.air_quality WHERE sensor = 'AQ001'")
    page = open_viewer(f"/?layers=air-quality&select=air-quality/{fid}").page
    chart = page.get_by_role("slider", name=re.compile("^Fine particles"))
    expect(chart).to_be_visible()
    readings = f"FROM layers.air_quality__readings WHERE fid = {fid}"
    highest = sql(f"SELECT max(pm25) {readings}")
    assert f"highest {highest:g} µg/m³" in chart.get_attribute("aria-label").replace("\u00a0", " ")
    line = chart.locator("path").get_attribute("d")
    assert line.count("L") > 500
    # Hours that the sensor missed are gaps, and the limit of the layer file is drawn.
    assert line.count("M") > 1
    expect(chart.locator("svg")).to_contain_text("EU limit for the year: 25")
    chart.focus()
    for key, order in (("Home", "ASC"), ("End", "DESC")):
        page.keyboard.press(key)
        end = sql(f"SELECT pm25 {readings} AND pm25 IS NOT NULL ORDER BY measured_at {order} LIMIT 1")
        assert f"{end:g} µg/m³" in chart.get_attribute("aria-valuetext").replace("\u00a0", " ")
    before = chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    assert chart.get_attribute("aria-valuetext") != before
    page.get_by_label("What was measured").select_option(label="Nitrogen dioxide (NO₂)")
    expect(page.get_by_role("slider", name=re.compile("^Nitrogen"))).to_be_visible()
    page.get_by_text("As a table").click()
    rows = page.get_by_role("region", name="Nitrogen dioxide (NO₂)").locator("tbody tr")
    expect(rows).to_have_count(sql(f"SELECT count(*) {readings}"))
    last = sql(f"SELECT no2 {readings} ORDER BY measured_at DESC LIMIT 1")
    assert (
        rows.first.locator("td").last.inner_text().replace("\u00a0", " ") == f"{last:g}"
    )  # the unit stands above them
    assert Axe().run(page, options=LEVELS).response["violations"] == []


@pytest.mark.slow
def test_a_browser_whose_graphics_break_down_lists_the_rows_and_draws_again_when_it_can(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(f"/?layers=trees{NEAR}")
    viewer.expected_faults = ("CONTEXT_LOST",)
    page = viewer.page
    page.evaluate("""() => {
        const canvas = document.querySelector("canvas.maplibregl-canvas");
        window.graphics = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
        graphics.loseContext();
    }""")
    lost = page.get_by_role("alert").filter(has_text="The browser has lost what it draws the map with.")
    expect(lost.get_by_role("button", name="Reload")).to_be_visible()
    page.get_by_role("tab", name="List").click()
    expect(page.locator("#panel-body ul button")).to_have_count(20)
    page.evaluate("graphics.restoreContext()")
    expect(lost).to_have_count(0)
    viewer.settle()
    assert viewer.in_view().count() == 50


@pytest.mark.slow
def test_a_number_range_is_set_by_typing_and_cleared(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=trees")
    height = viewer.open_filters("trees").get_by_role("group", name="Height (m)")
    expect(height.get_by_role("img")).to_be_visible()
    height.get_by_label("From: Height").fill("12.5")
    height.get_by_label("From: Height").press("Tab")
    assert viewer.settle().count("trees") == sql("SELECT count(*) FROM layers.trees WHERE height >= 12.5")
    height.get_by_role("button", name="Clear the filter on Height").click()
    assert viewer.settle().count("trees") == sql("SELECT count(*) FROM layers.trees")
    assert "filter" not in viewer.address()


@pytest.mark.slow
def test_a_search_takes_every_sign_literally(open_viewer: Callable[..., Any], sql: Callable[[str], Any]) -> None:
    viewer = open_viewer("/?layers=districts")
    name = sql("SELECT name FROM layers.districts ORDER BY fid LIMIT 1")
    box = viewer.open_filters("districts").get_by_role("searchbox", name="Name contains")
    for text in (name.lower()[:5], "o'x%_\\", "%"):
        box.fill(text)
        viewer.page.wait_for_function(
            "text => (new URLSearchParams(location.search).get('filter.districts') ?? '').length > text.length",
            arg=text,
        )
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("'", "''")
        wanted = sql(f"SELECT count(*) FROM layers.districts WHERE lower(name) LIKE '%{escaped}%'".replace("%%", "%"))
        shown = viewer.page.locator(".count[data-layer=districts]")
        expect(shown).to_have_text(re.compile(f"^{wanted} of "))


def test_a_filter_that_the_controls_cannot_show_is_kept_and_can_be_cleared(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    text = "height > 20 OR height < 2"
    viewer = open_viewer(f"/?layers=trees&filter.trees={quote(text)}")
    assert viewer.count("trees") == sql(f"SELECT count(*) FROM layers.trees WHERE {text}")
    card = viewer.card("trees")
    expect(card.get_by_text("Custom filter")).to_be_visible()
    expect(card.get_by_text(text)).to_be_visible()
    card.get_by_role("button", name="Clear", exact=True).click()
    assert viewer.settle().count("trees") == sql("SELECT count(*) FROM layers.trees")


@pytest.mark.slow
def test_a_filter_that_the_server_refuses_is_told_at_the_filter_and_draws_nothing(
    open_viewer: Callable[..., Any], differ: Callable[..., int]
) -> None:
    viewer = open_viewer("/?layers=")
    nothing = viewer.picture()
    refused = open_viewer(None)
    refused.expected_faults = ("400",)
    refused.page.goto(f"{refused.origin}/?layers=trees&filter.trees={quote('no_such_field = 1')}")
    alert = refused.card("trees").get_by_role("alert")
    expect(alert).to_contain_text("This filter could not be used.")
    expect(alert).to_contain_text("no_such_field")
    assert differ(nothing, refused.picture()) == 0
    alert.get_by_role("button", name="Clear").click()
    assert differ(nothing, refused.settle().picture()) > 2000


def test_an_answer_that_does_not_come_is_told_plainly_and_asked_for_again(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(None)
    viewer.expected_faults = ("Failed to load resource",)
    viewer.tell_nothing()
    viewer.page.route(re.compile(r"/api/layers\?"), lambda route: route.abort())
    viewer.page.goto(f"{viewer.origin}/?layers=trees")
    alert = viewer.page.get_by_role("alert")
    expect(alert).to_contain_text("The map data could not be loaded.")
    with viewer.page.expect_request(re.compile(r"/api/layers\?")):
        alert.get_by_role("button", name="Try again").click()
    viewer.page.unroute(re.compile(r"/api/layers\?"))
    assert viewer.settle().count("trees") > 0  # by itself


@pytest.mark.slow
def test_tiles_that_do_not_come_are_told_plainly_and_asked_for_again(
    open_viewer: Callable[..., Any], differ: Callable[..., int]
) -> None:
    viewer = open_viewer(None)
    viewer.expected_faults = ("Failed to load resource", "AJAXError", "503")
    viewer.page.route("**/tiles/trees/*/*/*", lambda route: route.fulfill(status=503))
    viewer.page.goto(f"{viewer.origin}/?layers=trees{NEAR}")
    alert = viewer.page.get_by_role("alert")
    expect(alert).to_contain_text("Part of the map could not be loaded.")
    assert viewer.settle().count("trees") > 0
    assert viewer.in_view().count() == 0
    with viewer.page.expect_request("**/tiles/trees/*/*/*"):
        alert.get_by_role("button", name="Try again").click()
    viewer.page.unroute("**/tiles/trees/*/*/*")  # and by itself, too
    expect(viewer.in_view()).to_have_count(50)
    expect(alert).to_have_count(0)
    assert differ(viewer.picture(), open_viewer(viewer.address()).picture()) < 200


def test_an_empty_catalogue_is_greeted_with_friendly_words(
    open_viewer: Callable[..., Any], serve: Callable[..., Any], empty_database: str, tmp_path: Path
) -> None:
    app = create_app(Settings(workspace=tmp_path, database_url=None, samples=False), empty_database)
    with serve(app, empty_database) as empty:
        viewer = open_viewer(None, origin=empty.url)
        viewer.page.goto(empty.url)
        expect(viewer.page.get_by_text("There is nothing to show yet.")).to_be_visible()
        viewer.settle()  # the map under it still comes, and the server must outlive that


def test_a_layer_that_is_gone_is_named_and_the_rest_is_shown(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=trees,<b>unicorns</b>")
    notice = viewer.page.get_by_text("Not available now: <b>unicorns</b>.")
    expect(notice).to_be_visible()
    viewer.page.get_by_role("button", name="Close", exact=True).click()
    expect(notice).to_have_count(0)
    assert viewer.count("trees") > 0


def test_the_page_speaks_the_language_of_its_reader(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=trees", locale="de-AT")
    assert viewer.page.locator("html").get_attribute("lang") == "de"
    expect(viewer.page.locator(".count")).to_contain_text("Bäume")
    viewer.page.get_by_label("Sprache").select_option("fr")
    expect(viewer.page.locator(".count")).to_contain_text("arbres")
    assert "lang=fr" in viewer.address()


@pytest.mark.slow
def test_the_link_to_share_states_its_layers_and_what_is_selected(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/", permissions=["clipboard-read", "clipboard-write"])
    shown = [
        switch.get_attribute("aria-describedby") for switch in viewer.page.get_by_role("switch", checked=True).all()
    ]
    ids = [str(about).removeprefix("about-") for about in shown]
    assert parse_qs(urlsplit(viewer.address()).query)["layers"] == [",".join(ids)]
    viewer = open_viewer(f"/?layers=trees{NEAR}", permissions=["clipboard-read", "clipboard-write"])
    viewer.in_view().first.click()
    dialog = viewer.page.get_by_role("dialog")
    expect(dialog.locator("dd").first).to_be_visible()
    title = dialog.get_by_role("heading").inner_text()
    viewer.settle().page.get_by_role("button", name="Copy a link to this view").click()
    expect(viewer.page.get_by_text("The link is copied.")).to_be_visible()
    link = viewer.page.evaluate("navigator.clipboard.readText()")
    assert link.replace("&map=", "#") == viewer.page.url
    query = parse_qs(urlsplit(link).query)
    assert query["layers"] == ["trees"]
    assert query["select"][0].startswith("trees/")
    again = open_viewer(link.removeprefix(viewer.origin))
    expect(again.page.get_by_role("dialog").get_by_role("heading")).to_have_text(title)


def test_what_the_page_does_not_know_of_a_link_is_named_and_kept(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=trees,unicorns&filter.unicorns=horns%3D1&colour=blue")
    notice = viewer.page.get_by_role("status").filter(has_text="colour")
    expect(notice).to_contain_text("Not available now: unicorns.")
    viewer.switch("Trees").uncheck()
    viewer.settle().page.get_by_role("button", name="Close", exact=True).click()
    expect(notice).to_have_count(0)
    query = parse_qs(urlsplit(viewer.address()).query)
    assert query["layers"] == ["unicorns"]
    assert (query["filter.unicorns"], query["colour"]) == (["horns=1"], ["blue"])


def test_a_time_window_and_an_area_in_the_address_filter_map_and_counts(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=crime,trees&time=2024-03-01/2024-05-31&area=-28.62,45.19,-28.6,45.21")
    inside = "ST_Intersects(geom_3857, ST_Transform(ST_MakeEnvelope(-28.62, 45.19, -28.6, 45.21, 4326), 3857))"
    then = "reported_at >= '2024-03-01Z' AND reported_at < '2024-06-01Z'"
    assert viewer.count("crime") == sql(f"SELECT count(*) FROM layers.crime WHERE {inside} AND {then}") > 0
    planted = "planted BETWEEN '2024-03-01' AND '2024-05-31'"
    assert viewer.count("trees") == sql(f"SELECT count(*) FROM layers.trees WHERE {inside} AND {planted}") > 0
    filters = [
        parse_qs(urlsplit(url).query).get("filter", [""])[0] for url in viewer.requests if "/tiles/crime/" in url
    ]
    assert filters
    assert all("S_INTERSECTS" in text and "2024-06-01" in text for text in filters)
    viewer.page.get_by_role("button", name="Remove filter: Only in the chosen area").click()
    assert viewer.settle().count("crime") == sql(f"SELECT count(*) FROM layers.crime WHERE {then}")


@pytest.mark.parametrize("number", [1, 3, 6])
@pytest.mark.slow
def test_a_first_visit_asks_at_most_three_times_a_layer_and_then_rests(
    open_viewer: Callable[..., Any], number: int
) -> None:
    layers = ["crime", "bike-paths", "trees", "sewage-sampling", "air-quality", "districts"][:number]
    viewer = open_viewer(f"/?layers={','.join(layers)}")
    assert all(viewer.count(layer) > 0 for layer in layers)
    # The catalogue is read again in time, and what the browser has kept may be asked of it again.
    kept = re.compile(r"/api/layers\?lang=en$|/assets/|/fonts/|\.svg$")
    data = [url for url in viewer.requests if not kept.search(url)]
    assert sorted(data) == sorted(set(data))
    asked = [url for url in data if "/api/layers/" in url or re.search(r"/tiles/[^/]+\.json", url)]
    assert len(asked) <= 3 * number
    viewer.page.wait_for_timeout(2000)
    settled = len(viewer.requests)
    viewer.page.wait_for_timeout(3000)
    # What filters need is fetched once the map has stood for a while, which may be now.
    assert [url for url in viewer.requests[settled:] if not re.search(r"/api/layers\?|/assets/", url)] == []


def test_a_first_view_asks_for_its_tiles_before_maplibre_has_come_and_for_nothing_that_the_page_has_told(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(None)
    held: list[Any] = []

    def hold(route: Any) -> None:
        if "released" in held:
            route.continue_()
        else:
            held.append(route)

    viewer.page.route("**/assets/maplibre-gl-*.js", hold)
    with viewer.page.expect_request(re.compile(r"/tiles/crime/\d+/")):
        viewer.page.goto(f"{viewer.origin}/?layers=crime,districts", wait_until="commit")
    waiting = list(held)
    held.append("released")
    for route in waiting:
        route.continue_()
    viewer.settle()
    tiles = [url for url in viewer.requests if re.search(r"/tiles/.*\.mvt", url)]
    assert sorted(tiles) == sorted(set(tiles))
    assert [url for url in viewer.requests if re.search(r"/styles/|/api/(?!changes)|/tiles/[^/]+\.json", url)] == []


def test_the_tiles_are_asked_for_with_the_filter_and_no_request_leaves_the_origin(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(f"/?layers=crime&filter.crime={quote(BURGLARY)}")
    viewer.in_view().first.click()
    expect(viewer.page.get_by_role("dialog").locator("dd").first).to_be_visible()
    tiles = [urlsplit(url) for url in viewer.requests if "/tiles/crime/" in url]
    assert tiles
    assert all(parse_qs(tile.query)["filter"] == [BURGLARY] for tile in tiles)
    assert any("/fonts/" in url for url in viewer.requests)
    assert [url for url in viewer.requests if not viewer.is_own(url) and not url.startswith("data:")] == []
