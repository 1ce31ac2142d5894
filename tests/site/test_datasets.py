"""Pages of datasets: the catalogue, a page for each, feeds, citations, metadata for search engines."""

from __future__ import annotations

import asyncio
import io
import re
import time
from contextlib import ExitStack
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import orjson
import psycopg
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from geoserver import assets
from geoserver.app import create_app
from geoserver.catalog.languages import page_languages, read_messages, read_table
from geoserver.catalog.licences import find_licence
from geoserver.database.pool import Database
from geoserver.database.previews import read_cells
from geoserver.filtering import build
from geoserver.model import Field
from geoserver.site.datasets.dataset import Chart, build_charts
from geoserver.site.datasets.jsonld import build_dataset
from geoserver.site.datasets.known import Known
from geoserver.site.datasets.sketch import build_frame
from geoserver.site.phrases import find_phrases
from geoserver.site.previews import draws_maps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from geoserver.services import Services
    from geoserver.settings import Settings

DATA = ("crime", "bike-paths", "trees", "sewage-sampling", "air-quality", "districts")
ATOM = {"": "http://www.w3.org/2005/Atom"}
MAPS = {"": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}


class Reader(HTMLParser):
    """The text that a reader sees, the elements by name with their attributes, and what is told to programs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.told: list[Any] = []
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in ("script", "style", "title"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.text += data
        elif self._inside[-1] == "script":
            self.told.append(orjson.loads(data))

    def find(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]


@pytest.fixture
def serve_copy(
    make_database: Callable[..., str], city_template: str, city_settings: Settings
) -> Iterator[Callable[[], tuple[TestClient, str]]]:
    """A server over a copy of the city, for a test that changes it."""
    with ExitStack() as stack:

        def serve() -> tuple[TestClient, str]:
            url = make_database(template=city_template)
            app = create_app(city_settings, url)
            return stack.enter_context(TestClient(app, base_url="http://127.0.0.1")), url

        yield serve


def read(client: TestClient, address: str, **headers: str) -> Reader:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Reader(answer.text)


def list_links(page: Reader) -> list[str]:
    """Datasets in the order in which the page lists them."""
    addresses = [found["href"].partition("?")[0] for found in page.find("a")]
    return [found[1] for url in addresses if (found := re.fullmatch(r"http://127\.0\.0\.1/layers/([a-z-]+)", url))]


def test_the_catalogue_lists_every_dataset_and_no_layer_of_the_basemap(client: TestClient) -> None:
    page = read(client, "/layers")
    assert sorted(list_links(page)) == sorted(DATA)
    assert "6 datasets" in page.text
    assert "59,973 reports" in page.text
    (told,) = page.told
    assert told["@type"] == "DataCatalog"
    assert len(told["dataset"]) == len(DATA)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=TREES", ["trees"]),
        ("q=police+corner", ["crime"]),
        ("q=securite&lang=fr", ["crime"]),
        ("q=safety&lang=fr", ["crime"]),
        ("q=outcome", ["crime"]),
        ("q=nothing+like+it", []),
        ("theme=Safety", ["crime"]),
        ("theme=Safety&q=trees", []),
        ("q=%3Cscript%3E", []),
    ],
)
def test_datasets_are_found_by_words_and_themes_in_the_address(
    client: TestClient, asked: str, found: list[str]
) -> None:
    page = read(client, f"/layers?{asked}")
    assert list_links(page) == found
    assert page.find("meta", name="robots", content="noindex, follow")
    assert len(page.told) == 1


def test_the_latest_update_comes_first_where_that_is_asked_for(client: TestClient, city_database: str) -> None:
    with psycopg.connect(city_database) as connection:
        rows = connection.execute("SELECT id FROM geoserver.layers ORDER BY loaded_at DESC").fetchall()
    expected = [name for (name,) in rows if name in DATA]
    assert list_links(read(client, "/layers?order=updated")) == expected
    feed = ElementTree.fromstring(client.get("/layers/feed.atom").content)
    titles = [entry.findtext("title", namespaces=ATOM) for entry in feed.findall("entry", ATOM)]
    assert len(set(titles)) == len(DATA)
    moments = [str(entry.findtext("updated", namespaces=ATOM)) for entry in feed.findall("entry", ATOM)]
    assert moments == sorted(moments, reverse=True)


def test_a_page_tells_what_the_dataset_is_and_what_became_of_its_source(client: TestClient) -> None:
    api = client.get("/api/layers/crime").json()
    page = read(client, "/layers/crime")
    assert api["description"] in page.text
    for field in api["fields"]:
        assert field["title"] in page.text
    assert page.find("a", rel="license", href="https://creativecommons.org/licenses/by/4.0/")
    assert "1 January 2021 – 31 December 2025" in page.text  # noqa: RUF001
    assert "60,000" in page.text
    assert "no position" in page.text
    assert f"{client.get('/api/layers/crime/summary?fields=').json()['count']:,} reports" in page.text
    assert page.find("a", href="http://127.0.0.1/?layers=crime")


def test_a_page_is_one_that_search_engines_for_data_read(client: TestClient) -> None:
    (told,) = read(client, "/layers/sewage-sampling?lang=en").told
    assert told["@context"] == "https://schema.org"
    assert (told["@type"], told["name"]) == ("Dataset", "Sewage sampling")
    assert told["url"] == "http://127.0.0.1/layers/sewage-sampling"
    assert told["license"].startswith("https://")
    south, west, north, east = map(float, told["spatialCoverage"]["geo"]["box"].split())
    assert south < north
    assert west < east
    for distribution in told["distribution"]:
        assert client.get(distribution["contentUrl"].removeprefix("http://127.0.0.1")).status_code == 200
    assert {item["name"] for item in told["variableMeasured"]} == {
        field["name"] for field in client.get("/api/layers/sewage-sampling").json()["fields"]
    }


def test_a_page_speaks_its_readers_language_and_names_the_others(client: TestClient) -> None:
    page = read(client, "/layers/crime", **{"accept-language": "fr-CA, en;q=0.5"})
    assert page.find("html", lang="fr")
    assert "Criminalité signalée" in page.text
    assert "Lignes écartées" in page.text
    assert "59\u202f973 signalements" in page.text
    others = {found["hreflang"]: found["href"] for found in page.find("link", rel="alternate") if "hreflang" in found}
    assert set(others) == {*page_languages(), "x-default"}
    german = read(client, others["de"].removeprefix("http://127.0.0.1"), **{"accept-language": "fr"})
    assert german.find("html", lang="de")
    assert german.find("link", rel="canonical", href=others["de"])
    own = [found["href"] for found in german.find("a") if "hreflang" not in found]
    assert all("lang=de" in url for url in own if url.startswith(("http://127.0.0.1/layers", "http://127.0.0.1/?")))


def test_an_answer_says_by_what_it_varies_and_is_known_again(client: TestClient) -> None:
    for address in ("/layers", "/layers/crime", "/layers/feed.atom", "/layers/crime/feed.atom", "/sitemap.xml"):
        answer = client.get(address)
        assert "Accept-Language" in answer.headers["vary"]
        assert answer.headers["cache-control"] == "public, max-age=0, must-revalidate"
        again = client.get(address, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert "Accept-Language" not in client.get("/layers/crime?lang=de").headers["vary"]


def test_nothing_of_a_page_comes_from_elsewhere_and_no_script_may_run(client: TestClient) -> None:
    for address in ("/layers", "/layers/crime"):
        answer = client.get(address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        page = Reader(answer.text)
        assert {found["type"] for found in page.find("script")} == {"application/ld+json"}
        assert not [found for _, found in page.elements if "style" in found or any(name[:2] == "on" for name in found)]
        assert all(found["src"].startswith("http://127.0.0.1/") for found in page.find("img"))


def test_what_search_engines_for_data_demand_is_told_of_every_dataset(client: TestClient) -> None:
    for name in DATA:
        (told,) = read(client, f"/layers/{name}").told
        assert 50 <= len(told["description"]) <= 5_000
        assert told["name"]
        assert told["license"].startswith("https://")
        assert told["creator"]["name"]
        assert told["publisher"]["name"]
        assert re.fullmatch(r"(-?[\d.]+ ){3}-?[\d.]+", told["spatialCoverage"]["geo"]["box"])
        assert all(each["contentUrl"].startswith("http://") and each["encodingFormat"] for each in told["distribution"])


def test_a_description_that_is_too_short_for_search_engines_is_filled_up(client: TestClient, city_app: FastAPI) -> None:
    assert client
    services: Services = city_app.state.services
    found = services.find("trees")
    assert found is not None
    layer = replace(found[0], description="Trees.")
    document = build_dataset(Known(layer, found[1]), services.live.current.city, "http://127.0.0.1", [])
    assert document["description"].startswith("Trees. Trees. ")
    assert len(document["description"]) >= 50


def test_values_are_drawn_where_a_few_of_them_say_something(client: TestClient, city_app: FastAPI) -> None:
    assert client
    services: Services = city_app.state.services
    found = services.find("crime")
    assert found is not None
    layer, status = found

    def draw(*counts: int) -> list[Chart]:
        choices = {"category": [{"value": str(number), "count": count} for number, count in enumerate(counts)]}
        return build_charts(Known(layer, status, choices=choices), find_phrases("en"))

    assert draw(*[9] * 500) == []
    assert (
        build_charts(
            Known(
                layer,
                replace(status, rows=30),
                choices={"category": [{"value": str(i), "count": 1} for i in range(30)]},
            ),
            find_phrases("en"),
        )
        == []
    ), "each row has its own"
    (chart,) = draw(*[1_000] * 40)
    assert len(chart.bars) == 9
    rest = chart.bars[-1]
    assert (rest.rest, rest.share, chart.bars[0].share) == (True, 0.0, 100.0), "no bar is as long as a shorter one"


def test_reference_managers_get_the_citation_as_a_file(client: TestClient) -> None:
    (entry,) = client.get("/layers/crime/citation.json").json()
    assert entry["type"] == "dataset"
    assert entry["URL"] == "http://127.0.0.1/layers/crime"
    assert entry["note"] == "CC BY 4.0"
    known = {"id", "type", "title", "author", "publisher", "issued", "version", "URL", "note", "language"}
    assert entry.keys() <= known, "the schema of CSL-JSON has no others"
    bibtex = client.get("/layers/crime/citation.bib").text
    assert bibtex.startswith("@misc{crime-")
    assert bibtex.count("{") == bibtex.count("}")
    assert client.get("/layers/crime/citation.xml").status_code == 404
    assert client.get("/layers/nothing/citation.bib").status_code == 404


def test_the_feed_of_a_dataset_has_its_loads(client: TestClient) -> None:
    answer = client.get("/layers/crime/feed.atom?lang=de")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.content)
    (entry,) = feed.findall("entry", ATOM)
    assert str(entry.findtext("summary", namespaces=ATOM)).startswith("59.973 Meldungen veröffentlicht, 27 ")
    assert entry.find("link", ATOM).attrib["href"].endswith("/layers/crime?lang=de")  # type: ignore[union-attr]


def test_the_sitemap_has_every_page_in_every_language(client: TestClient) -> None:
    urls = ElementTree.fromstring(client.get("/sitemap.xml").content).findall("url", MAPS)
    pages = [str(url.findtext("loc", namespaces=MAPS)) for url in urls]
    assert pages == [f"http://127.0.0.1{path}" for path in ("/", "/layers", *(f"/layers/{name}" for name in DATA))]
    languages = {link.attrib["hreflang"] for link in urls[-1].findall("x:link", MAPS)}
    assert languages == set(page_languages())
    assert "Sitemap: http://127.0.0.1/sitemap.xml" in client.get("/robots.txt").text


def test_who_asks_for_a_page_that_is_not_there_is_led_on_and_a_program_is_told_why(client: TestClient) -> None:
    answer = client.get("/layers/nothing", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 404
    assert Reader(answer.text).find("a", href="http://127.0.0.1/layers")
    assert client.get("/layers/nothing").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("table", ["pages", "sentences", "readme", "downloads"])
def test_every_language_says_all_that_the_server_says(table: str) -> None:
    folder = assets.root("messages")
    expected = read_table(folder / "en.ts", table)
    assert expected
    for language in page_languages():
        told = read_table(folder / f"{language}.ts", table)
        assert list(told) == list(expected)
        parts = {key: sorted(re.findall(r"{\w+}", text)) for key, text in told.items()}
        assert parts == {key: sorted(re.findall(r"{\w+}", text)) for key, text in expected.items()}
        assert read_messages(table, language) == told


@pytest.mark.parametrize(
    ("identifier", "title", "url"),
    [
        ("CC-BY-4.0", "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
        ("CC-BY-NC-SA-3.0-IGO", "CC BY-NC-SA 3.0 IGO", "https://creativecommons.org/licenses/by-nc-sa/3.0/igo/"),
        ("CC0-1.0", "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("ODbL-1.0", "Open Database License 1.0", "https://opendatacommons.org/licenses/odbl/1-0/"),
        ("MIT", "MIT", "https://spdx.org/licenses/MIT.html"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0", ""),
        ("LicenseRef-City-Terms", "City Terms", ""),
    ],
)
def test_a_licence_has_a_name_and_where_there_is_one_an_address(identifier: str, title: str, url: str) -> None:
    assert find_licence(identifier) == (title, url)


def test_a_year_is_written_as_a_year_and_a_number_of_people_as_a_number() -> None:
    english = find_phrases("en")
    year, people = Field("year", "Year", "integer"), Field("people", "People", "integer", unit="people")
    assert [english.value(year, 1994), english.value(people, 1994), english.value(year, 12_345)] == [
        "1994",
        "1,994",
        "12,345",
    ]


def test_numbers_dates_and_sizes_are_written_as_in_the_readers_language() -> None:
    english, french, german = (find_phrases(code) for code in ("en", "fr", "de"))
    assert english.number(1234567) == "1,234,567"
    assert german.number(1234.5) == "1.234,5"
    assert french.when("2024-05-31T22:10:00Z") == "31 mai 2024, 22:10"
    assert english.when("12024-05-31") == "12024-05-31"
    assert german.bytes(1_260_000) == "1,3 MB"
    assert [french.count("dataset", number) for number in (0, 1, 2)] == [
        "0 jeu de données",
        "1 jeu de données",
        "2 jeux de données",
    ]


def test_the_map_of_a_dataset_is_small_and_shows_where_its_rows_lie(client: TestClient) -> None:
    for layer, drawn in (("crime", "marks"), ("bike-paths", "lines"), ("districts", "areas")):
        answer = client.get(f"/layers/{layer}/map.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert len(answer.content) < 120_000
        root = ElementTree.fromstring(answer.content)
        paths = [path for path in root if path.get("class", "").startswith(drawn)]
        numbers = [float(number) for path in paths for number in re.findall(r"[-\d.]+", path.attrib["d"])]
        assert len(numbers) > 50
        assert -50 < min(numbers) <= max(numbers) < 770
        assert b"prefers-color-scheme:dark" in answer.content


def test_the_map_is_drawn_anew_when_rows_change_and_kept_as_long_as_they_do_not(
    serve_copy: Callable[[], tuple[TestClient, str]],
) -> None:
    client, database = serve_copy()
    first = client.get("/layers/trees/map.svg")
    assert client.get("/layers/trees/map.svg", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM layers.trees WHERE fid % 2 = 0")
    deadline = time.monotonic() + 30
    while client.get("/layers/trees/map.svg").headers["etag"] == first.headers["etag"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_preview_of_a_link_has_a_title_a_text_and_a_picture(client: TestClient) -> None:
    page = read(client, "/layers/districts?lang=de")
    told = {found["property"]: found["content"] for found in page.find("meta") if "property" in found}
    assert told["og:title"].startswith("Stadtteile")
    assert told["og:description"]
    answer = client.get(told["og:image"].removeprefix("http://127.0.0.1"))
    image = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["content-type"], image.size) == ("image/png", (1200, 630))
    assert len(image.convert("RGB").getcolors(100_000) or ()) > 5


@pytest.mark.parametrize(
    ("address", "shown"), [("/", "crime"), ("/?layers=trees,districts", "trees"), ("/?layers=", "crime")]
)
def test_a_preview_of_a_link_to_the_map_shows_the_first_layer_that_is_on(
    client: TestClient, address: str, shown: str
) -> None:
    page = client.get(address).text
    told = dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)" />', page))
    assert told["og:title"]
    assert told["twitter:card"] == "summary_large_image"
    drawn = draws_maps(client.app.routes)  # type: ignore[attr-defined]
    assert drawn or told["og:image"] == f"http://127.0.0.1/layers/{shown}/map.png"
    answer = client.get(told["og:image"].removeprefix("http://127.0.0.1"))
    size = (int(told["og:image:width"]), int(told["og:image:height"]))
    assert Image.open(io.BytesIO(answer.content)).size == size


def test_the_data_service_leads_to_the_page_of_a_dataset(client: TestClient) -> None:
    address = "http://127.0.0.1/layers/crime"
    assert f'href="{address}"' in client.get("/ogc/collections/crime?f=html").text
    links = client.get("/ogc/collections/crime?f=json").json()["links"]
    assert [link["href"] for link in links if link["rel"] == "describedby"] == [address]
    assert 'href="http://127.0.0.1/layers/land"' not in client.get("/ogc/collections/land?f=html").text


def test_pictures_of_other_kinds_are_not_found(client: TestClient) -> None:
    assert client.get("/layers/crime/map.gif").status_code == 404
    assert client.get("/layers/nothing/map.svg").status_code == 404


def test_packed_points_are_drawn_where_the_rows_lie(client: TestClient, city_database: str) -> None:
    services = client.app.state.services  # type: ignore[attr-defined]
    layer, status = services.find("crime")
    assert status.plan.block >= 0
    frame = build_frame(status.bounds, None)

    async def count() -> list[dict[tuple[int, int], int]]:
        database = Database(city_database, services.settings)
        await database.open()
        found = []
        for plan in (status.plan, replace(status.plan, block=-1)):
            state = replace(status, plan=plan)
            cells = await read_cells(database, layer, state, build(layer, state), frame, cell=48)
            found.append({(column, row): number for column, row, number in cells})
        await database.close()
        return found

    packed, rows = asyncio.run(count())
    assert sum(packed.values()) == sum(rows.values()) == status.rows
    assert sum(abs(packed.get(place, 0) - rows[place]) for place in rows) < status.rows / 100


def test_files_to_download_stand_on_the_page_with_their_size_and_their_limits(client: TestClient) -> None:
    listed = client.get("/api/layers/air-quality?lang=de").json()["downloads"]
    page = read(client, "/layers/air-quality?lang=de")
    for file in listed:
        assert page.find("a", href=f"{file['href']}?lang=de"), "what goes with the rows is in the reader's language"
        assert [limit for limit in file["limits"] if limit not in page.text] == []
    assert page.find("a", href="http://127.0.0.1/download/air-quality.csv"), "for programs, without ways of a language"
    assert not [found for found in page.find("td") + page.find("p") if found.get("lang") == "en"]
    assert "Zeitpunkte sind auf die Millisekunde genau" in page.text
    assert page.find("link", rel="item", type="application/zip")
    assert "etwa" in page.text
    assert "Messungen" in page.text
    formats = [distribution["encodingFormat"] for distribution in page.told[0]["distribution"]]
    assert formats[: len(listed)] == [file["media_type"] for file in listed]
