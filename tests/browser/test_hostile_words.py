"""Words that are made to break a page, in a layer file and in its rows: shown as they are, wherever they are shown."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import expect

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HTML = "</script><script>window.hit=1</script><img src=x onerror=window.hit=2><!--"
VALUES = [
    HTML,
    "{kind} {{7*7}} ${1} %s",
    "\u202egnitrever",
    "constructor",
    "__proto__",
    "x" * 3000,
    "'\"; --",
    "\u2028",
]
WORD = json.dumps(HTML)
LAYER = f"""\
title = {WORD}
description = {WORD}
theme = {WORD}
attribution = {WORD}
noun = {WORD}
nouns = {WORD}
license = "CC0-1.0"
source = "data/words.csv"
key = "nr"
kind = "points"
label = "{{kind}}, {{height}}"
language = "en"
visible = true

[csv]
x = "lon"
y = "lat"

[fields.nr]
type = "integer"

[fields.kind]
title = {WORD}
type = "text"
filter = "choice"
labels = {{ "'\\"; --" = {WORD} }}

[fields.height]
title = "Height"
type = "number"
unit = {WORD}
filter = "range"
limits = [{{ value = 3, title = {WORD} }}]

[languages.fr]
title = {WORD}
"""


@pytest.fixture(scope="module")
def words(
    make_database: Callable[..., str],
    empty_template: str,
    serve: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    workspace: Path = tmp_path_factory.mktemp("words")
    for name in ("layers", "data"):
        (workspace / name).mkdir()
    (workspace / "layers" / "words.toml").write_text(LAYER, encoding="utf-8")
    with (workspace / "data" / "words.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["nr", "kind", "height", "lon", "lat"])
        rows.writerows([number, value, number, -28.6 + number / 1000, 45.2] for number, value in enumerate(VALUES))
    url = make_database(template=empty_template)
    settings = Settings(workspace=workspace, database_url=None)
    load(read_catalog(settings).layers["words"], url)
    with serve(create_app(settings, url), url) as running:
        yield running


def test_hostile_words_are_shown_as_they_are(open_viewer: Callable[..., Any], words: Any) -> None:
    kinds = ", ".join("'" + value.replace("'", "''") + "'" for value in VALUES[:5])
    asked = quote(f"kind IN ({kinds}) AND height >= 0")
    viewer = open_viewer(f"/?layers=words&filter.words={asked}", origin=words.url)
    page = viewer.page
    expect(page.locator(".said strong")).to_have_text(f"5 {HTML}")
    expect(page.locator(".chip").first).to_contain_text(f"{HTML}, {VALUES[1]} +3")
    expect(page.locator(".legend")).to_contain_text(HTML)
    expect(viewer.open_filters("words")).to_contain_text("constructor")
    items = viewer.in_view()
    expect(items).to_have_count(5)
    for number, value in enumerate(["</script>", "{kind}", "gnitrever", "Constructor", "__proto__"]):
        item = items.filter(has_text=value if number else "</script><script>")
        item.first.click()
        expect(page.locator("h2").filter(has_text=value).first).to_be_visible()
        expect(page.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_that_is_gone_back_to_tells_what_is_there_now(open_viewer: Callable[..., Any], words: Any) -> None:
    viewer = open_viewer("/?layers=words", origin=words.url)
    assert viewer.count_text("words").split()[0] == str(len(VALUES))
    viewer.page.goto(f"{words.url}/docs")
    with psycopg.connect(words.database_url) as connection:
        connection.execute("DELETE FROM layers.words WHERE height = 7")
    viewer.page.wait_for_function(
        "async count => (await (await fetch('api/layers', {cache: 'no-store'})).json()).layers[0].count === count",
        arg=len(VALUES) - 1,
    )
    viewer.page.go_back()
    viewer.settle()
    assert viewer.count_text("words").split()[0] == str(len(VALUES) - 1)
