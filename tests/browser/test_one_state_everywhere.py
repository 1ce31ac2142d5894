"""Random states of the viewer say one count on card, map, chart, table, download, OGC items and in SQL, there and back.

`GEOSERVER_STATES_SEED` draws other states; the seed stands in the name of the test that fails.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode, urlsplit

import mapbox_vector_tile
import mercantile
import pytest
from axe_playwright_python.sync_playwright import Axe
from states import LAYERS, draw_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from states import State

pytestmark = pytest.mark.browser

SEED = int(os.environ.get("GEOSERVER_STATES_SEED", "13"))
LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NUMBER = re.compile(r"\d+(?:[.,\s\u202f\u00a0]\d{3})*")
EXTENT = 4096
RELOAD = 5  # each so many states the page is opened anew, and walks within itself between


def first_number(text: str) -> int:
    """The first of "1,234 of 60,000 reports", in the order and with the signs of any of the page's languages."""
    said = text.split(": ", 1)[-1]  # German tells what is counted first
    found = NUMBER.search(said)
    assert found, text
    return int(re.sub(r"\D", "", found[0]))


class Walk:
    """One page, led from state to state."""

    def __init__(self, viewer: Any, sql: Callable[[str], Any], seed: int) -> None:
        self.viewer, self.page, self.sql = viewer, viewer.page, sql
        self.chance = random.Random(seed)
        found = [self.read_json(f"/api/layers/{name}") for name in LAYERS]
        self.layers = {layer["id"]: layer for layer in found}
        viewer.open("/?layers=crime")
        viewer.page.wait_for_function("() => location.hash.includes('/')")
        self.home = "#" + viewer.address().split("#")[1]
        self.phone = viewer.page.viewport_size["width"] < 720
        self.history: list[tuple[State, str, dict[str, int]]] = []

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.viewer.origin}{path}", timeout=120) as answer:
            body: bytes = answer.read()
        return body

    def read_json(self, path: str) -> Any:
        return json.loads(self.read(path))

    def draw(self) -> State:
        return draw_state(self.layers, self.layers["crime"]["bounds"], self.home, self.chance)

    def go(self, state: State) -> None:
        """By a link, or as if the address was pasted over that of the page."""
        if len(self.history) % RELOAD == 0:
            self.viewer.page.goto(self.viewer.origin + state.address)
        else:
            paste = "address => { history.pushState(null, '', address); dispatchEvent(new PopStateEvent('popstate')); }"
            self.page.evaluate(paste, state.address)
        self.settle(state)

    def settle(self, state: State) -> None:
        """Until the page speaks the state's language, tells a count of each of its layers, and has drawn the map."""
        there = """([ids, language]) => document.documentElement.lang === language
            && ids.every(id => document.querySelector(`.count[data-layer="${id}"]`))"""
        self.page.wait_for_function(there, arg=[list(state.layers), state.language])
        # On a phone the map lies behind a chart or a table.
        idle = (
            "() => document.querySelector('#map[data-state=idle]') && !document.querySelector('.count[data-busy=true]')"
        )
        self.page.wait_for_function(idle)

    def counts(self) -> dict[str, int]:
        """By layer, as the cards tell it."""
        told = self.page.locator(".count[data-layer]").all()
        return {one.get_attribute("data-layer"): first_number(one.text_content()) for one in told}

    def check(self, state: State) -> dict[str, int]:
        """Every place says what SQL counts."""
        told = self.counts()
        assert set(told) >= set(state.layers), state.address
        for name in state.layers:
            asked = state.ask(name)
            expected = self.sql(f"SELECT count(*) FROM layers.{name.replace('-', '_')} WHERE {asked.sql}")
            assert told[name] == expected, f"card of {name}: {state.address}"
            query = urlencode({"filter": asked.cql2} if asked.cql2 else {})
            items = self.read_json(f"/ogc/collections/{name}/items?limit=1&f=json&{query}")
            assert items["numberMatched"] == expected, f"items of {name}: {state.address}"
            rows = csv.reader(io.StringIO(self.read(f"/download/{name}.csv?{query}").decode("utf-8-sig"), newline=""))
            assert len(list(rows)) - 1 == expected, f"file of {name}: {state.address}"
            if self.layers[name]["kind"] == "points":
                assert self.count_tiles(name, query) == expected, f"tiles of {name}: {state.address}"
        self.check_tab(state, told)
        return told

    def check_tab(self, state: State, told: dict[str, int]) -> None:
        expected = told[state.subject]
        if not state.tab:
            if len(state.layers) == 1 and not self.phone:
                self.check_in_view(state, expected)
            return
        count = self.page.locator(f".count[data-subject={state.subject}]")
        assert first_number(count.text_content()) == expected, f"tab: {state.address}"
        if state.tab == "table":
            assert self.count_rows(expected) == expected, f"table: {state.address}"
        else:
            assert self.sum_chart(expected) == expected, f"chart: {state.address}"

    def count_rows(self, expected: int) -> int:
        if not expected:
            assert self.page.locator("[role=grid] [data-fid]").count() == 0
            return 0
        self.page.locator("[role=grid] [data-fid]").first.wait_for()
        return int(self.page.locator("[role=grid]").get_attribute("aria-rowcount")) - 1

    def sum_chart(self, expected: int) -> int:
        """Of what the filter leaves; bars beside it stand there to be chosen instead."""
        room = self.page.locator(".chart .room[aria-busy=false]")
        room.wait_for(state="attached")
        if not expected and not room.is_visible():  # there is nothing to draw
            return 0
        switch = self.page.locator(".chart .actions > button[aria-pressed]")
        if switch.get_attribute("aria-pressed") == "false":
            switch.click()
        rows = self.page.locator(".chart tbody tr:not(.off) td").all_text_contents()
        return sum(int(re.sub(r"\D", "", text)) for text in rows)

    def check_in_view(self, state: State, expected: int) -> None:
        """The list beside the map tells what is drawn, if not the nearest of many alone."""
        self.page.locator("#tab-inView").click()
        status = self.page.locator("#panel-body .say")
        status.wait_for()
        self.viewer.settle()
        squares = [first_number(text) for text in status.locator("strong").all_text_contents()]
        others = status.locator("p:not(:has(strong))").all_text_contents()
        drawn = [first_number(text) for text in others if NUMBER.search(text)]
        self.page.locator("#tab-layers").click()
        if max(drawn, default=0) < 50:
            assert sum(squares) + sum(drawn) == expected, f"map: {state.address}"

    def count_tiles(self, layer: str, query: str) -> int:
        """Points and what squares count, in the tiles that the page's own address of tiles names, at its own zoom."""
        plan = self.read_json(f"/tiles/{layer}.json?{query}")
        zoom = min(int(float(self.home[1:].split("/")[0])), plan["maxzoom"])
        total = 0
        for tile in mercantile.tiles(*self.layers[layer]["bounds"], zooms=zoom):
            address = plan["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y)
            parts = urlsplit(address)
            body = self.read(f"{parts.path}?{parts.query}")
            if not body:
                continue
            decoded = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})
            places = [item["geometry"]["coordinates"] for item in decoded.get(layer, {"features": []})["features"]]
            total += sum(0 <= x < EXTENT and 0 <= y < EXTENT for x, y in places)
            total += sum(
                item["properties"]["count"] for item in decoded.get(f"{layer}:bins", {"features": []})["features"]
            )
        return total

    def find_faults(self) -> list[str]:
        violations = Axe().run(self.page, options=LEVELS).response["violations"]
        return [f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"]]

    def walk(self, steps: int, axe_each: int) -> None:
        faults: list[str] = []
        for step in range(steps):
            state = self.draw()
            self.go(state)
            told = self.check(state)
            self.history.append((state, self.viewer.address(), told))
            if step % axe_each == 0:
                faults += [f"{fault}: {state.address}" for fault in self.find_faults()]
        assert faults == []
        for at in range(steps - 2, -1, -1):
            self.page.go_back(wait_until="commit")
            self.compare(at)
        for at in range(1, steps):
            self.page.go_forward(wait_until="commit")
            self.compare(at)

    def compare(self, at: int) -> None:
        """The page is where it was, and says the same."""
        state, address, told = self.history[at]
        # What a link encodes, the page writes plainly where it may.
        there = "address => decodeURIComponent(location.href) === address"
        self.page.wait_for_function(there, arg=unquote(self.viewer.origin + address))
        self.settle(state)
        assert self.counts() == told, address
        assert unquote(self.viewer.address()) == unquote(address)


def test_a_few_states_say_one_count_everywhere_and_come_back(open_viewer: Callable[..., Any], sql: Any) -> None:
    Walk(open_viewer(None, **DESK), sql, SEED).walk(3, axe_each=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [SEED + 1])
def test_forty_states_say_one_count_everywhere_and_come_back_on_a_desk(
    open_viewer: Callable[..., Any], sql: Any, seed: int
) -> None:
    Walk(open_viewer(None, **DESK), sql, seed).walk(40, axe_each=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [SEED + 2])
def test_forty_states_say_one_count_everywhere_and_come_back_on_a_phone(
    open_viewer: Callable[..., Any], sql: Any, seed: int
) -> None:
    Walk(open_viewer(None, **PHONE), sql, seed).walk(40, axe_each=2)
