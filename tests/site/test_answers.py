"""The page's answers, shared among visitors: made once, of one state of the data, and never those of somebody else."""

from __future__ import annotations

import asyncio
import html
import json
import random
import re
import string
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver import assets
from geoserver.app import create_app
from geoserver.kept import Kept, Made
from geoserver.site import answers as answering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from geoserver.settings import Settings
    from geoserver.site.answers import Answers

built = pytest.mark.skipif(
    not (assets.root("web") / "index.html").is_file(), reason="the viewer is not built: npm --prefix web run build"
)


def read_told(page: str) -> dict[str, Any]:
    """Answers that stand in the page, by address."""
    blocks = re.findall(r'<script type="application/json" data-address="([^"]*)">(.*?)</script>', page, re.DOTALL)
    return {html.unescape(address): json.loads(text) for address, text in blocks}


@pytest.fixture
def answers(city_app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Those of the app, empty."""
    assert client
    monkeypatch.setattr("geoserver.site.answers._PATIENCE", 60.0)  # what is late would be left out
    city_app.state.answers.kept.clear()
    yield city_app.state.answers
    city_app.state.answers.kept.clear()


# What is kept


def test_what_is_asked_for_at_the_same_time_and_soon_after_is_made_once() -> None:
    async def run() -> None:
        kept: Kept[str] = Kept(60, 10_000)
        made = 0

        async def make() -> Made:
            nonlocal made
            made += 1
            await asyncio.sleep(0.01)
            return Made(b"text")

        assert set(await asyncio.gather(*(kept.get("key", make) for _ in range(20)))) == {(b"text", True)}
        assert (await kept.get("key", make), made) == ((b"text", True), 1)
        kept.clear()
        await kept.get("key", make)
        assert made == 2

    asyncio.run(run())


def test_what_was_begun_before_a_change_is_given_to_nobody_who_comes_after_it() -> None:
    async def run() -> None:
        kept: Kept[str] = Kept(60, 10_000)
        go_on = asyncio.Event()

        async def make_old() -> Made:
            await go_on.wait()
            return Made(b"old")

        async def make_new() -> Made:
            return Made(b"new")

        first = asyncio.create_task(kept.get("key", make_old))
        await asyncio.sleep(0)
        kept.clear()
        assert (await kept.get("key", make_new)).body == b"new"
        go_on.set()
        assert (await first).body == b"old"
        assert (await kept.get("key", make_old)).body == b"new"

    asyncio.run(run())


def test_what_is_kept_is_bounded_and_what_failed_or_is_old_is_made_again() -> None:
    async def run() -> None:
        kept: Kept[int] = Kept(60, 10_000)

        async def make(size: int, *, keep: bool = True) -> Made:
            return Made(b"x" * size, keep)

        for key in range(1000):
            await kept.get(key, lambda: make(1000))
            assert kept.size <= 10_000
        assert len(kept) == 6
        assert len((await kept.get(-1, lambda: make(20_000))).body) == 20_000  # larger than all that is kept
        assert len(kept) == 6
        await kept.get(-2, lambda: make(5, keep=False))
        assert (await kept.get(-2, lambda: make(7))).body == b"x" * 7
        old: Kept[int] = Kept(0, 10_000)
        await old.get(1, lambda: make(5))
        assert (await old.get(1, lambda: make(7))).body == b"x" * 7
        assert (len(old), old.size) == (1, 507)

    asyncio.run(run())


def test_an_error_reaches_all_who_wait_and_none_who_come_later() -> None:
    async def run() -> None:
        kept: Kept[str] = Kept(60, 10_000)

        async def fail() -> Made:
            await asyncio.sleep(0.01)
            raise ValueError("away")

        async def make() -> Made:
            return Made(b"there")

        found = await asyncio.gather(*(kept.get("key", fail) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in found] == ["away"] * 3
        assert (await kept.get("key", make)).body == b"there"

    asyncio.run(run())


# The page


@built
def test_the_page_is_made_once_whatever_else_stands_in_its_address(client: TestClient, answers: Answers) -> None:
    first = client.get("/?layers=crime,trees")
    number = len(answers.kept)
    draw = random.Random(4)
    for _ in range(50):
        junk = "".join(draw.choices(string.printable.replace("&", ""), k=30))
        asked = {"layers": draw.choice(["crime,trees", "trees,crime,crime", f"no-{draw.random()},crime,trees"])}
        extra = {"lang": draw.choice(["", "en", "en-AU", "xx"])}  # all of them English
        page = client.get("/", params=asked | extra | {f"x{draw.random()}": junk}, headers={"X-Junk": junk[:9].strip()})
        assert page.content == first.content
    assert len(answers.kept) == number


@built
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_every_encoding_of_the_page_is_the_same_page_and_has_its_own_tag(client: TestClient, encoding: str) -> None:
    plain = client.get("/", headers={"Accept-Encoding": "identity"})
    page = client.get("/", headers={"Accept-Encoding": encoding})
    assert page.content == plain.content
    assert (page.headers["etag"] == plain.headers["etag"]) == (encoding == "identity")
    assert {"Accept-Encoding", "Accept-Language"} == set(page.headers["vary"].split(", "))
    known = {"Accept-Encoding": encoding, "If-None-Match": f'"other", {page.headers["etag"]}'}
    same = client.get("/", headers=known)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", page.headers["etag"])
    assert same.headers["vary"] == page.headers["vary"]
    head = client.head("/", headers={"Accept-Encoding": encoding})
    assert (head.content, head.headers["etag"]) == (b"", page.headers["etag"])
    assert head.headers["content-length"] == page.headers["content-length"]


@built
def test_no_reader_gets_the_language_or_the_address_of_another(client: TestClient, answers: Answers) -> None:
    assert answers
    for _ in range(2):
        for lang, title in (("en", "Reported crime"), ("fr", "Criminalité signalée"), ("de", "Gemeldete Straftaten")):
            for page in (
                client.get("/", headers={"Accept-Language": lang}),
                client.get("/", params={"lang": lang}, headers={"Accept-Language": "pt"}),
                client.get(f"/?lang=&lang={lang}&lang=es"),  # the page takes the first that says something
            ):
                told = read_told(page.text)
                assert title in [layer["title"] for layer in next(iter(told.values()))["layers"]]
        for host in ("127.0.0.1", "localhost:81", "a.localhost"):
            links = re.findall(
                r"http://[^/\"]*/(?:tiles|api|ogc|fonts|sprites)", client.get("/", headers={"Host": host}).text
            )
            assert {link.rpartition("/")[0] for link in links} == {f"http://{host}"}
    assert "Accept-Language" in client.get("/").headers["vary"]
    assert "Accept-Language" not in client.get("/?lang=fr").headers["vary"]


@built
def test_headers_of_proxies_that_nobody_trusts_change_nothing(client: TestClient, answers: Answers) -> None:
    first = client.get("/")
    number = len(answers.kept)
    for name in ("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Original-URL", "Forwarded"):
        assert client.get("/", headers={name: "evil.example"}).content == first.content
    assert len(answers.kept) == number
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


def test_the_page_is_told_what_it_asks_of_all_layers() -> None:
    asked = (Path(__file__).parents[2] / "web/src/query/server.ts").read_text()
    for name, told in (("LISTED", answering._LISTED), ("SEARCHED", answering._SEARCHED)):
        (fields,) = re.findall(rf'const {name} =\s+"([^"]+)"', asked)
        assert fields == told


@built
def test_an_edit_that_is_seen_anywhere_is_told_in_the_page(
    city_settings: Settings, make_database: Callable[..., str], city_template: str
) -> None:
    url = make_database(template=city_template)
    with TestClient(create_app(city_settings, url), base_url="http://127.0.0.1") as client:
        for _ in range(3):
            before = client.get("/api/layers/trees?lang=en").json()["count"]
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DELETE FROM layers.trees WHERE fid = (SELECT min(fid) FROM layers.trees)")
            deadline = time.monotonic() + 20
            while client.get("/api/layers/trees?lang=en").json()["count"] == before:
                client.get("/?layers=trees")  # others visit meanwhile
                assert time.monotonic() < deadline
            told = read_told(client.get("/?layers=trees").text)
            for address in (next(iter(told)), "api/layers/trees?lang=en"):
                assert told[address] == client.get(f"/{address}").json()
            assert told["api/layers/trees?lang=en"]["count"] == before - 1


@built
def test_no_address_and_no_header_breaks_out_of_the_page(client: TestClient) -> None:
    def split(body: str) -> str:
        blocks = re.compile(r'<script type="application/json" data-address="[^"<>]*">[^<]*</script>\n')
        assert all(json.loads(block.partition(">")[2].rpartition("<")[0]) for block in blocks.findall(body))
        # What is told of this very map, line by line, and nothing that ends a line's attributes.
        preview = re.compile(r' *<(?:meta property="og:|link rel="alternate" type="[\w/+]+" title=").*\n')
        attributes = re.compile(r' *<(?:meta|link)(?: [a-z]+="[^"<>]*")+ />\n')
        assert all(attributes.fullmatch(line) for line in preview.findall(body))
        return blocks.sub("", preview.sub("", body))

    outside = split(client.get("/").text)
    draw = random.Random(11)
    parts = [
        "</script>",
        "<!--",
        "%E2%80%A8",
        "%ED%A0%80",
        "%00",
        '%22"',
        "'",
        "crime",
        "trees",
        ",",
        "%0d%0a",
        "{}",
        "%zz",
    ]
    names = ["layers", "filter.crime", "filter.%3C/script%3E", "time", "area", "base", "lang", "select", "__proto__"]
    for _ in range(150):
        pairs = [f"{draw.choice(names)}={''.join(draw.choices(parts, k=draw.randint(0, 6)))}" for _ in range(4)]
        assert split(client.get("/?" + "&".join(pairs)).text) == outside, pairs
    for header in ("x" * 60_000, ",".join(f"a{at};q=0.{at}" for at in range(5000)), "fr;q=-1, de;q=nan", ";" * 9_000):
        assert split(client.get("/", headers={"Accept-Language": header}).text) == outside, header[:20]


def test_a_long_address_is_shortened_in_the_log(
    client: TestClient, answers: Answers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert answers
    monkeypatch.setattr("geoserver.site.answers._PATIENCE", 0.0)
    with caplog.at_level("INFO", logger="geoserver"):
        asked = {"layers": "crime", "filter.crime": "(" * 5_000}
        assert client.get("/", params=asked).status_code == 200
    told = [record.getMessage() for record in caplog.records if "goes without" in record.getMessage()]
    assert told
    assert max(map(len, told)) < 300
