"""What a widget says comes with its page, in the language of its reader: its script has no language of its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from geoserver import assets

if TYPE_CHECKING:
    from starlette.testclient import TestClient


@pytest.mark.parametrize(("language", "retry"), [("en", "Try again"), ("fr", "Réessayer")])
def test_a_widget_tells_its_words_in_the_language_that_is_asked_for(
    client: TestClient, language: str, retry: str
) -> None:
    page = client.get(f"/embed?layers=crime&lang={language}").text
    found = re.search(r'<script type="application/json" data-first>(.*?)</script>', page, re.DOTALL)
    assert found
    first = json.loads(found[1])
    assert first["retry"] == retry
    assert "undo" not in first  # what parts that come later say comes with them


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "pt"])
def test_a_widget_has_all_that_the_page_says_at_once(client: TestClient, language: str) -> None:
    page = client.get(f"/embed?layers=crime&lang={language}").text
    found = re.search(r"data-first>(.*?)</script>", page, re.DOTALL)
    assert found
    text = (assets.root("messages") / f"{language}.ts").read_text(encoding="utf-8")
    at_once = text.split("export default {")[1].split("// Said by parts that come later")[0]
    assert list(json.loads(found[1])) == re.findall(r"^  (\w+):", at_once, re.MULTILINE)
