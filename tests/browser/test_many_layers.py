"""A city with more layers than a screen holds, and with a face of its own: folded, found, switched, by keyboard too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CITY = """
title = "Ødeland"
tagline = "What we know"
language = "en"
page_languages = ["en", "fr"]
logo = "logo.svg"
layers = ["line-2"]
home = { center = [-28.6, 45.2], zoom = 11.0 }
links = { imprint = "https://example.org/imprint", contact = "mailto:maps@example.org" }
colours.accent = "#a3195b"
[languages.fr]
title = "Terre déserte"
"""
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="#a3195b"/></svg>'
LAYER = """
title = "{title}"
theme = "{theme}"
license = "CC0-1.0"
source = "rows.csv"
kind = "points"
keywords = [{keywords}]
[fields.name]
title = "{field}"
type = "text"
filter = "choice"
"""
LINES = [1, 2, 3, 10, 11, 104]


@pytest.fixture(scope="module")
def many(
    make_database: Callable[..., str], empty_template: str, tmp_path_factory: pytest.TempPathFactory, serve: Any
) -> Iterator[str]:
    """Address of a server with 24 layers in four themes."""
    workspace = tmp_path_factory.mktemp("many")
    write_workspace(workspace)
    url = make_database(template=empty_template)
    settings = Settings(workspace=workspace, database_url=None)
    catalog = read_catalog(settings)
    assert catalog.problems == ()
    for layer in catalog.layers.values():
        load(layer, url)
    with serve(create_app(settings, url), url) as server:
        yield server.url


def write_workspace(workspace: Path) -> None:
    (workspace / "layers").mkdir()
    (workspace / "city.toml").write_text(CITY, encoding="utf-8")
    (workspace / "logo.svg").write_text(LOGO, encoding="utf-8")
    rows = "".join(f"n{number},{-28.6 + number / 500},45.2\n" for number in range(5))
    (workspace / "rows.csv").write_text(f"name,lon,lat\n{rows}", encoding="utf-8")
    layers = [(f"line-{number}", f"Bus line {number}", "Mobility", "Stop") for number in LINES]
    layers += [(f"trees-{number}", f"Árvores {number}", "Green", "Species") for number in range(1, 10)]
    layers += [(f"noise-{number}", f"Noise {number}", "Air", "Reading") for number in range(1, 9)]
    layers += [("survey", "Survey", "Other", "Coração")]
    for name, title, theme, field in layers:
        keywords = '"decibel"' if theme == "Air" else ""
        text = LAYER.format(title=title, theme=theme, field=field, keywords=keywords)
        (workspace / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")


def titles(viewer: Any) -> list[str]:
    return [text.strip() for text in viewer.page.locator("#panel-body li").all_inner_texts()]


def theme(viewer: Any, name: str) -> Any:
    return viewer.page.locator("#panel-body details").filter(has=viewer.page.get_by_role("heading", name=name))


def test_what_is_on_stands_on_top_and_the_rest_is_folded_in_the_order_in_which_people_count(
    open_viewer: Callable[..., Any], many: str
) -> None:
    viewer = open_viewer("/", origin=many)
    page = viewer.page
    expect(page.get_by_role("heading", name="On the map (1)")).to_be_visible()
    expect(page.locator("#about-line-2")).to_have_count(1)
    assert titles(viewer) == [f"Bus line {number}" for number in LINES], "the one theme in which something is on"
    theme(viewer, "Air").locator("summary").click()
    theme(viewer, "Mobility").locator("summary").click()
    expect(page.locator("#panel-body li")).to_have_count(8)
    page.get_by_role("switch", name="Noise 3").click()
    expect(page.get_by_role("heading", name="On the map (2)")).to_be_visible()
    viewer.settle()
    assert "layers=line-2,noise-3" in viewer.address()
    page.get_by_role("tab", name="In view").click()
    page.get_by_role("tab", name="Layers").click()
    expect(page.locator("#panel-body li")).to_have_count(8)
    page.reload()
    viewer.settle()
    expect(page.locator("#panel-body li")).to_have_count(8)
    assert viewer.page.locator("#panel-body").evaluate("element => element.scrollHeight") < 1_600
    page.evaluate("""() => sessionStorage.setItem("themes", '[1]')""")  # as another page of this origin may
    page.reload()
    viewer.settle()
    expect(page.get_by_role("heading", name="On the map (2)")).to_be_visible()


def test_a_layer_is_found_by_title_keyword_and_field_without_accents_by_keyboard_alone(
    open_viewer: Callable[..., Any], many: str
) -> None:
    viewer = open_viewer("/", origin=many)
    page = viewer.page
    box = page.get_by_role("combobox", name="Search")
    for text, found in (
        ("arvores 1", ["Árvores 1"]),
        ("DECIBEL 7", ["Noise 7"]),
        ("coracao", ["Survey"]),
        ("line mobility 10", ["Bus line 10", "Bus line 104"]),
    ):
        box.fill(text)
        # In the box's own list the best is on top; the list of layers leaves those that are called so.
        expect(page.get_by_role("group", name="Layers").get_by_role("option").first).to_contain_text(found[0])
        expect(page.locator("#panel-body li")).to_have_count(len(found))
        assert titles(viewer) == found
    box.press("Escape")
    expect(page.get_by_role("option").first).to_be_hidden()
    page.get_by_role("switch", name="Bus line 10", exact=True).press("Space")
    expect(page.get_by_role("switch", name="Bus line 10", exact=True)).to_be_checked()
    box.fill("nothing of the kind")
    expect(page.get_by_text("Nothing here is called “nothing of the kind”.")).to_be_visible()
    box.fill("")
    expect(page.get_by_role("heading", name="On the map (2)")).to_be_visible()


@pytest.mark.parametrize("look", ["desk", "phone", "dark"])
def test_a_city_has_a_face_of_its_own_and_axe_finds_nothing_wrong_with_it(
    open_viewer: Callable[..., Any], many: str, look: str, output: Path
) -> None:
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    options = {"desk": {}, "phone": phone, "dark": {"color_scheme": "dark"}}[look]
    viewer = open_viewer("/", origin=many, **options)
    page = viewer.page
    assert page.title() == "Ødeland"
    if look == "phone":
        page.get_by_role("tab", name="Layers").click()
    expect(page.get_by_role("heading", name="Ødeland")).to_be_visible()
    assert page.locator("header img").evaluate("image => image.complete && image.naturalWidth > 0")
    accent = page.get_by_role("tab", name="Layers").evaluate("tab => getComputedStyle(tab).borderBottomColor")
    assert accent == ("rgb(163, 25, 91)" if look != "dark" else accent)
    assert viewer.address().startswith("/?v=1&layers=line-2#11/45.2")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
    assert found.violations_count == 0, found.generate_report()
    page.screenshot(path=output / f"many-{look}.png")


def test_a_city_is_offered_in_its_own_languages(open_viewer: Callable[..., Any], many: str) -> None:
    viewer = open_viewer("/", origin=many, locale="de-DE")
    page = viewer.page
    assert page.title() == "Ødeland", "no German: the first language that there is"
    assert page.locator("html").get_attribute("lang") == "en"
    language = page.get_by_label("Language")
    assert language.locator("option").all_inner_texts() == ["English", "Français"]
    language.select_option("fr")
    expect(page.get_by_role("heading", name="Terre déserte")).to_be_visible()
    expect(page).to_have_title("Terre déserte")
    assert page.get_by_role("link", name="Mentions légales").get_attribute("href") == "https://example.org/imprint"
