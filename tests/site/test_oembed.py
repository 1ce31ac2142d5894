"""Links that unfold: oEmbed, its discovery and previews, for pages of ours as real consumers ask for them."""

from __future__ import annotations

import re
import subprocess
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit
from xml.etree import ElementTree

import micawber
import pytest
from bs4 import BeautifulSoup

from geoserver import assets
from geoserver.site.linked import read_link
from geoserver.site.previews import draws_maps

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

SITE = "http://127.0.0.1"
BURGLARIES = "category='burglary' AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"
built = pytest.mark.skipif(
    not (assets.root("web") / "index.html").is_file(), reason="the viewer is not built: npm --prefix web run build"
)


def ask(client: TestClient, url: str, **more: Any) -> Any:
    return client.get("/oembed", params={"url": SITE + url, **more})


def frame_of(document: dict[str, Any]) -> dict[str, str]:
    (frame,) = BeautifulSoup(document["html"], "html.parser").find_all("iframe")
    return dict(frame.attrs)


def read_preview(page: str) -> dict[str, str]:
    return {a: unescape(b) for a, b in re.findall(r'<meta property="([\w:]+)" content="([^"]*)" /?>', page)}


def test_an_address_of_a_map_becomes_a_widget_of_the_same_map(client: TestClient) -> None:
    answer = ask(client, f"/?v=1&layers=crime,trees&filter.crime={quote(BURGLARIES)}&select=crime/7#14.5/45.2/-28.6")
    told = answer.json()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (told["type"], told["version"], told["cache_age"]) == ("rich", "1.0", 3600)
    assert told["title"] == "Reported crime (Burglary, since 1 January 2024) and Trees"
    assert (told["provider_name"], told["provider_url"]) == ("Antillia open data", f"{SITE}/")
    assert told["author_name"] == "City of Antillia (fictional)"
    frame = frame_of(told)
    asked = dict(parse_qsl(urlsplit(frame["src"]).query))
    assert frame["src"].startswith(f"{SITE}/embed?")
    assert (asked["layers"], asked["filter.crime"], asked["map"]) == ("crime,trees", BURGLARIES, "14.5/45.2/-28.6")
    assert (asked["select"], frame["title"], frame["loading"]) == ("crime/7", told["title"], "lazy")
    assert (int(frame["width"]), int(frame["height"])) == (told["width"], told["height"]) == (800, 500)


@pytest.mark.parametrize(
    ("more", "size"),
    [
        ({"maxwidth": 600}, (600, 375)),
        ({"maxwidth": 300}, (300, 360)),
        ({"maxwidth": 300, "maxheight": 200}, (300, 200)),
        ({"maxheight": 240}, (800, 240)),
        ({"maxwidth": 100_000, "maxheight": 100_000}, (800, 500)),
        ({"maxwidth": 1, "maxheight": 1}, (1, 1)),
    ],
)
def test_neither_the_widget_nor_its_picture_is_larger_than_there_is_room(
    client: TestClient, more: dict[str, int], size: tuple[int, int]
) -> None:
    told = ask(client, "/?layers=trees", **more).json()
    assert (told["width"], told["height"]) == size
    if "thumbnail_url" in told:
        assert told["thumbnail_width"] <= more.get("maxwidth", 1200)
        assert told["thumbnail_height"] <= more.get("maxheight", 630)
        assert client.get(told["thumbnail_url"].removeprefix(SITE)).headers["content-type"] == "image/png"


def test_the_same_is_told_as_xml_whatever_stands_in_it(client: TestClient) -> None:
    title = quote('<b>"A & B"\x01\x0b</b>')
    told = ask(client, f"/embed?layers=trees&title={title}").json()
    answer = ask(client, f"/embed?layers=trees&title={title}", format="xml")
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    root = ElementTree.fromstring(answer.content)
    said = {item.tag: item.text for item in root}
    assert said.keys() == told.keys()
    assert said["title"] == '<b>"A & B"</b>'
    (frame,) = BeautifulSoup(said["html"] or "", "html.parser").find_all()
    assert (frame.name, frame["title"]) == ("iframe", '<b>"A & B"</b>')


