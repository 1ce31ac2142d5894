"""Chart, table and search over data that are few, many, broken off or far away, and while the line is gone or slow."""

from __future__ import annotations

import datetime
import random
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from playwright.sync_api import expect

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LAYER = """
title = "{title}"
license = "CC0-1.0"
source = "{name}.csv"
kind = "points"
{more}
fields.code = {{ title = "Code", type = "text", filter = "search" }}
fields.kind = {{ title = "Kind", type = "text", filter = "choice" }}
fields.value = {{ title = "Value", type = "number", filter = "range" }}
"""
DAY = """time = "day"
fields.day = { title = "Day", type = "date", filter = "range" }"""
MANY = 10_000  # categories


def write_rows() -> dict[str, list[tuple[Any, ...]]]:
    """By layer: code, kind, value and, where the layer has one, day."""
    chance = random.Random(5)
    first = datetime.date(2024, 1, 1)
    days = [first + datetime.timedelta(days=number) for number in range(366)]
    kept = [
        day for day in days if day.month not in (3, 7) and day.day != 13
    ]  # a gap of a month twice, and of single days
    return {
        "daily": [(f"d{day:%j}", chance.choice("abc"), round(chance.uniform(0, 9), 2), day) for day in kept],
        "timeless": [(f"t{number}", "ab"[number % 2], number / 4) for number in range(30)],
        "single": [("only", "lonely", 1.5, datetime.date(2024, 2, 29))],
        "far": [("now", "a", 1, days[0]), ("then", "b", 2, "9999-12-31"), ("once", "a", 3, "0001-01-01")],
        "crowd": [(f"c{number}", f"Kind {number % MANY:05}", number, ) for number in range(2 * MANY)],
    }  # fmt: skip


