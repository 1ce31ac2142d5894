"""`/api/search`: layers, values, features, coordinates; mistakes, scripts, languages, a database without trigrams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.folding import fold, is_like
from geoserver.gate.making import Wish, make
from geoserver.loading import load
from geoserver.model import Grant
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REPORTS = """
title = "Reported crime"
theme = "Safety"
keywords = ["police"]
description = "Incidents that somebody told"
license = "CC0-1.0"
source = "data/reports.csv"
kind = "points"
language = "en"
[fields.category]
title = "Category"
type = "text"
filter = "choice"
labels = { "burglary" = "Burglary", "theft" = "Theft" }
[fields.solved]
title = "Solved"
type = "boolean"
filter = "choice"
[languages.fr]
title = "Criminalité signalée"
fields.category = { title = "Catégorie", labels = { "burglary" = "Cambriolage", "theft" = "Vol" } }
"""
SITES = """
title = "Sites"
license = "CC0-1.0"
source = "data/sites.csv"
kind = "points"
key = "code"
label = "{name}, {since}"
[fields.code]
title = "Code"
type = "text"
filter = "search"
[fields.name]
title = "Name"
type = "text"
[fields.since]
title = "Since"
type = "date"
[fields.secret]
title = "Secret"
type = "text"
filter = "search"
restricted = true
"""
HIDDEN = """
title = "Hidden wells"
access = "restricted"
license = "CC0-1.0"
source = "data/hidden.csv"
kind = "points"
[fields.name]
type = "text"
filter = "search"
[fields.depth]
type = "text"
filter = "choice"
"""
NAMES = [
    "Straße der Einheit",
    "Hauptstraße Nord",
    "Čáslav Œuvre",
    "Московская улица",
    "شارع أحمد",
    "東京駅前",
    "서울시청",
    'O\'Brien "Quay"',
    "100% Well_A",
    "Back\\slash",
    "Wellington Gardens",
    "Kongens Have Østerbro",
    "Plain Plain",
]


def write_town(folder: Path) -> Settings:
    (folder / "layers").mkdir()
    (folder / "data").mkdir()
    for name, text in (("reports", REPORTS), ("sites", SITES), ("hidden", HIDDEN)):
        (folder / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")
    kinds = ["burglary"] * 3 + ["theft"] * 5
    rows = [f"{kind},{at % 2 == 0},{25 + at / 1000},60" for at, kind in enumerate(kinds)]
    (folder / "data" / "reports.csv").write_text("\n".join(["category,solved,lon,lat", *rows]), encoding="utf-8")
    quoted = ['"' + name.replace('"', '""') + '"' for name in NAMES]
    rows = [f"S-{at:03},{name},2024-01-{at + 1:02},whisper{at},{25 + at / 100},60" for at, name in enumerate(quoted)]
    (folder / "data" / "sites.csv").write_text("\n".join(["code,name,since,secret,lon,lat", *rows]), encoding="utf-8")
    (folder / "data" / "hidden.csv").write_text("name,depth,lon,lat\nCanary Well,abyssal,25,60\n", encoding="utf-8")
    return Settings(workspace=folder, database_url=None)


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[tuple[TestClient, str, str]]:
    """A client, the address of its database, and a key for what is hidden."""
    settings, url = write_town(tmp_path_factory.mktemp("finding")), make_database(template=empty_template)
    for layer in read_catalog(settings).layers.values():
        load(layer, url)
    with psycopg.connect(url, autocommit=True) as connection:
        _, key = make(connection, Wish("reader", (Grant(frozenset({"hidden"})),)), "test", "")
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client, url, key


def find(town: tuple[TestClient, str, str], q: str, *, key: str = "", **params: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = town[0].get("/api/search", params={"q": q, **params}, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def values(town: Any, q: str, **params: str) -> list[tuple[str, str, int]]:
    return [(one["label"], one["value"], one["count"]) for one in find(town, q, parts="values", **params)["values"]]


def features(town: Any, q: str, **params: str) -> list[str]:
    return [one["title"].rpartition(", ")[0] for one in find(town, q, parts="features", **params)["features"]]


def layers(town: Any, q: str, **params: str) -> list[tuple[str, str | None]]:
    return [(one["layer"], one["field"]) for one in find(town, q, parts="layers", **params)["layers"]]


def test_a_value_says_where_it_belongs_and_how_many_rows_have_it(town: Any) -> None:
    (found,) = find(town, "burglary", parts="values")["values"]
    assert found == {
        "layer": "reports",
        "layer_title": "Reported crime",
        "field": "category",
        "field_title": "Category",
        "value": "burglary",
        "label": "Burglary",
        "count": 3,
    }


@pytest.mark.parametrize("text", ["BURGL", "burglry", "bruglary", "burglary crime", "category burglary", "burglarry"])
def test_a_value_is_found_by_its_beginning_with_a_mistake_and_beside_the_names_of_field_and_layer(
    town: Any, text: str
) -> None:
    assert values(town, text) == [("Burglary", "burglary", 3)]


def test_values_and_layers_are_found_in_the_readers_language_and_in_the_layers_own(town: Any) -> None:
    assert values(town, "cambriolage", lang="fr") == [("Cambriolage", "burglary", 3)]
    assert values(town, "burglary", lang="fr") == [("Cambriolage", "burglary", 3)]
    assert values(town, "cambriolage", lang="en") == []
    assert layers(town, "criminalite", lang="fr") == [("reports", None)]
    assert layers(town, "crime", lang="fr")[0] == ("reports", None)
    assert layers(town, "categorie", lang="fr") == [("reports", "category")]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("crime", ("reports", None)),
        ("reported crme", ("reports", None)),
        ("police", ("reports", None)),
        ("safety", ("reports", None)),
        ("somebody told", ("reports", None)),
        ("solved", ("reports", "solved")),
        ("crime police", ("reports", None)),
    ],
)
def test_a_layer_is_found_by_title_keyword_theme_description_and_field(
    town: Any, text: str, first: tuple[str, str | None]
) -> None:
    assert layers(town, text)[0] == first


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("strasse der einheit", NAMES[0]),
        ("STRAßE einheit", NAMES[0]),
        ("hauptstrasse", NAMES[1]),
        ("ptstr nord", NAMES[1]),
        ("caslav", NAMES[2]),
        ("московская", NAMES[3]),
        ("МОСКОВСКОЯ", NAMES[3]),
        ("احمد", NAMES[4]),
        ("東京", NAMES[5]),
        ("駅", NAMES[5]),
        ("시청", NAMES[6]),
        ("o'brien", NAMES[7]),
        ('"quay"', NAMES[7]),
        ("100%", NAMES[8]),
        ("well_", NAMES[8]),
        ("back\\s", NAMES[9]),
        ("wellingotn", NAMES[10]),
        ("welington gardns", NAMES[10]),
        ("welligntn", NAMES[10]),
        ("osterbro", NAMES[11]),
        ("S-004", NAMES[4]),
    ],
)
def test_a_feature_is_found_in_any_script_with_mistakes_and_by_signs_that_stand_for_themselves(
    town: Any, text: str, name: str
) -> None:
    assert features(town, text)[:1] == [name]


@pytest.mark.parametrize("text", ["%%", "__", "a%n", "'; --", "gzrdqqns", "whisper3", "Sites 2024"])
def test_what_nothing_is_called_is_not_found(town: Any, text: str) -> None:
    assert features(town, text) == []


def test_a_feature_says_by_what_it_was_found_where_its_title_does_not(town: Any) -> None:
    (found,) = find(town, "s-010", parts="features")["features"]
    assert (found["layer"], found["title"], found["text"]) == ("sites", "Wellington Gardens, 2024-01-11", "S-010")
    assert found["at"] == pytest.approx([25.1, 60])


def test_of_equal_features_the_nearest_comes_first(town: Any) -> None:
    assert features(town, "s-0", at="25.12,60")[:2] == ["Plain Plain", "Kongens Have Østerbro"]
    assert features(town, "s-0", at="24.9,60", limit="1") == [NAMES[0]]


def test_what_a_caller_may_not_see_is_in_no_part(town: Any) -> None:
    key = town[2]
    for text in ("canary", "canray", "abyssal", "hidden wells", "depth"):
        found = find(town, text)
        assert not any(found[part] for part in ("layers", "values", "places", "features")), text
    assert find(town, "canray", key=key, parts="features")["features"][0]["title"] == "Canary Well"
    assert find(town, "abysal", key=key, parts="values")["values"][0]["value"] == "abyssal"
    assert layers(town, "hidden wells", key=key) == [("hidden", None)]


@pytest.mark.parametrize(
    ("text", "params", "lonlat"),
    [
        ("60.1, 25.2", {}, [25.2, 60.1]),
        ("25.05 60.0", {}, [25.05, 60.0]),
        ("60,1 25,2", {}, [25.2, 60.1]),
        ("N 60° 6.0' E 25° 12.0'", {}, [25.2, 60.1]),
        ("60° 6' 0\" N, 25° 12' 0\" O", {"lang": "de"}, [25.2, 60.1]),
        ("60° 6' 0\" N, 25° 12' 0\" O", {"lang": "fr"}, [-25.2, 60.1]),
        ("geo:60.1,25.2;u=10", {}, [25.2, 60.1]),
        ("https://www.openstreetmap.org/?mlat=60.1&mlon=25.2#map=5/1/2", {}, [25.2, 60.1]),
    ],
)
def test_coordinates_are_places(town: Any, text: str, params: dict[str, str], lonlat: list[float]) -> None:
    assert find(town, text, parts="at", **params)["at"][0]["at"] == pytest.approx(lonlat)


def test_parts_come_alone_and_wrong_questions_are_told(town: Any) -> None:
    client = town[0]
    assert set(find(town, "crime", parts="layers,values")) == {"layers", "values", "incomplete"}
    assert find(town, "crime", parts="layers,values")["incomplete"] == []
    for params in ({"parts": "x"}, {"at": "60"}, {"at": "0,100"}, {"at": "nan,1"}, {"limit": "0"}, {"q": "a" * 101}):
        answer = client.get("/api/search", params={"q": "crime", **params})
        assert answer.status_code == 400, params
        assert answer.json()["parameter"] == next(iter(params))


def test_without_trigrams_it_is_slower_and_forgives_less_and_readyz_says_so(
    make_database: Callable[..., str], empty_template: str, tmp_path: Path
) -> None:
    settings, url = write_town(tmp_path), make_database(template=empty_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP EXTENSION pg_trgm CASCADE")
    for layer in read_catalog(settings).layers.values():
        load(layer, url)
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1") as client:
        town = client, url, ""
        assert features(town, "hauptstrasse")[:1] == [NAMES[1]]
        assert features(town, "wellingotn")[:1] == [NAMES[10]]
        assert features(town, "welligntn") == []
        assert "CREATE EXTENSION pg_trgm" in client.get("/readyz").json()["search"]


def test_an_index_serves_the_search_and_filters_whatever_the_case(town: Any) -> None:
    with psycopg.connect(town[1]) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT fid FROM layers.sites WHERE geoserver.fold(name) LIKE '%gardens%'"
        ).fetchall()
    assert "sites__search" in str(plan)


def test_the_database_folds_as_we_do(town: Any) -> None:
    texts = [*NAMES, "İstanbul ÉÀÜ ŁÓDŹ ς Ελλάς", "שָׁלוֹם", "مُحَمَّد", "Đà Nẵng", "ƒ ﬁ", "Ñandú"]
    with psycopg.connect(town[1]) as connection:
        rows = connection.execute(
            "SELECT geoserver.fold(t) FROM unnest(%s::text[]) WITH ORDINALITY AS u (t, n) ORDER BY n", [texts]
        ).fetchall()
    assert [row[0] for row in rows] == [fold(text) for text in texts]


@pytest.mark.parametrize(
    ("typed", "word", "mistakes"),
    [
        ("burglry", "burglary", 1),
        ("main", "mainly", 0),
        ("mian", "main", 1),
        ("amin", "main", 1),
        ("cat", "cart", 0),
        ("streat", "street", 1),
        ("welligntn", "wellington", 2),
        ("gard", "garden", 0),
        ("xarden", "garden", 0),
        ("gardens", "garden", 1),
        ("abcdefg", "tuvwxyz", 0),
    ],
)
def test_a_mistake_is_a_letter_too_much_missing_another_or_two_that_changed_places(
    typed: str, word: str, mistakes: int
) -> None:
    assert is_like(typed, word) == mistakes
