"""Pages of datasets as cities have them that nobody tidied up: odd words, no words, tiles alone, under a path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import psycopg
import pytest
from fastapi.testclient import TestClient
from gated import FUNCTION, write_archive
from test_datasets import ATOM, Reader, read

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MARKUP = "</title></script><script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7 * 7 }}"
ARABIC = "أشجار المدينة"
LONG = "A word and &lt; another <b>one</b>. " * 277
LAYERS = {
    "markup": f"""title = '''{MARKUP}'''
description = '''{MARKUP}'''
theme = '''{MARKUP}'''
keywords = ['''{MARKUP}''']
attribution = '''{MARKUP} \\ {{}} % & # _ ~'''
license = "LicenseRef-Own-Terms"
kind = "points"
source = "data/places.csv"
[fields.name]
title = '''{MARKUP}'''
description = '''{MARKUP}'''
type = "text"
filter = "choice"
[fields.name.labels]
"a" = '''{MARKUP}'''
""",
    "rtl": f"""title = "{ARABIC}"
description = "{ARABIC}"
language = "ar"
license = "ODbL-1.0"
kind = "points"
source = "data/places.csv"
[fields.number]
type = "number"
unit = "م"
filter = "range"
""",
    "long": f"""title = "{"Title " * 33}"
description = "{LONG[:9_990]}"
license = "CC0-1.0 OR MIT"
kind = "points"
source = "data/places.csv"
""",
    "bad": """title = "Bad rows"
license = "CC-BY-4.0"
kind = "points"
source = "data/bad.csv"
[fields.number]
type = "integer"
""",
    "echo": """title = "Echo"
license = "CC-BY-4.0"
kind = "function"
source = "public.echo"
bounds = [13, 52, 14, 53]
[parameters.year]
title = "Year"
type = "integer"
default = 2020
""",
    "archive": """title = "Archive"