@pytest.fixture(scope="module")
def awkward(
    make_database: Callable[..., str],
    empty_template: str,
    serve: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("awkward")
    (folder / "layers").mkdir()
    url = make_database(template=empty_template)
    for name, rows in write_rows().items():
        dated = len(rows[0]) == 4
        more = f'label = "code"\n{DAY if dated else ""}'
        text = LAYER.format(title=f"Rows {name}", name=name, more=more)
        (folder / "layers" / f"{name}.toml").write_text(text)
        lines = ["lon,lat,code,kind,value" + (",day" if dated else "")]
        lines += [f"{-28.6 + number % 50 / 1000},{45.2 + number % 40 / 1000}," + ",".join(map(str, row))
                  for number, row in enumerate(rows)]  # fmt: skip
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        load(read_layer(folder / "layers" / f"{name}.toml"), url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    with serve(create_app(Settings(workspace=folder, database_url=None), url), url) as running:
        yield running


def read_sum(page: Any) -> int:
    """What the rows of the table behind a chart come to."""
    page.locator(".chart .room[aria-busy=false]").wait_for()
    switch = page.get_by_role("button", name="As a table")
    if switch.count():
        switch.click()
    texts = page.locator(".chart tbody tr:not(.off) td").all_text_contents()
    return sum(int(re.sub(r"\D", "", text) or 0) for text in texts)


@pytest.mark.parametrize("name", ["daily", "timeless", "single", "far", "crowd"])
def test_every_kind_of_chart_and_the_table_tell_of_all_rows(
    open_viewer: Callable[..., Any], awkward: Any, name: str
) -> None:
    rows = write_rows()[name]
    charts = ["kind", "value:10"] + (["day:auto", "day:day", "day:decade"] if len(rows[0]) == 4 else [])
    if name == "far":
        charts.remove("day:day")  # three and a half million bars
    viewer = open_viewer(f"/?layers={name}", origin=awkward.url)
    assert viewer.count(name) == len(rows)
    for chart in ["", *charts]:
        viewer.page.goto(f"{awkward.url}/?layers={name}&tab=chart&chart={chart}")
        viewer.settle()
        assert read_sum(viewer.page) == len(rows), chart
    viewer.page.goto(f"{awkward.url}/?layers={name}&tab=table&sort=-value")
    grid = viewer.page.get_by_role("grid")
    grid.locator("[data-fid]").first.wait_for()
    assert grid.get_attribute("aria-rowcount") == str(len(rows) + 1)


def test_days_without_rows_are_gaps_and_not_left_out(open_viewer: Callable[..., Any], awkward: Any) -> None:
    viewer = open_viewer("/?layers=daily&tab=chart&chart=day:day", origin=awkward.url)
    assert read_sum(viewer.page) == len(write_rows()["daily"])
    assert viewer.page.locator(".chart tbody tr").count() == 366


def test_a_filter_that_leaves_nothing_says_so_in_chart_and_table(open_viewer: Callable[..., Any], awkward: Any) -> None:
    for name in ("daily", "timeless", "single"):
        for tab in ("chart", "table"):
            viewer = open_viewer(f"/?layers={name}&filter.{name}=value%3E1000&tab={tab}", origin=awkward.url)
            viewer.settle()
            assert viewer.count(name) == 0
            panel = viewer.page.get_by_role("tabpanel", name=re.compile("Chart|Table"))
            expect(panel).to_contain_text("0 of")
            expect(panel).to_contain_text(re.compile("[Nn]othing|no row"))
            viewer.page.context.close()


def test_of_ten_thousand_values_one_is_a_filter_and_the_chart_tells_of_the_others_together(
    open_viewer: Callable[..., Any], awkward: Any
) -> None:
    one = "filter.crowd=kind%20IN%20('Kind%2004711')"
    viewer = open_viewer(f"/?layers=crowd&{one}&tab=chart&chart=kind", origin=awkward.url)
    assert viewer.count("crowd") == 2
    filters = viewer.open_filters("crowd")
    filters.get_by_role("checkbox", name=re.compile("^Kind 04711")).uncheck()
    viewer.settle()
    assert viewer.count("crowd") == read_sum(viewer.page) == 2 * MANY
    assert filters.get_by_role("checkbox").count() < 100


def test_chart_table_and_search_say_that_the_line_is_gone_and_come_back_with_it(
    open_viewer: Callable[..., Any], awkward: Any
) -> None:
    viewer = open_viewer("/?layers=daily&tab=chart&chart=kind", origin=awkward.url)
    page = viewer.page
    viewer.expected_faults = ("ERR_INTERNET_DISCONNECTED", "Failed to fetch", "ERR_NETWORK", "Failed to load")
    assert read_sum(page) == len(write_rows()["daily"])
    page.context.set_offline(True)
    page.get_by_role("button", name="How large").click()
    notice = page.get_by_role("alert").filter(has_text="The server does not answer")
    expect(notice).to_be_visible()
    page.get_by_role("tab", name="Table").click()
    expect(page.get_by_role("tabpanel", name="Table").get_by_role("alert")).to_be_visible()
    page.get_by_role("combobox", name="Search").fill("d001")
    expect(page.get_by_text(re.compile("could not be|does not answer|not be asked")).first).to_be_visible()
    page.context.set_offline(False)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(notice).to_have_count(0)
    page.get_by_role("grid").locator("[data-fid]").first.wait_for()
    page.get_by_role("tab", name="Chart").click()
    assert read_sum(page) == len(write_rows()["daily"])


def test_on_a_slow_line_chart_table_and_search_have_words_until_there_is_an_answer(
    open_viewer: Callable[..., Any], awkward: Any
) -> None:
    viewer = open_viewer("/?layers=daily", origin=awkward.url)
    page = viewer.page
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 1500, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
    session.send("Network.emulateNetworkConditions", slow)
    for tab in ("Chart", "Table"):
        page.get_by_role("tab", name=tab).click()
        panel = page.get_by_role("tabpanel", name=tab)
        expect(panel).to_contain_text(re.compile(r"\w"))
        viewer.settle()
    page.get_by_role("combobox", name="Search").fill("d00")
    expect(page.get_by_role("option").first).to_be_visible()
