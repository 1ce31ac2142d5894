"""Feeds of what is new under a filter: exactly the rows that came, whoever brought them, and none that were there."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import psycopg
import pytest
from fastapi.testclient import TestClient
from gated import PART, fill, make_keys, run_city, write_city

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.loading import load
from geoserver.mapstates import parse_state
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATOM = {"": "http://www.w3.org/2005/Atom", "georss": "http://www.georss.org/georss"}
LAYER = """title = "Thefts <&>"
license = "CC0-1.0"
source = "data/thefts.csv"
kind = "points"
key = "code"
label = "{what} in {at}"
[fields.what]
title = "What"
type = "text"
filter = "choice"
[fields.at]
type = "text"
filter = "choice"
[fields.day]
type = "date"
filter = "range"
"""
FEED = "/layers/thefts/changes.atom"


class Town:
    """One layer that is loaded and edited, and its feed."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "layers").mkdir(parents=True)
        (folder / "data").mkdir()
        self.file, self.data, self.url = folder / "layers" / "thefts.toml", folder / "data" / "thefts.csv", url
        self.file.write_text(LAYER, encoding="utf-8")
        self.client: TestClient

    def load(self, rows: int, *more: str) -> None:
        lines = [
            f"c{n},{'bike' if n % 2 else 'car'},Vrá,2024-05-{n % 28 + 1:02},{13.4 + n / 10_000:.4f},52.5"
            for n in range(rows)
        ]
        self.data.write_text("\n".join(["code,what,at,day,lon,lat", *lines, *more]), encoding="utf-8")
        load(read_layer(self.file), self.url, force=True)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def ask(self, query: str = "") -> ElementTree.Element:
        answer = self.client.get(FEED + query)
        assert answer.status_code == 200, answer.text
        return ElementTree.fromstring(answer.content)

    def titles(self, query: str = "") -> list[str]:
        return [str(entry.findtext("title", namespaces=ATOM)) for entry in self.ask(query).findall("entry", ATOM)]


@pytest.fixture
def town(tmp_path: Path, empty_database: str) -> Iterator[Town]:
    made = Town(tmp_path / "town", empty_database)
    made.load(200)
    app = create_app(Settings(workspace=tmp_path / "town", database_url=None), empty_database)
    with TestClient(app, base_url="http://127.0.0.1") as made.client:
        yield made


def insert(first: int, count: int, what: str = "bike", at: str = "Vrá") -> str:
    return (
        "INSERT INTO layers.thefts (fid, source_key, what, at, day, geom)"
        f" SELECT {first} + n, 'new' || {first} + n, '{what}', '{at}', '2024-06-01',"
        f" ST_SetSRID(ST_MakePoint(13.5, 52.6), 4326) FROM generate_series(0, {count} - 1) AS n"
    )


def test_what_was_there_from_the_beginning_is_not_new(town: Town) -> None:
    feed = town.ask()
    assert feed.findall("entry", ATOM) == []
    assert str(feed.findtext("updated", namespaces=ATOM)) > "2024"
    assert feed.findtext("title", namespaces=ATOM) == "New: Thefts <&>"


def test_a_load_of_the_same_rows_and_three_more_tells_of_three(town: Town) -> None:
    town.load(200, *(f"x{n},bike,Aïra,2024-07-01,13.6,52.{n}" for n in range(3)))
    assert town.titles() == ["bike in Aïra"] * 3
    town.load(200, *(f"x{n},bike,Aïra,2024-07-01,13.6,52.{n}" for n in range(3)))
    assert len(town.titles()) == 3
    town.load(199)
    assert town.titles() == []


def test_a_row_that_is_inserted_is_told_under_the_filters_that_it_matches(town: Town) -> None:
    town.run(insert(1001, 1))
    town.run(insert(1002, 1, what="car"))
    assert town.titles() == ["car in Vrá", "bike in Vrá"]
    assert town.titles("?filter=what='bike'") == town.titles("?filter.thefts=what='bike'") == ["bike in Vrá"]
    assert town.titles("?area=13.45,52.55,13.55,52.65") == town.titles()
    assert town.titles("?area=13,52,13.1,52.1") == []
    town.run("UPDATE layers.thefts SET what = 'tram' WHERE fid <= 1001")
    assert town.titles("?filter=what='tram'") == ["tram in Vrá"]  # what is old and has changed is not new
    town.run("DELETE FROM layers.thefts WHERE fid = 1001")
    assert town.titles() == ["car in Vrá"]


