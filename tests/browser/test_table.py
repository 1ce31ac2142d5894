"""The table beside the map: the same rows, in any order, to the end; by mouse, keyboard and finger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
OTHERS = "filter.crime=category<>'burglary'"


def grid_of(page: Page) -> Locator:
    """The table, once its first rows are there."""
    grid = page.get_by_role("grid")
    grid.locator("[data-fid]").first.wait_for()
    return grid


def row_at(grid: Locator, number: int) -> Locator:
    """A row that is seen, by its number from 0, once it is there."""
    row = grid.locator(f"[role=row][aria-rowindex='{number + 2}'][data-fid]")
    row.wait_for()
    return row


def fid_of(row: Locator) -> int:
    return int(row.get_attribute("data-fid") or "")


def find_violations(page: Page) -> list[str]:
    found = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.slow
def test_the_table_leads_to_its_last_row_and_to_any_between_and_says_the_same_count(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer(f"/?layers=crime&{OTHERS}&tab=table&sort=-reported_at,incident")
    page, grid = viewer.page, grid_of(viewer.page)
    order = "FROM layers.crime WHERE category <> 'burglary' ORDER BY reported_at DESC NULLS LAST, incident, fid"
    count = sql("SELECT count(*) FROM layers.crime WHERE category <> 'burglary'")
    assert viewer.count("crime") == count > 10_000  # so many that pages begin at marks
    assert grid.get_attribute("aria-rowcount") == str(count + 1)
    expect(page.locator(".count[data-subject=crime]")).to_have_text(viewer.count_text("crime"))
    grid.focus()
    viewer.press("Control+End")
    assert fid_of(row_at(grid, count - 1)) == sql(f"SELECT fid {order} OFFSET {count - 1} LIMIT 1")
    active = grid.get_attribute("aria-activedescendant")
    assert page.locator(f"[id='{active}']").get_attribute("aria-colindex") == grid.get_attribute("aria-colcount")
    grid.evaluate("element => element.scrollTo(0, element.scrollHeight * 0.6)")
    page.wait_for_function("count => document.querySelector('[role=grid]').dataset.first < count - 100", arg=count)
    first = int(grid.get_attribute("data-first") or "") + 2
    assert abs(first - count * 0.6) < 50
    assert fid_of(row_at(grid, first)) == sql(f"SELECT fid {order} OFFSET {first} LIMIT 1")


@pytest.mark.slow
def test_a_table_stays_where_it_is_when_a_row_is_edited(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=trees&tab=table")
    page, grid = viewer.page, grid_of(viewer.page)
    grid.evaluate("element => element.scrollTo(0, 20_000)")
    page.wait_for_function("() => document.querySelector('[role=grid]').dataset.first > 300")
    first = int(grid.get_attribute("data-first") or "")
    row = row_at(grid, first + 2)
    fid = fid_of(row)
    edit = "UPDATE layers.trees SET species = '{}' WHERE fid = {} RETURNING fid"
    before = sql(f"SELECT species FROM layers.trees WHERE fid = {fid}")
    sql(edit.format("Arbor nova", fid))
    try:
        expect(row).to_contain_text("Arbor nova")
        assert grid.get_attribute("data-first") == str(first)
        assert fid_of(row_at(grid, first + 2)) == fid
    finally:
        sql(edit.format(before, fid))


def test_headings_sort_and_columns_move_and_both_are_in_the_address_and_steps_back(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=trees&tab=table")
    page, grid = viewer.page, grid_of(viewer.page)
    heading = grid.get_by_role("columnheader", name="Height")
    heading.click()
    heading.click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    grid.get_by_role("columnheader", name="Species").click(modifiers=["Shift"])
    assert "&sort=-height,species" in viewer.address()
    wanted = sql("SELECT fid FROM layers.trees ORDER BY height DESC NULLS LAST, species, fid LIMIT 1")
    expect(grid.locator("[aria-rowindex='2']")).to_have_attribute("data-fid", str(wanted))
    viewer.press("ArrowUp", "Alt+ArrowLeft")  # the reader is in the heading that was pressed
    names = re.search(r"&columns=([\w,]+)", viewer.address())
    assert names
    assert names[1].split(",")[0] == "species"
    expect(grid.get_by_role("columnheader").first).to_have_text(re.compile("Species"))
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("dialog").get_by_role("checkbox", name="Height").uncheck()
    expect(heading).to_have_count(0)
    assert "sort=-height,species" in viewer.address()
    page.go_back()
    expect(heading).to_have_count(1)


def test_columns_that_a_link_asks_for_in_vain_and_a_row_that_is_gone_are_told(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=trees&tab=table&sort=-heigth&columns=species,girth2&select=trees/999999")
    viewer.expected_faults = ("404",)
    page = viewer.page
    note = page.get_by_text("The link asks for columns that this layer does not have: heigth, girth2.")
    expect(note).to_be_visible()
    expect(page.get_by_role("alert").get_by_text("This entry is no longer there.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    note.get_by_role("button", name="Close").click()
    expect(note).to_have_count(0)
    assert "columns=species" in page.url
    assert "sort=" not in page.url


@pytest.mark.slow
def test_a_row_is_shown_on_the_map_and_what_is_selected_there_in_the_table(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=crime&tab=table&sort=outcome")
    page, grid = viewer.page, grid_of(viewer.page)
    grid.focus()
    viewer.press("ArrowDown", "ArrowDown", "Enter")
    fid = fid_of(row_at(grid, 2))
    card = page.get_by_role("dialog", name=re.compile("2021|2022|2023|2024|2025"))
    card.wait_for()
    assert f"select=crime/{fid}" in viewer.address()
    expect(row_at(grid, 2)).to_have_attribute("aria-current", "true")
    expect(card).to_be_focused()
    viewer.press("Escape")
    expect(grid).to_be_focused()
    order = "FROM layers.crime ORDER BY outcome NULLS LAST, fid"
    there = sql(f"SELECT fid {order} OFFSET 41234 LIMIT 1")
    viewer.open(f"/?layers=crime&tab=table&sort=outcome&select=crime/{there}")
    row = grid_of(page).locator("[aria-current=true]")
    row.wait_for()
    assert (fid_of(row), row.get_attribute("aria-rowindex")) == (there, "41236")


@pytest.mark.slow
def test_a_layer_that_is_switched_off_takes_its_table_and_its_chart_with_it(open_viewer: Callable[..., Any]) -> None:
    for tab, part in (("table", "grid"), ("chart", "listbox")):
        viewer = open_viewer(f"/?layers=trees&tab={tab}")
        viewer.page.get_by_role(part).wait_for()
        viewer.switch("Trees").uncheck()
        expect(viewer.page.get_by_text("Switch a layer on to see it here.")).to_be_visible()
        viewer.switch("Reported crime").check()
        viewer.page.get_by_role(part).wait_for()


def test_a_cell_and_rows_are_copied_for_a_spreadsheet(
    open_viewer: Callable[..., Any], sql: Callable[[str], Any]
) -> None:
    viewer = open_viewer("/?layers=trees&tab=table&columns=species,height")
    page, grid = viewer.page, grid_of(viewer.page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    grid.focus()
    viewer.press("Control+c")
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    read = "() => navigator.clipboard.readText()"
    assert page.evaluate(read) == sql("SELECT species FROM layers.trees ORDER BY fid LIMIT 1")
    viewer.press("Space", "Shift+ArrowDown", "Shift+ArrowDown", "Control+c")
    expect(page.get_by_role("status").filter(has_text="Rows copied: 3")).to_have_count(1)
    text = "string_agg(species || E'\\t' || coalesce(height::text, ''), E'\\n' ORDER BY fid)"
    rows = sql(f"SELECT {text} FROM (SELECT * FROM layers.trees ORDER BY fid LIMIT 3) AS t")
    assert page.evaluate(read) == f"Species\tHeight (m)\n{rows}"
    assert [row.get_attribute("aria-rowindex") for row in grid.locator("[aria-selected=true]").all()] == ["2", "3", "4"]
    viewer.press("Escape")
    expect(grid.locator("[aria-selected=true]")).to_have_count(0)


@pytest.mark.slow
def test_axe_finds_nothing_in_the_table_on_a_desk_and_on_a_phone_in_the_dark(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=trees&tab=table&sort=-height")
    grid_of(viewer.page).focus()
    viewer.press("Space", "ArrowDown")
    assert find_violations(viewer.page) == []
    viewer.page.get_by_role("button", name="Columns").click()
    assert find_violations(viewer.page) == []
    phone = open_viewer(None, **PHONE)  # there the map lies hidden behind
    phone.page.goto(f"{phone.origin}/?layers=crime,trees&tab=table&of=trees&base=dark")
    grid = grid_of(phone.page)
    assert find_violations(phone.page) == []
    first = grid.locator("[aria-rowindex='2'] [aria-colindex='1']").bounding_box()
    grid.evaluate("element => element.scrollTo(300, 0)")
    assert grid.locator("[aria-rowindex='2'] [aria-colindex='1']").bounding_box() == first  # it stays
    assert first is not None
    assert first["width"] <= 0.4 * 390
    assert first["height"] >= 44
