"""Embed and share: what the page offers to be pasted elsewhere, and what becomes of it on pages of another origin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from playwright.sync_api import expect
from wordpresses import FOLDER, MISSING, PHP, embed

if TYPE_CHECKING:
    from collections.abc import Callable

    from newspaper import Host
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
BURGLARIES = "/?layers=crime&filter.crime=" + quote("category IN ('burglary')")
NOTES = """
window.notes = [];
for (const name of ["ready", "change", "select"])
  addEventListener("city-map-" + name, (event) => notes.push([name, event.detail]));
"""
AWKWARD = """">'<script>broken = 1</script></textarea> & &lt; [a](b) 🔥👩‍🚒 سرقات"""
MISSING_PICTURE = ("status of 404",)  # where no pictures are drawn


def open_dialog(viewer: Any) -> Locator:
    viewer.expected_faults = MISSING_PICTURE
    viewer.page.get_by_role("button", name="Embed this map").click()
    dialog: Locator = viewer.page.get_by_role("dialog", name="Embed this map")
    expect(dialog.get_by_role("heading", name="Preview")).to_be_visible()
    return dialog


def snippet_of(dialog: Locator) -> BeautifulSoup:
    return BeautifulSoup(dialog.get_by_role("textbox", name="Text to paste").last.input_value(), "html.parser")


def asked_by(source: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(source).query, keep_blank_values=True))