license = "CC-BY-4.0"
kind = "tiles"
source = "data/archive.pmtiles"
""",
}

COUNTS = {"Rows read": 5, "Rows published": 4, "Rows left out": 1, "Values left empty or repaired": 1}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    for name in ("layers", "data"):
        (folder / name).mkdir()
    for name, text in LAYERS.items():
        (folder / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")
    places = "name,number,lon,lat\n" + "".join(f"{'ab'[i % 2]},{i / 2},{13.4 + i / 100},52.5\n" for i in range(8))
    (folder / "data" / "places.csv").write_text(places, encoding="utf-8")
    bad = "number,lon,lat\n1,13.4,52.5\n2,13.5,52.6\ntall,13.4,52.5\n4,,\n5,13.6,52.6\n"
    (folder / "data" / "bad.csv").write_text(bad, encoding="utf-8")
    write_archive(folder / "data" / "archive.pmtiles")
    return folder


@pytest.fixture(scope="module")
def odd_database(odd: Path, make_database: Callable[..., str], empty_template: str) -> str:
    url = make_database(template=empty_template)
    with psycopg.connect(url) as connection:
        connection.execute(FUNCTION.encode())
    catalog = read_catalog(Settings(workspace=odd, database_url=None))
    assert not catalog.problems, catalog.problems
    for layer in catalog.layers.values():
        if layer.has_rows:
            load(layer, url)
    return url


@pytest.fixture(scope="module")
def client(odd: Path, odd_database: str) -> Iterator[TestClient]:
    app = create_app(Settings(workspace=odd, database_url=None), odd_database)
    with TestClient(app, base_url="http://127.0.0.1") as running:
        yield running


@pytest.mark.parametrize("path", ["/layers", "/layers/markup", f"/layers?q={MARKUP[:40]}", "/layers?theme=%3Cb%3E"])
def test_words_with_markup_are_words_and_nothing_else(client: TestClient, path: str) -> None:
    page = read(client, path)
    assert {found["type"] for found in page.find("script")} == {"application/ld+json"}
    assert not [found for _, found in page.elements if "onerror" in found]
    assert not page.find("img", src="x")
    assert "49" not in page.text
    if path == "/layers/markup":
        assert MARKUP in page.text
        assert page.told[0]["name"] == MARKUP


def test_words_with_markup_leave_feeds_and_citations_whole(client: TestClient) -> None:
    feed = ElementTree.fromstring(client.get("/layers/feed.atom").content)
    assert MARKUP in [entry.findtext("title", namespaces=ATOM) for entry in feed.findall("entry", ATOM)]
    ElementTree.fromstring(client.get("/layers/markup/feed.atom").content)
    bibtex = client.get("/layers/markup/citation.bib").text
    assert re.sub(r"\\[{}]", "", bibtex).count("{") == re.sub(r"\\[{}]", "", bibtex).count("}")
    assert r"\textbackslash{} \{\} \% \& \# \_ \textasciitilde{}" in bibtex
    assert client.get("/layers/markup/citation.json").json()[0]["title"] == MARKUP


def test_words_that_run_the_other_way_say_so(client: TestClient) -> None:
    page = read(client, "/layers/rtl?lang=fr")
    (heading,) = page.find("h1")
    assert heading == {"lang": "ar", "dir": "auto"}
    assert "0 – 3,5" in page.text  # noqa: RUF001


def test_ten_thousand_characters_are_read_whole_on_the_page_and_cut_elsewhere(client: TestClient) -> None:
    page = read(client, "/layers/long")
    assert LONG[:9_900] in page.text
    (description,) = page.find("meta", name="description")
    assert len(description["content"]) <= 301
    assert len(read(client, "/layers").text) < 10_000


def test_what_could_not_be_read_is_told_with_its_reasons(client: TestClient) -> None:
    page = read(client, "/layers/bad")
    told = re.sub(r"\s+", " ", page.text)
    assert all(re.search(rf"{what} ?{number}\b", told) for what, number in COUNTS.items())
    assert "no position" in told
    assert "no integer, left empty" in told
    assert "tall" in told
    assert page.find("a", href="http://127.0.0.1/api/layers/bad/rejects")


@pytest.mark.parametrize("layer", ["echo", "archive"])
def test_tiles_without_rows_have_a_page_too(client: TestClient, layer: str) -> None:
    page = read(client, f"/layers/{layer}")
    assert "has no rows of its own" in page.text
    assert "/ogc/collections" not in page.text
    assert len(page.told[0]["distribution"]) == 1
    assert client.get(f"/layers/{layer}/map.svg").status_code == 200
    feed = ElementTree.fromstring(client.get(f"/layers/{layer}/feed.atom").content)
    assert feed.findtext("updated", namespaces=ATOM)


def test_a_city_without_a_file_of_its_own_has_pages_with_the_products_words(client: TestClient) -> None:
    page = read(client, "/layers", **{"accept-language": "es"})
    assert "Mapa de la ciudad" in page.text
    assert "6 conjuntos de datos" in page.text


def test_every_address_leads_back_to_where_the_public_finds_us(odd: Path, odd_database: str) -> None:
    settings = Settings(workspace=odd, database_url=None, public_url="https://city.example.org/maps/")
    with TestClient(create_app(settings, odd_database), base_url="http://127.0.0.1") as running:
        for path in ("/layers?q=rows", "/layers/bad?lang=de", "/layers/nothing"):
            answer = running.get(path, headers={"accept": "text/html"})
            page = Reader(answer.text)
            found = [url for _, attributes in page.elements for key in ("href", "src", "action", "content")
                     if (url := attributes.get(key, "")).startswith(("http", "/"))]  # fmt: skip
            foreign = ("https://creativecommons.org/", "https://city.example.org/maps/")
            assert found
            assert [url for url in found if not url.startswith(foreign)] == []
        assert b"127.0.0.1" not in running.get("/sitemap.xml").content
        assert b"127.0.0.1" not in running.get("/layers/feed.atom").content
        assert "https://city.example.org/maps/sitemap.xml" in running.get("/robots.txt").text


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=%FF%FE", "lang=%00", "lang=xx-YY", "theme=" + "x" * 5_000, "order=best", "q=a&q=b", "what=ever"],
)
def test_whatever_is_asked_of_the_catalogue_it_answers(client: TestClient, query: str) -> None:
    page = read(client, f"/layers?{query}")
    assert page.find("html", lang="en")
    assert len(page.text) < 20_000


def test_a_page_that_is_not_there_makes_nothing_of_its_name(client: TestClient) -> None:
    answer = client.get("/layers/%22%3E%3Cscript%3E%3Fx%23y", headers={"accept": "text/html"})
    assert answer.status_code == 404
    page = Reader(answer.text)
    assert not page.find("script")
    assert page.find("a", href="http://127.0.0.1/layers/%22%3E%3Cscript%3E%3Fx%23y?lang=fr")


def test_a_licence_of_the_citys_own_is_told_by_its_name(client: TestClient) -> None:
    page = read(client, "/layers/markup")
    assert page.told[0]["license"] == {"@type": "CreativeWork", "name": "Own Terms"}
    assert "Own Terms" in page.text
