"""Sentences that arise in English are told in every language of the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from geoserver.catalog.languages import page_languages
from geoserver.catalog.sentences import say_sentence
from geoserver.database import queries
from geoserver.formats import read_formats, readme
from geoserver.freezing.making import REASONS
from geoserver.loading import arrival, convert, features, geometry, limits, readings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from geoserver.services import Services

OTHERS = [language for language in page_languages() if language != "en"]
# Constants that are whole sentences; with something put in, where they have a place for it.
MODULES = (convert, features, geometry, limits, readings)
WHOLE = {
    value.format("EPSG:25832")
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, str) and name.isupper() and not name.startswith("_")
}
MADE = (
    arrival.EXPIRED,
    queries._UNTOLD,
    "reported is no timestamp",
    "size: not a finite number",
    'reported is no date as unit = "ms"',
    'reported: a number is no time; say unit = "ms" if it is one',
    "suppressed, left empty",
    "no integer, left empty",
    'no timestamp as unit = "s", left empty',
    "outside the city's limits, kept",
    "3 values where the header has 12",
    "is no feature in JSON",
    "is a point; the layer holds polygons",
    "collection without lines",
    "points taken out of a collection",
    "curves turned into straight segments",
    "invalid geometry repaired",
    "read as windows-1252, a guess; if letters are wrong, say encoding under [csv]",
)


@pytest.mark.parametrize("language", OTHERS)
def test_what_a_load_says_is_told_in_every_language(language: str) -> None:
    assert "no position" in WHOLE
    assert not [
        text for text in (*WHOLE, *MADE, *REASONS) if say_sentence(text, language) in ((text, language), (text, "en"))
    ]


@pytest.mark.parametrize("language", OTHERS)
def test_what_a_format_cannot_hold_is_told_in_every_language(
    language: str, client: TestClient, city_app: FastAPI
) -> None:
    assert client
    services: Services = city_app.state.services
    found = services.find("crime")
    assert found is not None
    crime, status = found
    much = replace(status, rows=2_000_000, geometry_type="GEOMETRY")
    told = {text for item in read_formats().values() for state in (status, much) for text in item.told(crime, state)}
    assert len(told) > 10
    assert not [text for text in (*told, *readme.LIMITS) if say_sentence(text, language)[1] != language]


def test_a_sentence_that_nobody_knows_stays_in_english_and_fields_go_by_their_titles() -> None:
    assert say_sentence("nobody says so", "fr") == ("nobody says so", "en")
    assert say_sentence("size: nobody says so", "fr") == ("size: nobody says so", "en")
    said, language = say_sentence("size: not a finite number", "fr", (("size", "Taille {x}"),))
    assert (said, language) == ("Taille {x} : pas un nombre fini", "fr")


def test_a_file_its_readme_and_the_list_of_files_speak_the_readers_language(client: TestClient) -> None:
    text = client.get("/download/crime.readme.txt?lang=fr").text
    assert "Citer comme: " in text
    assert "Cite as" not in text
    assert "Cite as: " in client.get("/download/crime.readme.txt?lang=en").text
    files = {item["format"]: item for item in client.get("/api/layers/crime?lang=fr").json()["downloads"]}
    assert any(limit.startswith("Les textes sont coupés") for limit in files["shp.zip"]["limits"])
