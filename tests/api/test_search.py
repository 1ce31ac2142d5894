"""`/api/search`: places, streets and addresses of a basemap, for each caller those that they may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.gate.making import Wish, make
from geoserver.loading import load
from geoserver.model import Grant
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD = 'title = "{id}"\nlicense = "CC0-1.0"\nsource = "data/{id}.csv"\nkind = "{kind}"\nbasemap = {basemap}\n'
FIELDS = {
    "places": ("points", "kind name name_fr"),
    "streets": ("lines", "class name"),
    "paths": ("lines", "class name"),
    "house-numbers": ("points", "number street"),
    "shops": ("points", "name"),
}
ROWS = {
    "places": [
        ("village", "Töölö", "Tölö", "POINT(25 60)"),
        ("suburb", "Norrvik", "", "POINT(25.3 60)"),
        ("park", "Main Park", "", "POINT(25.01 60)"),
        ("spring", "100% Well", "", "POINT(25.02 60)"),
    ],
    "streets": [
        ("primary", "Main Street", "LINESTRING(25 60.001, 25.002 60.001)"),
        ("primary", "Main Street", "LINESTRING(25.003 60.001, 25.005 60.001)"),
        ("residential", "Main Street", "LINESTRING(25.3 60.001, 25.301 60.001)"),
        ("residential", "Old Main Street", "LINESTRING(25.01 60.002, 25.011 60.002)"),
        ("residential", "Straße des 17. Juni", "LINESTRING(25.02 60.002, 25.021 60.002)"),
        ("residential", "", "LINESTRING(25.02 60.003, 25.021 60.003)"),
    ],
    "paths": [("path", "Main Secret", "LINESTRING(25 60.01, 25.002 60.01)")],
    "house-numbers": [
        ("12", "Main Street", "POINT(25.001 60.0011)"),
        ("12a", "Main Street", "POINT(25.0012 60.0011)"),
        ("135", "Straße des 17. Juni", "POINT(25.0201 60.002)"),
    ],
    "shops": [("Main Bakery", "POINT(25 60)")],
}


def write_town(folder: Path) -> Settings:
    for part in ("layers", "data"):
        (folder / part).mkdir()
    for name, (kind, fields) in FIELDS.items():
        text = HEAD.format(id=name, kind=kind, basemap="false" if name == "shops" else "true")
        if name == "paths":
            text += 'access = "restricted"\n'
        text += '[csv]\ngeometry = "shape"\n' + "".join(
            f'[fields.{field}]\ntype = "text"\n' for field in fields.split()
        )
        (folder / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")
        lines = [",".join([*fields.split(), "shape"])]
        lines += [",".join([*row[:-1], f'"{row[-1]}"']) for row in ROWS[name]]
        (folder / "data" / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    return Settings(workspace=folder, database_url=None)


@pytest.fixture(scope="module")
def key_and_town(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[tuple[str, TestClient]]:
    settings, url = write_town(tmp_path_factory.mktemp("town")), make_database(template=empty_template)
    for layer in read_catalog(settings).layers.values():
        load(layer, url)
    with psycopg.connect(url, autocommit=True) as connection:
        _, key = make(connection, Wish("walker", (Grant(frozenset({"paths"})),)), "test", "")
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield key, client


@pytest.fixture
def town(key_and_town: tuple[str, TestClient]) -> TestClient:
    return key_and_town[1]


def find(town: TestClient, text: str, **params: str) -> list[dict[str, Any]]:
    answer = town.get("/api/search", params={"q": text, **params})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["places"])


def titles(town: TestClient, text: str, **params: str) -> list[str]:
    return [place["title"] for place in find(town, text, **params)]


def test_a_street_in_pieces_is_found_once_and_another_of_its_name_elsewhere_beside_it(town: TestClient) -> None:
    here, there = find(town, "main street")[:2]
    assert (here["title"], here["near"], here["layer"]) == ("Main Street", "Töölö", "streets")
    assert here["bounds"] == pytest.approx([25, 60.001, 25.005, 60.001])
    west, south, east, north = here["bounds"]
    assert west <= here["at"][0] <= east
    assert south <= here["at"][1] <= north
    assert (there["title"], there["near"]) == ("Main Street", "Norrvik")


def test_the_name_itself_comes_first_then_names_that_begin_so_then_others(town: TestClient) -> None:
    assert titles(town, "main") == ["Main Park", "Main Street", "Main Street", "Old Main Street"]
    assert titles(town, "STREET Old") == ["Old Main Street"]
    assert titles(town, "main", limit="1") == ["Main Park"]


@pytest.mark.parametrize("text", ["toolo", "TÖÖLÖ", "tolo", "öölö"])
def test_capitals_accents_and_other_languages_do_not_matter(town: TestClient, text: str) -> None:
    assert titles(town, text) == ["Töölö"]


def test_a_name_is_told_in_the_readers_language_or_else_as_it_was_asked_for(town: TestClient) -> None:
    assert titles(town, "tolo", lang="fr") == ["Tölö"]
    assert titles(town, "toolo", lang="fr") == ["Töölö"]
    assert titles(town, "tolo", lang="de") == ["Töölö"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Main Street 12", "Main Street 12"),
        ("12 main street", "Main Street 12"),
        ("main street, 12A", "Main Street 12a"),
        ("strasse des 17. juni 135", "Straße des 17. Juni 135"),
        ("strasse des 17", "Straße des 17. Juni"),
    ],
)
def test_a_number_beside_a_street_finds_the_house(town: TestClient, text: str, first: str) -> None:
    assert titles(town, text)[0] == first


@pytest.mark.parametrize("text", ["%%", "__", "a%n", "mai_", "\\\\", "nothing", "' or '", "'; --", "12 34"])
def test_signs_of_patterns_are_letters_like_others(town: TestClient, text: str) -> None:
    assert find(town, text) == []


def test_signs_that_are_in_a_name_are_found(town: TestClient) -> None:
    assert titles(town, "100%") == ["100% Well"]


def test_data_of_the_city_are_not_places(town: TestClient) -> None:
    assert titles(town, "bakery") == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=a", "q"),
        ("q=" + "a" * 101, "q"),
        ("q=" + "+".join("abcdefghi"), "q"),
        ("q=a%00b", "q"),
        ("q=main&limit=0", "limit"),
        ("q=main&x=1", "x"),
        ("q=main&q=street", "q"),
    ],
)
def test_what_cannot_be_looked_for_is_named(town: TestClient, query: str, parameter: str) -> None:
    answer = town.get(f"/api/search?{query}")
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


def test_a_restricted_layer_is_searched_for_those_alone_who_may_see_it(key_and_town: tuple[str, TestClient]) -> None:
    key, town = key_and_town
    open_to_all = town.get("/api/search?q=secret")
    assert (open_to_all.json()["places"], "public" in open_to_all.headers["cache-control"]) == ([], True)
    granted = town.get("/api/search?q=secret", headers={"Authorization": f"Bearer {key}"})
    assert [place["title"] for place in granted.json()["places"]] == ["Main Secret"]
    assert granted.headers["cache-control"] == "private, no-store"


CROWD = """title = "Rows"
license = "CC0-1.0"
source = "crowd.csv"
kind = "points"
label = "code"
fields.code = { title = "Code", type = "text" }
fields.sort = { title = "Sort", type = "text", filter = "choice", labels = { "Kind 09999" = "The last one" } }
fields.number = { title = "Number", type = "integer", filter = "choice" }
"""


@pytest.fixture(scope="module")
def crowd(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[TestClient]:
    """Two rows of each of ten thousand values, in two fields."""
    folder, url = tmp_path_factory.mktemp("crowd"), make_database(template=empty_template)
    (folder / "layers").mkdir()
    (folder / "layers" / "crowd.toml").write_text(CROWD, encoding="utf-8")
    lines = [f"25,60,c{row},Kind {row % 10_000:05},{row % 10_000}" for row in range(20_000)]
    (folder / "crowd.csv").write_text("\n".join(["lon,lat,code,sort,number", *lines]), encoding="utf-8")
    settings = Settings(workspace=folder, database_url=None)
    load(read_catalog(settings).layers["crowd"], url)
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("kind 04711", ["Kind 04711"]),
        ("KIND 09998", ["Kind 09998"]),
        ("04711", ["Kind 04711"]),
        ("rows 04711", ["Kind 04711"]),
        ("sort kind 04711", ["Kind 04711"]),
        ("04711 kind", ["Kind 04711"]),
        ("kind 0471", [f"Kind 0471{last}" for last in range(10)]),
        ("number 9998", ["9998"]),
        ("the last one", ["The last one"]),
        ("kind 09999", ["The last one"]),
    ],
)
def test_one_of_ten_thousand_values_is_found_by_its_text_its_beginning_or_its_label(
    crowd: TestClient, text: str, first: list[str]
) -> None:
    answer = crowd.get("/api/search", params={"q": text, "parts": "values"})
    while "values" in answer.json()["incomplete"]:  # until they have been read
        answer = crowd.get("/api/search", params={"q": text, "parts": "values"})
    found = answer.json()["values"]
    assert [value["label"] for value in found] == first
    for value in found:
        params = {value["field"]: value["value"], "fields": ""}
        assert crowd.get("/api/layers/crowd/summary", params=params).json()["count"] == value["count"] == 2
