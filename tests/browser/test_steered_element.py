"""`<city-map>` as a page steers it: what is set is shown, whenever it is set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from newspaper import Host
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NOTES = """
window.told = [];
for (const name of ["ready", "change"]) addEventListener(`city-map-${name}`, ({ detail }) => told.push([name, detail]));
window.map = document.createElement("city-map");
"""
MAKE = "document.querySelector('main').append(map)"


def by_filter(*values: str) -> str:
    return f"?layers=crime&filter.crime=category IN ('{"','".join(values)}')"


def told(page: Page, condition: str, since: int = 0) -> None:
    page.wait_for_function(
        f"told.slice({since}).some(([name, detail]) => name === 'change' && ({condition}))", timeout=90_000
    )


def set_query(page: Page, query: str) -> int:
    """How much was told before."""
    return int(page.evaluate("query => { const before = told.length; map.query = query; return before }", query))


def test_a_state_is_shown_whenever_the_page_sets_it(host: Host, server: Any) -> None:
    page = host.open(f"<script>{NOTES}</script>")
    # Before its script is there, right after it was made, and in the moment in which it is ready.
    page.evaluate("url => { map.server = url; map.query = '?layers=parks' }", server.url)
    page.evaluate(MAKE)
    page.add_script_tag(url=f"{server.url}/element.js")
    page.evaluate("map.query = '?layers=bike-paths'; map.query = '?layers=trees'; map.height = 300")
    page.evaluate(
        "query => map.addEventListener('city-map-ready', () => (map.query = query), {once: true})",
        by_filter("burglary"),
    )
    told(page, "detail.filters.crime?.includes('burglary') && 'crime' in detail.counts")
    assert page.evaluate("told.filter(([name]) => name === 'ready').length") == 1
    # Several times at once: the last one counts.
    for value in ("theft", "assault", "robbery", "burglary"):
        set_query(page, by_filter(value))
    before = set_query(page, by_filter("fraud", "theft"))
    told(page, "detail.filters.crime?.includes('fraud') && 'crime' in detail.counts", before)
    # No count is told of under another filter than its own.
    counts = "told.flatMap(([, {filters, counts}]) => counts?.crime ? [filters.crime + ' ' + counts.crime] : [])"
    several = {text.rpartition(" ")[0]: text.rpartition(" ")[2] for text in page.evaluate(counts)}
    assert len(set(several.values())) == len(several)
    assert len(several) > 1
    # Back to one that was shown before.
    before = set_query(page, by_filter("burglary"))
    told(page, "detail.filters.crime?.includes('burglary')", before)
    # The same again, while another is shown.
    before = page.evaluate("told.length")
    page.evaluate(
        "map.shadowRoot.querySelector('iframe').contentWindow"
        ".postMessage({target: 'city-map', query: '?layers=trees'}, '*')"
    )
    told(page, "'trees' in detail.counts", before)
    before = set_query(page, by_filter("burglary"))
    told(page, "detail.filters.crime?.includes('burglary')", before)
    # And when the frame is loaded anew.
    before = set_query(page, by_filter("theft"))
    told(page, "detail.filters.crime?.includes('theft')", before)
    before = page.evaluate("told.length")
    page.frames[1].evaluate("location.reload()")
    told(page, "detail.filters.crime?.includes('theft')", before)


def test_a_map_of_a_whole_address_is_steered_too_and_keeps_its_theme(host: Host, server: Any) -> None:
    page = host.open(f"<script>{NOTES}</script><script src='{server.url}/element.js'></script>")
    page.evaluate(
        f"Object.assign(map, {{src: {json.dumps(server.url + '/?layers=trees')}, theme: 'dark', height: 300}})"
    )
    page.evaluate(MAKE)
    set_query(page, by_filter("burglary"))  # before the map is there
    told(page, "detail.filters.crime?.includes('burglary')")
    before = set_query(page, "?layers=bike-paths")
    told(page, "'bike-paths' in detail.counts", before)
    assert page.frames[1].evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("map.query").count("layers=bike-paths") == 1
