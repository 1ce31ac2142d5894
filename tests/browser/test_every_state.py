"""axe in every state of the page that no other test brings about: few pages, each walked through many states."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


class Walk:
    """A page, and what axe finds in each of the states that it is brought into."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.page = viewer.page
        self.found: list[str] = []

    def look(self, state: str) -> None:
        violations = Axe().run(self.page, options=LEVELS).response["violations"]
        self.found += [
            f"{state}: {each['id']}: {node['html']} {node['failureSummary']}"
            for each in violations
            for node in each["nodes"]
        ]

    def look_in_all_lights(self, state: str) -> None:
        for scheme in ("light", "dark"):
            self._show(color_scheme=scheme)
            self.look(f"{state}, {scheme}")
        self._show(color_scheme="light", forced_colors="active")
        self.look(f"{state}, forced colours")
        self._show(forced_colors="none")

    def _show(self, **media: Any) -> None:
        """In this light, once it is painted and no colour fades any more."""
        self.page.emulate_media(**media)
        self.page.evaluate(
            "async () => {for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);"
            " await Promise.allSettled(document.getAnimations().filter(each => each instanceof CSSTransition)"
            ".map(each => each.finished))}"
        )


def test_axe_finds_nothing_on_a_desk_from_the_first_view_to_a_filter_that_leaves_nothing(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer("/?layers=crime,bike-paths,no_such_layer&what=this")
    page, walk = viewer.page, Walk(viewer)
    walk.look("parts of the link are not known")
    viewer.in_view().first.click()
    expect(page.get_by_role("dialog").get_by_role("list")).to_be_visible()
    walk.look_in_all_lights("a square")
    viewer.press("Escape")
    page.evaluate("() => void (navigator.clipboard.writeText = () => Promise.reject())")
    page.get_by_role("button", name="Copy a link to this view").click()
    expect(page.get_by_role("textbox", name="Copy this link:")).to_be_visible()
    walk.look("a link to copy by hand")
    page.get_by_role("tab", name="Layers").click()
    filters = viewer.open_filters("crime")
    for name in ("Burglary", "Under investigation", "Suspect charged"):
        filters.get_by_role("checkbox", name=re.compile(f"^{name}")).check()
    filters.get_by_role("button", name="Spring 2025").click()
    viewer.settle()
    page.locator("html").evaluate("element => element.style.fontSize = '200%'")
    walk.look("chips, letters twice as large")
    page.locator("html").evaluate("element => element.style.fontSize = ''")
    filters.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_text("Reported crime: nothing matches")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Without"))).to_be_visible()
    walk.look_in_all_lights("what to loosen")
    page.get_by_role("combobox", name="Language").select_option("fr")
    expect(page.get_by_text("rien ne correspond")).to_be_visible()
    walk.look("in French")
    assert walk.found == []


def test_axe_finds_nothing_on_a_phone_with_a_sensor_its_chart_and_its_table(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=air-quality", **PHONE)
    page, walk = viewer.page, Walk(viewer)
    walk.look_in_all_lights("the sheet is closed")
    page.get_by_role("tab", name="In view").tap()
    walk.look("the list in the sheet")
    viewer.in_view().first.tap()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("slider")).to_be_visible()
    dialog.get_by_text("As a table").tap()
    expect(dialog.get_by_role("table")).to_be_visible()
    walk.look_in_all_lights("a chart and its table")
    for width, height in ((320, 568), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        walk.look(f"a card at {width} x {height}")
        assert page.locator("html").evaluate("element => element.scrollWidth") == width
    assert walk.found == []


def test_axe_finds_nothing_in_a_long_list_of_layers_that_is_searched_and_a_theme_is_one_in_every_language(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer(None, locale="fr-FR")
    page, walk = viewer.page, Walk(viewer)
    keys = set()

    def multiply(route: Any) -> None:
        """Twice more of each layer, which nobody has translated."""
        catalogue = route.fetch().json()
        told = catalogue["layers"]
        more = []
        for layer in told:
            plain = {name: value for name, value in layer.items() if name != "theme_key"}
            plain |= {"theme": layer.get("theme_key", layer["theme"]), "language": "en", "visible": False}
            more += [plain | {"id": f"{layer['id']}-{number}"} for number in range(2)]
            if not layer["basemap"]:
                keys.add(plain["theme"])
        route.fulfill(body=json.dumps(catalogue | {"layers": [*more, *told]}), content_type="application/json")

    viewer.tell_nothing()
    page.route(re.compile(r"/api/layers\?fields=id,title"), multiply)
    viewer.open("/?layers=crime")
    search = page.get_by_role("combobox", name="Chercher")
    walk.look("many layers")
    headings = page.locator("#panel-body h2")
    assert "Safety" in keys
    expect(headings).to_have_count(len(keys) + 1)  # and one over what is on the map
    expect(headings.filter(has_text="Sécurité")).to_have_count(1)
    assert headings.filter(has_text="Sécurité").get_attribute("lang") is None
    search.fill("qqqq")
    expect(page.get_by_text("Rien ici ne s’appelle")).to_be_visible()  # noqa: RUF001
    walk.look("none found")
    search.fill("air")
    expect(headings.filter(has_text="Sur la carte")).to_have_count(0)
    walk.look("what was found")
    assert walk.found == []