@pytest.mark.parametrize(
    ("url", "layers", "title"),
    [
        ("/layers/trees", "trees", "Trees"),
        ("/layers/trees/?lang=de", "trees", "Bäume"),
        ("/embed?layers=trees&title=&show=map,table&hide=legend", "trees", "Trees"),
        ("/embed/?layers=trees&title=Our%20trees", "trees", "Our trees"),
        ("?layers=trees&time=2020-01-01/2021-12-31", "trees", "Trees: 2020 \u2013 2021"),
        ("/?layers=crime,trees,districts,bike-paths", "crime,trees,districts,bike-paths", "Antillia open data"),
    ],
)
def test_every_page_that_shows_a_map_can_be_embedded(client: TestClient, url: str, layers: str, title: str) -> None:
    told = ask(client, url).json()
    source = frame_of(told)["src"]
    asked = dict(parse_qsl(urlsplit(source).query, keep_blank_values=True))
    assert (told["title"], asked["layers"]) == (title, layers)
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        assert asked[name] == value


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crime",
        "/?layers=crime",
        "http://[::1",
        "https://example.org/?layers=crime",
        f"{SITE}.example.org/",
        f"{SITE}/api/layers",
        f"{SITE}/layers/nothing",
        f"{SITE}/?layers=crime,nothing",
        f"{SITE}/frozen/nothing/",
        f"{SITE}/embed?frozen=nothing",
        f"{SITE}/layers/a%2Fb",
        f"{SITE}/?layers=" + "x" * 9_000,
        "ftp://127.0.0.1/",
    ],
)
def test_what_is_no_page_of_ours_is_not_found(client: TestClient, url: str) -> None:
    answer = client.get("/oembed", params={"url": url})
    assert (answer.status_code, answer.json()["parameter"]) == (404, "page")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("url=http://127.0.0.1/&maxwidth=0", 400),
        ("url=http://127.0.0.1/&maxwidth=-5", 400),
        ("url=http://127.0.0.1/&maxheight=x", 400),
        ("url=http://127.0.0.1/&maxheight=1e3", 400),
        ("url=http://127.0.0.1/&maxheight=1000000", 400),
        ("url=http://127.0.0.1/&format=yaml", 501),
        ("url=http://127.0.0.1/&dnt=1&discover=1", 200),
    ],
)
def test_wrong_questions_are_told_what_is_wrong(client: TestClient, query: str, status: int) -> None:
    assert client.get(f"/oembed?{query}").status_code == status


