"""The words of layers in the language that a reader asks for, through every door that has words, and caches between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

# A document with words of the layer file, a word that it has in French, and one in English.
WORDED = [
    ("/api/layers", "Criminalité signalée", "Reported crime"),
    ("/api/layers/crime", "Cambriolage", "Burglary"),
    ("/api/layers/air-quality", "Pas de valeur récente", "No recent value"),
    ("/api/layers/sewage-sampling/features/1/readings", "Grippe A et B", "Influenza A and B"),
    ("/tiles/crime,trees.json", "Le registre des arbres", "The register of trees"),
    ("/styles/crime.json", "Criminalité signalée", "Reported crime"),
    ("/styles/light.json?layers=air-quality", "Pas de valeur récente", "No recent value"),
]


def read(client: TestClient, path: str, accept: str | None = None, **params: str) -> Any:
    answer = client.get(path, params=params or None, headers={"Accept-Language": accept} if accept else {})
    assert answer.status_code == 200, answer.text
    return answer


def with_lang(path: str, lang: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={lang}"


@pytest.mark.parametrize(("path", "french", "english"), WORDED)
def test_words_come_in_the_language_of_the_address_else_of_the_header(
    client: TestClient, path: str, french: str, english: str
) -> None:
    by_address = read(client, with_lang(path, "fr"), accept="de")
    by_header = read(client, path, accept="it, fr-CA;q=0.8, en;q=0.1")
    for answer in (by_address, by_header):
        assert french in answer.text
        assert english not in answer.text
    plain = read(client, path)
    assert english in plain.text
    assert english in read(client, with_lang(path, "it"), accept="fr").text  # nobody has Italian


@pytest.mark.parametrize(("path", "french", "english"), WORDED)
def test_a_cached_answer_of_one_language_never_reaches_a_reader_of_another(
    client: TestClient, path: str, french: str, english: str
) -> None:
    plain, spoken = read(client, path, accept="en"), read(client, path, accept="fr")
    for answer in (plain, spoken):
        assert "accept-language" in answer.headers["vary"].lower()
    assert "accept-language" not in read(client, with_lang(path, "fr"), accept="de").headers.get("vary", "").lower()
    if "etag" not in plain.headers:
        return
    assert plain.headers["etag"] != spoken.headers["etag"]
    held = {"If-None-Match": plain.headers["etag"]}
    other = client.get(path, headers=held | {"Accept-Language": "fr"})
    assert other.status_code == 200
    assert french in other.text
    same = client.get(path, headers=held | {"Accept-Language": "en"})
    assert same.status_code == 304
    assert "accept-language" in same.headers["vary"].lower()
    assert english in plain.text


def test_what_is_no_language_is_refused_in_an_address_and_passed_over_in_a_header(client: TestClient) -> None:
    for path, _, _ in WORDED:
        answer = client.get(with_lang(path, "c%27est"))
        assert (answer.status_code, answer.json()["parameter"]) == (400, "lang")
    for header in ("*", "", ";;q=2,,", "fr;q=high, de;q=1.5", "fr;q=0", "x" * 5000, "-, _, \u00e9\u00e9"):
        answer = client.get("/api/layers/crime", headers={"Accept-Language": header.encode("latin-1")})
        assert answer.json()["title"] == "Reported crime", header


def test_tiles_are_the_same_in_every_language(client: TestClient) -> None:
    plain, french = read(client, "/tiles/crime.json").json(), read(client, "/tiles/crime.json", lang="fr").json()
    assert plain["tiles"] == french["tiles"]
    narrowed = read(client, "/tiles/crime.json", lang="fr", category="burglary").json()
    assert "lang" not in narrowed["tiles"][0]
    assert "category=burglary" in narrowed["tiles"][0]


def test_every_text_tells_its_language(client: TestClient) -> None:
    french = read(client, "/api/layers/trees", lang="fr").json()
    assert (french["language"], french["data_language"]) == ("fr", "en")
    fields = {field["name"]: field for field in french["fields"]}
    assert (fields["health"]["language"], fields["health"]["labels_language"]) == ("fr", "fr")
    assert (fields["species"]["language"], fields["species"]["labels_language"]) == ("fr", "en")
    italian = read(client, "/api/layers/trees", lang="it").json()
    assert (italian["language"], italian["fields"][0]["language"]) == ("en", "en")


def test_layers_of_a_theme_share_its_key_in_every_language(client: TestClient) -> None:
    french = {layer["id"]: layer for layer in read(client, "/api/layers", lang="fr").json()["layers"]}
    assert (french["crime"]["theme"], french["crime"]["theme_key"]) == ("Sécurité", "Safety")
    english = {layer["id"]: layer for layer in read(client, "/api/layers", lang="en").json()["layers"]}
    assert {name: layer.get("theme_key", layer["theme"]) for name, layer in french.items()} == {
        name: layer["theme"] for name, layer in english.items()
    }


def test_nouns_stand_in_the_readers_language_or_not_at_all(client: TestClient) -> None:
    def nouns(**params: str) -> Any:
        return read(client, "/api/layers/trees", **params).json()["nouns"]

    assert nouns() == nouns(lang="en") == {"one": "tree", "many": "trees"}
    assert nouns(lang="de-AT") == {"one": "Baum", "many": "Bäume"}
    assert nouns(lang="it") is None


def test_a_legend_says_its_own_words_in_the_readers_language(client: TestClient) -> None:
    def labels(layer: str, lang: str) -> list[str]:
        found = read(client, f"/api/layers/{layer}", lang=lang).json()
        return [entry["label"] for entry in [*found["legend"], *(found["bins"] or {"legend": []})["legend"]]]

    assert any(" à " in label for label in labels("districts", "fr"))
    assert any(" bis " in label for label in labels("crime", "de"))
    assert not any(" to " in label for layer in ("crime", "districts", "trees") for label in labels(layer, "pt"))