def test_an_entry_says_what_where_and_when_it_is_and_leads_to_the_map(town: Town) -> None:
    town.run(insert(1001, 1))
    query = "?filter=what='bike'&area=13.45,52.55,13.55,52.65&lang=de"
    feed = town.ask(query)
    assert feed.findtext("title", namespaces=ATOM) == "Neu: Thefts <&>: bike, in einem gewählten Gebiet"
    (entry,) = feed.findall("entry", ATOM)
    assert entry.findtext("georss:point", namespaces=ATOM) == "52.600000 13.500000"
    assert "What: bike" in str(entry.findtext("summary", namespaces=ATOM))
    link = entry.find("link", ATOM)
    assert link is not None
    parts = urlsplit(link.attrib["href"])
    said = parse_state(parse_qsl(parts.query))
    assert (said.layers, said.filters, said.area) == (("thefts",), {"thefts": "what='bike'"}, "13.45,52.55,13.55,52.65")
    assert said.camera is not None
    assert "select=thefts/1001" in parts.query
    own = next(each.attrib["href"] for each in feed.findall("link", ATOM) if each.attrib["rel"] == "self")
    again = ElementTree.fromstring(town.client.get(own.removeprefix("http://127.0.0.1")).content)
    assert ElementTree.tostring(again) == ElementTree.tostring(feed)
    (elsewhere,) = town.ask().findall("entry", ATOM)
    assert entry.findtext("id", namespaces=ATOM) == elsewhere.findtext("id", namespaces=ATOM)


def test_the_page_of_a_filtered_map_names_the_feed_of_its_filter(town: Town) -> None:
    town.run(insert(1001, 1))
    town.run(insert(1002, 1, what="car"))
    page = town.client.get("/", params={"layers": "thefts", "filter.thefts": "what='bike'", "lang": "de"}).text
    found = re.findall(r'<link rel="alternate" type="application/atom\+xml" title="([^"]*)" href="([^"]*)" />', page)
    ((title, address),) = [tuple(map(html.unescape, each)) for each in found]
    assert title == "Neu: Thefts <&>: bike"
    feed = ElementTree.fromstring(town.client.get(address).content)
    assert [entry.findtext("title", namespaces=ATOM) for entry in feed.findall("entry", ATOM)] == ["bike in Vrá"]
    assert "changes.atom" not in town.client.get("/").text


def test_a_feed_holds_a_hundred_entries_and_text_that_xml_cannot_hold_is_replaced(town: Town) -> None:
    town.run(insert(1001, 150))
    assert len(town.titles()) == 100
    town.run("UPDATE layers.thefts SET what = E'<b>\\x01&' WHERE fid = 1150")
    assert town.titles()[0] == "<b>\ufffd& in Vrá"


def test_an_unchanged_feed_is_a_304(town: Town) -> None:
    first = town.client.get(FEED)
    assert town.client.get(FEED, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    town.run(insert(1001, 1))
    assert town.client.get(FEED, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("time=5", "time"), ("area=x", "area"), ("filter=nothing=1", "filter"), ("filter=(", "filter")],
)
def test_a_wrong_question_is_refused_in_words(town: Town, query: str, parameter: str) -> None:
    answer = town.client.get(f"{FEED}?{query}")
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


@pytest.mark.slow
def test_the_log_of_what_is_new_stays_small(town: Town) -> None:
    for number in range(30):
        town.run(insert(10_000 + 1_000 * number, 1_000))
    town.run("SELECT setseed(0)")
    for number in range(400):
        town.run(insert(100_000 + number, 1))
    with psycopg.connect(town.url) as connection:
        row = connection.execute("SELECT sum(cardinality(fids)) FROM geoserver.arrivals").fetchone()
    assert row is not None
    assert row[0] < 12_000


def test_a_restricted_layers_feed_is_for_those_who_may_see_it_and_tells_of_their_rows(
    tmp_path: Path, empty_database: str
) -> None:
    folder = write_city(tmp_path / "city", PART)
    fill(folder, empty_database)
    keys = make_keys(empty_database)
    with run_city(folder, empty_database) as client:
        with psycopg.connect(empty_database) as connection:
            connection.execute(
                "INSERT INTO layers.people (fid, source_key, name, zone, height, geom, pay)"
                " SELECT 5000 + n, 'new' || n, 'newcomer ' || n, CASE WHEN n < 2 THEN 'a' ELSE 'canary' END, 5,"
                " ST_SetSRID(ST_MakePoint(20, 60), 4326), 7654321 FROM generate_series(0, 4) AS n"
            )
        assert client.get("/layers/people/changes.atom").status_code == 404
        told = {}
        for caller in ("rows", "narrow", "full"):
            answer = client.get(f"/layers/people/changes.atom?key={keys[caller]}")
            assert answer.headers["cache-control"] == "private, no-store"
            assert keys[caller] not in answer.text
            told[caller] = answer.text
        assert [text.count("<entry>") for text in told.values()] == [2, 5, 5]
        assert "7654321" not in told["rows"] + told["narrow"]
        assert "canary" not in told["rows"].lower().replace("people canary", "")
