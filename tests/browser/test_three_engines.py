"""One walk through the viewer in three engines: open, switch, filter, click on the map, go by keyboard, read."""

from __future__ import annotations

import contextlib
import io
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from engines import Engine, find, run_chromium, run_firefox, run_webkit
from mortal import Mortal
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ENGINES: dict[str, tuple[Callable[[], contextlib.AbstractContextManager[Engine]], tuple[str, ...]]] = {
    "chromium": (run_chromium, ()),
    "firefox": (run_firefox, ("firefox-esr", "Xvfb")),
    "webkit": (run_webkit, ("WebKitWebDriver", "Xvfb")),
}
PATIENCE = 60  # seconds; two busy cores draw slowly
OUTPUT = Path(__file__).parent / "output"
MISSING = "apt-get install firefox-esr webkit2gtk-driver xvfb libgl1-mesa-dri"

# What is seen of an element: nothing of one that is not there or hidden.
FIND = """
    const [selector, text] = arguments;
    const seen = [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility()
        && (!text || (element.innerText || "").includes(text)
            || (element.getAttribute("aria-label") || "").includes(text)
            || [...(element.labels || [])].some((label) => label.innerText.includes(text))));
"""


class Walker:
    """Somebody in front of a browser: points, presses keys and reads."""

    def __init__(self, engine: Engine, origin: str, name: str) -> None:
        self.engine = engine
        self.origin = origin
        self.name = name
        self.pictures: list[str] = []

    def open(self, path: str) -> None:
        self.engine.open("about:blank")  # so that another hash is another page
        self.engine.open(self.origin + path)
        self.settle()

    def await_(self, condition: str, *arguments: Any) -> Any:
        """What the expression gives once that is true."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.engine.run(f"return {condition}", *arguments)):
            assert time.monotonic() < deadline, (
                condition,
                arguments,
                self.engine.run("return document.body.innerText"),
            )
            time.sleep(0.05)
        return found

    def settle(self) -> None:
        """Wait until the map is drawn and every count is there."""
        drawn = "!!document.querySelector('#map[data-state=idle]')"
        self.await_(f"{drawn} && !document.querySelector('.count[data-busy=true]')")

    def seek(self, selector: str, text: str = "") -> dict[str, float]:
        """The middle of the first such element, once there is one and it stands still."""
        script = (
            FIND
            + """
            if (!seen.length) return null;
            seen[0].scrollIntoView({ block: "nearest", behavior: "instant" });
            const box = seen[0].getBoundingClientRect();
            return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        """
        )
        deadline = time.monotonic() + PATIENCE
        before: dict[str, float] | None = None
        while True:
            place = self.engine.run(script, selector, text)
            if place and place == before:
                return dict(place)
            if time.monotonic() > deadline:
                self.look("failed")
                raise AssertionError(f"{selector} {text} is not seen, but {before}")
            before = place
            time.sleep(0.05)

    def click(self, selector: str, text: str = "") -> None:
        place = self.seek(selector, text)
        self.engine.click(place["x"], place["y"])

    def read(self, selector: str, text: str = "") -> list[str]:
        found: list[str] = self.engine.run(FIND + "return seen.map((element) => element.innerText);", selector, text)
        return found

    def count(self, layer: str) -> int:
        self.settle()
        (text,) = self.read(f".count[data-layer={layer}]")
        return int(re.sub(r"\D", "", text.split(" of ")[0]))

    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.engine.run("return location.href")).query)

    def tab_to(self, condition: str, most: int = 150) -> None:
        """Press Tab until the element with the focus fulfils the condition."""
        for _ in range(most):
            if self.engine.run(f"const here = document.activeElement; return {condition}"):
                return
            self.engine.press("Tab")
        raise AssertionError(f"{condition} is not reached by {most} times Tab")

    def look(self, title: str) -> Image.Image:
        """The page as it is drawn, which is kept to be looked at."""
        picture = Image.open(io.BytesIO(self.engine.picture())).convert("RGB")
        OUTPUT.mkdir(exist_ok=True)
        picture.save(OUTPUT / f"{self.name}-{title}.png")
        return picture

    def map_of(self, picture: Image.Image) -> Image.Image:
        box = self.engine.run("return document.querySelector('#map').getBoundingClientRect().toJSON()")
        left, top = box["x"] + 60, box["y"] + 60
        return picture.crop(
            (int(left), int(top), int(box["x"] + box["width"] - 80), int(box["y"] + box["height"] - 60))
        )


def vivid(picture: Image.Image) -> Image.Image:
    """White where a picture has the colours of data: names of streets may stand elsewhere after zooming out and in."""
    saturation = picture.convert("HSV").split()[1]
    return saturation.point(lambda value: 255 if value > 110 else 0).convert("RGB")


@pytest.fixture(scope="module", params=ENGINES)
def walker(request: Any, server: Any, built_viewer: Path) -> Iterator[Walker]:
    run, programs = ENGINES[request.param]
    if missing := [program for program in programs if not find(program)]:
        pytest.skip(f"{', '.join(missing)} not installed: {MISSING}")
    with run() as engine:
        yield Walker(engine, server.url, request.param)


def test_the_map_is_drawn_and_a_switch_and_a_filter_change_it(
    walker: Walker, sql: Callable[[str], Any], differ: Callable[..., int]
) -> None:
    walker.open("/?layers=crime#13/45.2/-28.6")
    drawn = walker.look("1-open")
    colours = walker.map_of(drawn).getcolors(1_000_000)
    assert colours
    assert len(colours) > 100
    assert walker.count("crime") == sql("SELECT count(*) FROM layers.crime")
    walker.click("[role=switch]", "Trees")
    walker.await_("!!document.querySelector('.count[data-layer=trees]')")
    assert walker.count("trees") == sql("SELECT count(*) FROM layers.trees")
    switched = walker.look("2-switched")
    assert differ(walker.map_of(drawn), walker.map_of(switched)) > 2_000
    walker.click("article:has(#about-crime) summary")
    walker.settle()
    walker.click("article:has(#about-crime) label", "Burglary")
    walker.await_("location.search.includes('burglary')")
    assert walker.count("crime") == sql("SELECT count(*) FROM layers.crime WHERE category = 'burglary'")
    assert walker.query()["filter.crime"] == ["category IN ('burglary')"]
    filtered = walker.look("3-filtered")
    assert differ(walker.map_of(switched), walker.map_of(filtered)) > 500


def test_a_click_on_the_map_opens_what_is_there(walker: Walker, sql: Callable[[str], Any]) -> None:
    fid = sql("SELECT fid FROM layers.trees WHERE height IS NOT NULL ORDER BY fid LIMIT 1")
    y, x = (
        sql(f"SELECT ST_{axis}(ST_Transform(geom_3857, 4326)) FROM layers.trees WHERE fid = {fid}") for axis in "YX"
    )
    walker.open(f"/?layers=trees#19/{y:.6f}/{x:.6f}")
    walker.click("#map")
    walker.seek("[role=dialog] dd")
    walker.look("4-clicked")
    (text,) = walker.read("[role=dialog]")
    assert sql(f"SELECT species FROM layers.trees WHERE fid = {fid}") in text
    assert f"{sql(f'SELECT height FROM layers.trees WHERE fid = {fid}'):g}" in text
    walker.click("[role=dialog] button", "Close")
    walker.await_("!document.querySelector('[role=dialog]')")


def test_the_map_is_moved_by_keyboard(walker: Walker) -> None:
    walker.open("/?layers=crime#16/45.2/-28.6")
    walker.tab_to("here.innerText === 'Skip to the map'")
    walker.engine.press("Enter")
    walker.await_("document.activeElement.matches('#map canvas')")
    before = walker.engine.run("return location.href")
    walker.engine.press("ArrowRight")
    walker.await_("location.href !== arguments[0]", before)


def test_a_feature_is_found_and_read_by_keyboard(walker: Walker) -> None:
    walker.open("/?layers=crime#16/45.2/-28.6")
    walker.tab_to("here.matches('[role=tab][aria-selected=true]')")
    walker.engine.press("ArrowRight")
    walker.await_("document.querySelectorAll('#panel-body ul button').length > 0")
    walker.tab_to("here.matches('#panel-body ul button')")
    title = walker.engine.run("return document.activeElement.querySelector('.title').innerText")
    walker.engine.press("Enter")
    walker.seek("[role=dialog] dd")
    walker.look("5-by-keyboard")
    assert title in walker.read("[role=dialog]")[0]
    assert walker.engine.run("return document.activeElement.matches('[role=dialog]')")
    walker.engine.press("Escape")
    walker.await_("document.activeElement.matches('#panel-body ul button')")


def test_the_list_in_view_holds_still_under_the_pointer(walker: Walker) -> None:
    walker.open("/?layers=crime#17/45.2/-28.6")
    walker.click("[role=tab]", "In view")
    walker.click("#panel-body ul button")
    walker.seek("[role=dialog] dd")
    walker.engine.press("Escape")
    walker.await_("!document.querySelector('[role=dialog]')")
    listed = walker.read("#panel-body ul button")
    walker.engine.run("document.querySelector('#map canvas').focus()")
    before = walker.engine.run("return location.href")
    for _ in range(3):
        walker.engine.press("ArrowRight")
    walker.await_("location.href !== arguments[0]", before)
    walker.seek("#panel-body button", "Show what is in view now")
    walker.settle()
    assert walker.read("#panel-body ul button") == listed
    walker.look("6-held")
    walker.click("[role=tab]", "In view")  # the pointer has left the list
    walker.await_("!document.querySelector('.renew button')")
    assert walker.read("#panel-body ul button") != listed


def test_a_server_that_is_gone_is_waited_for(
    walker: Walker, city_database: str, tmp_path: Path, differ: Callable[..., int]
) -> None:
    with contextlib.closing(Mortal(tmp_path, city_database)) as server:
        server.start()
        own = Walker(walker.engine, server.url, walker.name)
        own.open("/?layers=trees#16/45.2/-28.6")
        drawn = vivid(own.map_of(own.look("6-before")))
        assert drawn.convert("L").histogram()[255] > 5_000
        server.close()
        own.click("button", "Zoom out")
        own.await_("document.body.innerText.includes('The server does not answer.')")
        own.look("7-gone")
        server.start()
        own.await_("!document.querySelector('[role=alert]')")
        own.click("button", "Zoom in")
        own.await_("location.hash.startsWith('#16')")
        own.settle()
        assert differ(drawn, vivid(own.map_of(own.look("8-back")))) < 100
