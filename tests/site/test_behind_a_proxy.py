"""The whole site under a path of another, behind a real nginx: no link leads out of it."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

import httpx2 as httpx
import pytest
from proxies import MISSING, NGINX, find_port, run_nginx

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(NGINX is None, reason=MISSING)

STARTS = ["", "docs", "openapi.json", "robots.txt", "healthz", "api/layers", "tiles/crime,trees.json", "ogc?f=html",
          "ogc?f=json", "ogc/openapi?f=json", "styles/light.json?layers=crime,trees", "styles/dark.json",
          "styles/crime.json", "favicon.ico", "ogc/collections/crime/items?limit=3&category=burglary",
          "ogc/collections/crime/items?limit=3&f=html", "api/layers/crime/features/1",
          "api/layers/crime/summary"]  # fmt: skip
MOST = 8  # pages of the same kind that are followed
VALUES = {"z": "12", "x": "1722", "y": "1463", "fontstack": "Noto Sans Regular", "range": "0-255",
          "featureId": "1"}  # fmt: skip


@pytest.fixture(scope="module", params=["the proxy takes the path away", "the proxy leaves the path in"])
def site(
    request: Any, serve: Callable[..., Any], city_settings: Settings, city_database: str
) -> Iterator[tuple[str, httpx.Client]]:
    """The public address, with a slash at its end, and a client."""
    port = find_port()
    public = f"http://127.0.0.1:{port}/maps/"
    settings = city_settings.model_copy(update={"public_url": public.rstrip("/")})
    with (
        serve(create_app(settings, city_database), city_database) as server,
        run_nginx(port, server.url, keep_path="leaves" in request.param),
        httpx.Client(timeout=60) as client,
    ):
        yield public, client


def find_links(answer: httpx.Response) -> set[str]:
    """Every address in a document: all strings of JSON that are one, and what pages link to and load."""
    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        documents = answer.content.splitlines() if kind.endswith("-seq") else [answer.content]
        texts = (text for document in documents for text in _walk(json.loads(document)))
        return {text for text in texts if re.match(r"(?:https?:/)?/\w", text)}
    if kind.startswith("text/html"):
        return {html.unescape(match) for match in re.findall(r'(?:href|src)="([^"]+)"', answer.text)}
    return set()


def _walk(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for part in node:
            yield from _walk(part)
    elif isinstance(node, dict):
        for name, part in node.items():
            if name not in ("paths", "servers"):  # of an OpenAPI document: addresses in parts
                yield from _walk(part)


def fill(address: str) -> str:
    address = address.replace("/world/land/{z}/{x}/{y}", "/world/land/0/0/0")  # it has no zoom as deep as those of data
    return re.sub(r"\{(\w+)\}", lambda found: quote(VALUES[found[1]]), address)


def kind_of(address: str) -> str:
    """Addresses of one kind differ in names and numbers only."""
    parts = urlsplit(address)
    return re.sub(r"collections/[\w-]+|layers/[\w-]+|styles/[\w-]+|tiles/[\w,-]+|\d+|cursor=[^&]*", "-",
                  f"{parts.path}?{parts.query}")  # fmt: skip


@pytest.mark.slow
def test_no_link_of_any_document_leads_out_of_the_path_and_each_is_answered(site: tuple[str, httpx.Client]) -> None:
    public, client = site
    origin = public.removesuffix("/maps/")
    waiting = [public + start for start in STARTS]
    seen: set[str] = set()
    kinds: dict[str, int] = {}
    while waiting:
        address = waiting.pop()
        kind = kind_of(address)
        if address in seen or kinds.get(kind, 0) >= MOST:
            continue
        seen.add(address)
        kinds[kind] = kinds.get(kind, 0) + 1
        answer = client.get(address)
        assert answer.status_code in (200, 204), address
        for link in find_links(answer):
            absolute = urljoin(address, fill(link))
            if not absolute.startswith(origin):  # a licence, a schema
                assert "127.0.0.1" not in absolute
                continue
            assert absolute.startswith(public), f"{address} leads to {link}"
            waiting.append(absolute.partition("#")[0])
    assert len(seen) > 100
    assert any("cursor=" in address for address in seen)
    assert any(address.endswith(".mvt") for address in seen)
    assert any("/fonts/" in address for address in seen)
    assert any("/assets/" in address for address in seen)


def test_redirects_stay_under_the_path(site: tuple[str, httpx.Client]) -> None:
    public, client = site
    for path in ("docs/", "api/layers/", "ogc/collections/crime/"):
        answer = client.get(public + path)
        assert (answer.status_code, answer.headers["location"]) == (307, public + path.rstrip("/"))
    answer = client.get(public.rstrip("/"))
    assert answer.status_code in (301, 307, 308)
    assert urljoin(str(answer.url), answer.headers["location"]) == public


def test_what_describes_the_api_names_the_public_address(site: tuple[str, httpx.Client]) -> None:
    public, client = site
    document = client.get(f"{public}openapi.json").json()
    assert document["servers"] == [{"url": public.rstrip("/")}]
    assert client.get(f"{document['servers'][0]['url']}/healthz").status_code == 200
    (server,) = client.get(f"{public}ogc/openapi?f=json").json()["servers"]
    assert server["url"] == f"{public}ogc"
    assert f"Disallow: {urlsplit(public).path}tiles/" in client.get(f"{public}robots.txt").text


def test_head_of_a_page_is_its_headers(site: tuple[str, httpx.Client]) -> None:
    public, client = site
    client.get(public)  # the first one leaves out what a cold server is late with
    for path in STARTS:
        got, head = client.get(public + path), client.head(public + path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        for name in ("content-type", "cache-control", "content-security-policy", "etag", "vary"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)


def test_a_long_filter_comes_through_the_documented_proxy(site: tuple[str, httpx.Client]) -> None:
    public, client = site
    names = ", ".join(f"'kind {number}'" for number in range(1_000))
    answer = client.get(f"{public}api/layers/crime/summary", params={"filter": f"category IN ({names})"})
    assert (answer.status_code, answer.json()["count"]) == (200, 0)