def test_what_is_pasted_is_what_was_chosen_and_the_preview_shows_it(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(BURGLARIES)
    dialog = open_dialog(viewer)
    expect(dialog.get_by_text("of 59,973 reports")).to_be_visible()
    title = """<b>"Ours" & 'theirs'</b>"""
    dialog.get_by_role("textbox", name="Title").fill(title)
    dialog.get_by_role("checkbox", name="Table").check()
    dialog.get_by_role("checkbox", name="Legend").uncheck()
    dialog.get_by_role("checkbox", name="Readers may change the filters").check()
    dialog.get_by_label("Colours").select_option(label="Dark")
    dialog.get_by_label("Language").select_option("fr")
    (frame,) = snippet_of(dialog).find_all("iframe")
    asked = asked_by(str(frame["src"]))
    assert asked["filter.crime"] == "category IN ('burglary')"
    assert "map" in asked
    told = {name: asked.get(name) for name in ("title", "show", "hide", "filters", "base", "lang")}
    assert told == {
        "title": title,
        "show": "map,table",
        "hide": "legend",
        "filters": "free",
        "base": "dark",
        "lang": "fr",
    }
    assert (frame["title"], frame["loading"]) == (title, "lazy")
    inside = dialog.frame_locator("iframe")
    expect(inside.get_by_text(title, exact=True).first).to_be_visible()
    expect(inside.locator("#map[data-state=idle]")).to_be_visible()
    dialog.get_by_role("checkbox", name="Map", exact=True).uncheck()
    dialog.get_by_role("checkbox", name="Table").click()
    expect(dialog.get_by_role("checkbox", name="Table")).to_be_checked()


@pytest.mark.slow
def test_every_kind_of_snippet_is_copied_with_one_press(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(BURGLARIES, permissions=["clipboard-read", "clipboard-write"])
    dialog = open_dialog(viewer)
    kinds = dialog.get_by_label("For", exact=True)
    for kind in kinds.locator("option").evaluate_all("options => options.map(option => option.value)"):
        kinds.select_option(kind)
        dialog.get_by_role("button", name="Copy", exact=True).click()
        expect(dialog.get_by_text("Copied.").last).to_be_visible()
        copied = viewer.page.evaluate("navigator.clipboard.readText()")
        assert copied == dialog.get_by_role("textbox", name="Text to paste").last.input_value()
        assert viewer.origin in copied
        assert "City of Antillia" in copied
    dialog.get_by_role("button", name="Copy a link to this view").click()
    expect(dialog.get_by_text("Copied.").first).to_be_visible()
    assert asked_by(viewer.page.evaluate("navigator.clipboard.readText()"))["layers"] == "crime"


def test_what_is_pasted_speaks_the_language_that_is_chosen_for_it(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer(BURGLARIES)
    dialog = open_dialog(viewer)
    title, language = dialog.get_by_role("textbox", name="Title"), dialog.get_by_label("Language")
    expect(title).to_have_value("Reported crime: Burglary")
    language.select_option("de")
    expect(title).to_have_value("Gemeldete Straftaten: Einbruch")
    pasted = snippet_of(dialog)
    (figure,), (caption,) = pasted.find_all("figure"), pasted.find_all("figcaption")
    assert figure["lang"] == "de"
    assert caption.get_text() == "Quelle: City of Antillia (fictional) · Lizenz: CC BY 4.0 · Karte öffnen"
    licence, whole = caption.find_all("a")
    assert (licence["href"], licence["rel"]) == ("https://creativecommons.org/licenses/by/4.0/", ["license"])
    assert asked_by(str(whole["href"]))["lang"] == asked_by(str(pasted.find_all("iframe")[0]["src"]))["lang"] == "de"
    expect(dialog.get_by_role("heading", name="Preview")).to_be_visible()  # the page's own language is another one
    title.fill("Ours")
    language.select_option("fr")
    expect(dialog.get_by_role("textbox", name="Text to paste")).to_have_value(re.compile("Ouvrir la carte"))
    expect(title).to_have_value("Ours")


@pytest.mark.slow
def test_every_kind_of_snippet_lives_in_a_page_of_others_under_a_title_that_would_break_out_of_it(
    open_viewer: Callable[..., Any], host: Host
) -> None:
    viewer = open_viewer(BURGLARIES)
    dialog = open_dialog(viewer)
    dialog.get_by_role("textbox", name="Title").fill(AWKWARD)
    kinds = dialog.get_by_label("For", exact=True)
    texts = {}
    for kind in kinds.locator("option").evaluate_all("options => options.map(option => option.value)"):
        kinds.select_option(kind)
        texts[kind] = dialog.get_by_role("textbox", name="Text to paste").last.input_value()
    assert texts.keys() == {"iframe", "script", "wordpress", "element", "markdown", "amp"}
    texts["markdown"] = MarkdownIt().render(texts["markdown"])
    for kind, text in texts.items():
        page = host.open(f"<script>{NOTES}</script><article>{text}<p id=after>After</p></article>")
        assert page.locator("article > #after").count() == 1, kind
        assert page.evaluate("window.broken") is None, kind
        expect(page.get_by_text("Source: City of Antillia")).to_be_visible()
        expect(page.get_by_role("link", name="CC BY 4.0")).to_be_visible()
        if kind not in ("markdown", "amp"):
            frame = page.locator("iframe")
            expect(frame).to_have_attribute("title", AWKWARD)
            expect(frame).to_have_attribute("loading", "lazy")
            inside = page.frame_locator("iframe")
            expect(inside.locator("#map[data-state=idle]")).to_be_visible()
            expect(inside.get_by_text(AWKWARD, exact=True).first).to_be_visible()
        page.context.close()
        still = host.open(f"<article>{text}</article>", java_script_enabled=False)
        expect(still.locator("a > img")).to_have_attribute("alt", AWKWARD)
        assert "/static/light/" in str(still.locator("a > img").get_attribute("src"))
        still.context.close()


@pytest.mark.parametrize(("scheme", "context"), [("light", {}), ("dark", {}), ("dark", PHONE)])
@pytest.mark.slow
def test_axe_finds_nothing_in_the_dialog_and_the_keyboard_reaches_all_of_it(
    open_viewer: Callable[..., Any], scheme: str, context: dict[str, Any]
) -> None:
    viewer = open_viewer(BURGLARIES, color_scheme=scheme, **context)
    dialog = open_dialog(viewer)
    expect(dialog.frame_locator("iframe").locator("#map[data-state=idle]")).to_be_visible()
    found = Axe().run(viewer.page, context="dialog", options=LEVELS)
    assert found.violations_count == 0, found.generate_report()
    wide = viewer.page.evaluate(
        "document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth"
    )
    assert wide <= 0
    for name in ("Close", "Copy a link to this view"):
        viewer.tab_to(dialog.get_by_role("button", name=name))
    viewer.tab_to(dialog.get_by_label("For", exact=True))
    viewer.press("Escape")
    expect(dialog).to_have_count(0)


@pytest.mark.slow
def test_the_pasted_script_shows_the_map_and_without_scripts_the_link(
    open_viewer: Callable[..., Any], host: Host
) -> None:
    viewer = open_viewer(BURGLARIES)
    dialog = open_dialog(viewer)
    dialog.get_by_label("For", exact=True).select_option("script")
    text = dialog.get_by_role("textbox", name="Text to paste").input_value()
    page = host.open(f"<script>{NOTES}</script>{text}")
    page.wait_for_function("notes.some(([name]) => name === 'ready')")
    expect(page.frame_locator("city-map iframe").locator("#map[data-state=idle]")).to_be_visible()
    expect(page.locator("city-map > a > img")).to_be_hidden()
    still = host.open(text, java_script_enabled=False)
    assert asked_by(still.locator("city-map a").get_attribute("href") or "")["layers"] == "crime"
    expect(still.get_by_text("Source: City of Antillia")).to_be_visible()


@pytest.mark.parametrize("kind", ["iframe", "script", "element"])
def test_on_a_phone_what_is_pasted_has_room_for_its_map_and_shows_as_much_of_the_city(
    open_viewer: Callable[..., Any], host: Host, kind: str
) -> None:
    viewer = open_viewer(f"{BURGLARIES}&map=12.5/45.2/-28.6")
    dialog = open_dialog(viewer)
    dialog.get_by_label("For", exact=True).select_option(kind)
    text = dialog.get_by_role("textbox", name="Text to paste").input_value()
    page = host.open(text, **PHONE)
    found = page.frame_locator("iframe")
    expect(found.locator("#map[data-state=idle]")).to_be_visible()
    seen = page.evaluate("document.documentElement.scrollWidth")
    assert seen == PHONE["viewport"]["width"]
    size = found.locator("#map").evaluate("map => [map.offsetWidth, map.offsetHeight]")
    assert min(size) > 200, size
    whole = str(found.get_by_role("link", name="Open the full map").get_attribute("href"))
    assert asked_by(whole)["map"].startswith("11.5/")


@pytest.mark.slow
def test_the_element_tells_the_page_what_is_chosen_and_is_steered_by_it(server: Any, host: Host) -> None:
    page = host.open(
        f"<script>{NOTES}</script><script src='{server.url}/element.js'></script>"
        f"<city-map server='{server.url}' query='?layers=crime' title='Crime' theme='dark'></city-map>"
    )
    page.wait_for_function("notes.some(([name, told]) => name === 'change' && told.counts.crime > 0)")
    before = page.evaluate("notes.length")
    page.evaluate(
        """document.querySelector('city-map').query = "?layers=crime&filter.crime=category IN ('burglary')" """
    )
    page.wait_for_function(f"notes.slice({before}).some(([name, told]) => name === 'change' && told.filters.crime)")
    told = page.evaluate("notes.at(-1)[1]")
    assert "burglary" in told["filters"]["crime"]
    assert "burglary" in page.evaluate("document.querySelector('city-map').query")
    figure = page.locator("city-map figure")
    assert page.locator("city-map iframe").get_attribute("title") == "Crime"
    high = figure.bounding_box()
    assert high
    assert 300 < high["height"] < 900
    page.evaluate("document.querySelector('city-map').height = 333")
    box = figure.bounding_box()
    assert box
    assert box["height"] == 333


@pytest.mark.slow
def test_the_element_believes_nobody_but_its_own_frame(server: Any, host: Host) -> None:
    host.expected += (f"{host.origin}/embed",)  # where the last source leads: the page around has no map
    page = host.open(
        f"<script>{NOTES}</script><script src='{server.url}/element.js'></script>"
        f"<city-map server='{server.url}' query='?layers=crime'></city-map><iframe id=other srcdoc=''></iframe>"
    )
    page.wait_for_function("notes.some(([name]) => name === 'ready')")
    page.evaluate("notes.length = 0")
    lies = "{source: 'city-map', event: 'select', detail: {layer: 'lies'}}"
    page.evaluate(f"postMessage({lies}, '*')")
    page.evaluate(
        f"document.getElementById('other').srcdoc = `<script>parent.postMessage({lies}, '*');"
        "parent.done = true</script>`"
    )
    page.wait_for_function("window.done")
    page.wait_for_timeout(200)
    assert not [told for _, told in page.evaluate("notes") if told and told.get("layer") == "lies"]
    for source in ("javascript:alert(1)", "data:text/html,x", ""):
        page.evaluate("source => document.querySelector('city-map').setAttribute('src', source)", source)
    expect(page.locator("city-map iframe[src^='javascript'], city-map iframe[src^='data']")).to_have_count(0)


@pytest.mark.skipif(not (PHP and FOLDER), reason=MISSING)
def test_the_map_lives_in_what_wordpress_leaves_of_it(server: Any, host: Host) -> None:
    found = embed(server.url + BURGLARIES)
    page = host.open(found["embedded"])
    expect(page.frame_locator("iframe").locator("#map[data-state=idle]")).to_be_visible()
    expect(page.frame_locator("iframe").get_by_text("of 59,973 reports").first).to_be_visible()