def test_an_answer_is_kept_until_it_is_another(client: TestClient) -> None:
    first = ask(client, "/?layers=trees&lang=en")
    assert first.headers["cache-control"] == "public, max-age=3600"
    again = client.get(first.request.url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_filter_that_nobody_understands_does_no_harm(client: TestClient) -> None:
    for text in (
        "category=",
        "nothing = 1",
        "(" * 400,
        "x" * 3_000,
        "S_INTERSECTS(geometry,POINT(1 1))",
        "height > 'x'",
    ):
        told = ask(client, f"/?layers=crime&filter.crime={quote(text)}").json()
        assert told["title"] == "Reported crime: filtered", text
        assert client.get("/", params={"layers": "crime", "filter.crime": text}).status_code == 200


@built
def test_a_link_to_the_map_is_previewed_as_what_it_shows(client: TestClient) -> None:
    asked = {"layers": "crime", "filter.crime": BURGLARIES, "map": "13/45.2/-28.6", "tab": "chart", "utm_source": "x"}
    page = client.get("/", params=asked).text
    told = read_preview(page)
    count = client.get("/api/layers/crime/summary", params={"filter": BURGLARIES, "fields": ""}).json()["count"]
    assert told["og:title"] == "Reported crime: Burglary, since 1 January 2024"
    assert told["og:description"].startswith(f"{count:,} of 59,973 reports. ")
    assert dict(parse_qsl(urlsplit(told["og:url"]).query)) == {k: v for k, v in asked.items() if k != "utm_source"}
    image = client.get(told["og:image"].removeprefix(SITE))
    assert image.headers["content-type"] == "image/png"
    if draws_maps(client.app.routes):  # type: ignore[attr-defined]
        assert "/static/light/-28.6,45.2,13/1200x630.png" in told["og:image"]
    french = read_preview(client.get("/", params={**asked, "lang": "fr"}).text)
    assert french["og:title"] == "Criminalité signalée : Cambriolage, depuis le 1 janvier 2024"


@built
def test_one_reader_is_not_told_of_the_view_of_another(client: TestClient) -> None:
    titles = [
        read_preview(client.get("/", params={"layers": "crime", "filter.crime": f"category='{name}'"}).text)["og:title"]
        for name in ("burglary", "theft", "burglary")
    ]
    assert titles == [f"Reported crime: {name}" for name in ("Burglary", "Theft", "Burglary")]
    long = client.get("/", params={"layers": "crime", "filter.crime": f"category='{'x' * 2_000}'"})
    assert read_preview(long.text)["og:url"] == f"{SITE}/"


@built
@pytest.mark.parametrize("page", ["/", "/?layers=crime&filter.crime=category%3D%27theft%27", "/layers/trees"])
def test_each_page_says_where_it_is_told_of(client: TestClient, page: str) -> None:
    soup = BeautifulSoup(client.get(page).text, "html.parser")
    links = {link["type"]: str(link["href"]) for link in soup.find_all("link", type=re.compile("oembed"))}
    assert links.keys() == {"application/json+oembed", "text/xml+oembed"}
    told = client.get(links["application/json+oembed"].removeprefix(SITE)).json()
    assert told["title"] == ask(client, page).json()["title"]
    assert client.get(links["text/xml+oembed"].removeprefix(SITE)).headers["content-type"].startswith("text/xml")


def test_an_address_under_a_path_is_ours_there_alone() -> None:
    site = "https://example.org/maps"
    for url in (
        f"{site}/?layers=a",
        f"{site}?layers=a",
        "http://EXAMPLE.org/maps/",
        "https://example.org:443/maps/embed",
    ):
        assert read_link(url, site), url
    for url in (
        "https://example.org/?layers=a",
        f"{site}s/",
        "https://example.org:8443/maps/",
        "https://example.org/maps2",
    ):
        assert read_link(url, site) is None, url


# Real consumers


def test_micawber_finds_the_widget_by_the_endpoint_and_in_the_page(server: Any) -> None:
    registry = micawber.ProviderRegistry()
    registry.register(f"{server.url}/\\S*", micawber.Provider(f"{server.url}/oembed"))
    url = f"{server.url}/?layers=crime&filter.crime={quote(BURGLARIES)}"
    told = registry.request(url, maxwidth=640)
    assert (told["type"], told["title"], told["width"]) == (
        "rich",
        "Reported crime: Burglary, since 1 January 2024",
        640,
    )
    text = micawber.parse_html(f"<p>{url.replace('&', '&amp;')}</p>", registry)
    assert "<iframe " in text
    assert "/embed?layers=crime" in text


@built
def test_an_extractor_finds_the_widget_from_the_page_itself(server: Any) -> None:
    web = assets.root("web").parent
    if not (web / "node_modules" / "@extractus" / "oembed-extractor").is_dir():
        pytest.skip("the viewer's packages are not installed: npm --prefix web ci")
    script = (
        "import { extract } from '@extractus/oembed-extractor';"
        "console.log(JSON.stringify(await extract(process.argv[1], { maxwidth: 480 })));"
    )
    url = f"{server.url}/?layers=crime&filter.crime={quote(BURGLARIES)}"
    command = ["node", "--input-type=module", "-e", script, url]
    done = subprocess.run(command, cwd=web, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"title":"Reported crime: Burglary, since 1 January 2024"' in done.stdout
    assert "<iframe src=" in done.stdout
