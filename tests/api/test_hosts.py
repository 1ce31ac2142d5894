"""The name by which a client asks: exactly one Host, well formed, and none that a stranger chooses gets into a link."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from counted_tiles import World, write_workspace
from fastapi.testclient import TestClient
from pydantic import ValidationError
from raw import CLOSE, exchange, statuses
from test_tile_cache import ADDRESS

from geoserver.api.hosts import parse_host
from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from raw import Reply

STRANGERS = ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "6.6.6.6",
             "[2001:db8::1]", "0.0.0.0", "testserver", "xn--e1afmkfd.example", "_service.example"]  # fmt: skip
OURS = ["localhost", "LOCALHOST:1", "a.localhost", "127.0.0.1", "127.0.0.1:65535", "127.9.9.9", "[::1]", "[::1]:80",
        "localhost.", socket.gethostname()]  # fmt: skip
MALFORMED = [
    "",
    " ",
    "evil.example/path",
    "user@localhost",
    "local host",
    "localhost:",
    "localhost:x",
    "localhost:99999",
]
MALFORMED += [
    "localhost:80:80",
    "[::1",
    "::1",
    "[]",
    "[::1]x",
    "http://localhost",
    "localhost,localhost",
    "localhost\\",
]
MALFORMED += ["localhost?x", "localhost#x", "-", "a..b", ".", "l\xf6calhost", "%6cocalhost", "a" * 300, "<b>", "'"]
LINKED = ["/api/layers", "/tiles/stops.json", "/ogc", "/ogc/", "/ogc/collections", "/ogc/collections/stops",
          "/ogc/collections/stops/items", "/ogc/openapi", "/ogc/collections?f=html", "/api/layers/stops", "/docs",
          "/api/layers/stops/features/1", "/styles/light.json", "/ogc/collections/stops/items/1"]  # fmt: skip


@pytest.fixture(scope="module")
def start(
    make_database: Callable[..., str], empty_template: str, serve: Callable[..., Any], tmp_path_factory: Any
) -> Callable[..., Any]:
    """`with start(setting=...) as server:` over two small layers."""
    world = World(write_workspace(tmp_path_factory.mktemp("hosts")), make_database(template=empty_template))
    world.fill()

    def begin(**chosen: Any) -> Any:
        settings = Settings(workspace=world.workspace, database_url=None, **chosen)
        return serve(create_app(settings, world.database_url), world.database_url)

    return begin


@pytest.fixture(scope="module")
def url(start: Callable[..., Any]) -> Iterator[str]:
    """A server without any setting about names."""
    with start() as server:
        yield server.url


@pytest.fixture(scope="module")
def public(start: Callable[..., Any]) -> Iterator[str]:
    """A server that knows the address under which people see it."""
    with start(public_url="https://maps.example.org/city/") as server:
        yield server.url


def ask(url: str, path: str, *hosts: str, version: str = "1.1", more: str = "") -> Reply:
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    (reply,) = exchange(url, f"GET {path} HTTP/{version}\r\n{lines}{more}".encode("latin-1") + CLOSE)
    return reply


@pytest.mark.parametrize("path", LINKED)
def test_no_stranger_puts_a_name_into_a_link(url: str, path: str) -> None:
    for host in STRANGERS:
        reply = ask(url, path, host)
        assert reply.status == reply.problem["status"] == 421, host
        assert reply.headers["cache-control"] == "no-store"
        assert "GEOSERVER_PUBLIC_URL" in reply.problem["detail"]
        assert "GEOSERVER_ALLOWED_HOSTS" in reply.problem["detail"]
    forwarded = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example\r\n"
    reply = ask(url, path, "localhost:77", more=forwarded + "X-Forwarded-For: 6.6.6.6\r\n")
    assert reply.status == 200
    assert b"evil.example" not in reply.body
    assert b"https://localhost" not in reply.body
    assert path == "/docs" or b"http://localhost:77/" in reply.body


@pytest.mark.parametrize("host", OURS)
def test_a_first_run_is_reached_by_every_name_of_this_machine(url: str, host: str) -> None:
    assert ask(url, "/api/layers", host).status == 200


@pytest.mark.parametrize("host", MALFORMED)
def test_a_malformed_host_is_400(url: str, host: str) -> None:
    for path in ("/api/layers", "/healthz", "/nothing", "/tiles/stops/13/1/1.mvt"):
        reply = ask(url, path, host)
        assert reply.status == reply.problem["status"] == 400
        assert len(reply.body) < 1_000


def test_exactly_one_host_is_expected_though_not_by_the_old_protocol(url: str) -> None:
    for hosts in ([], ["localhost", "localhost"], ["localhost", "evil.example"], ["evil.example", "localhost"]):
        reply = ask(url, "/api/layers", *hosts)
        assert reply.status == reply.problem["status"] == 400
        assert "exactly one" in reply.problem["detail"]
    reply = ask(url, "/api/layers", version="1.0")
    assert reply.status == 200
    assert f"{url}/".encode() in reply.body


def test_a_hot_tile_asks_for_the_same_of_its_host(url: str) -> None:
    hosts = ["localhost", "localhost", "evil.example", "", "localhost", "localhost\r\nHost: localhost", "loc alhost"]
    asked = "".join(f"GET {ADDRESS} HTTP/1.1\r\nHost: {host}\r\n\r\n" for host in hosts)
    asked += f"GET {ADDRESS} HTTP/1.1\r\n\r\nGET {ADDRESS} HTTP/1.1\r\nHost: localhost\r\n"
    assert statuses(url, asked.encode() + CLOSE) == [200, 200, 200, 400, 200, 400, 400, 400, 200]


def test_the_host_of_an_absolute_target_counts(url: str) -> None:
    """RFC 9112, 3.2.2."""
    assert ask(url, "http://evil.example/api/layers", "localhost").status == 421
    reply = ask(url, "http://localhost:5/api/layers", "evil.example")
    assert reply.status == 200
    assert b"evil.example" not in reply.body
    for target in ("http:///api/layers", "http://a@localhost/api/layers", "http://", "http://local host/"):
        assert ask(url, target, "localhost").status == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", ADDRESS, "/assets/nothing.js"])
def test_what_holds_no_links_is_answered_under_any_name(url: str, path: str) -> None:
    for host in ("10.0.0.7:8000", "prober", "evil.example"):
        reply = ask(url, path, host)
        assert reply.status in (200, 404)
        assert host.encode() not in reply.body
    assert ask(url, path, "a b").status == 400


def test_names_that_are_allowed_are_linked_to(start: Callable[..., Any]) -> None:
    with start(allowed_hosts=("maps.example.org", ".city.example", "2001:db8::1")) as server:
        for host in ("maps.example.org", "MAPS.example.org:8443", "a.b.city.example", "[2001:db8:0::1]"):
            reply = ask(server.url, "/api/layers", host)
            assert reply.status == 200
            assert f'"http://{host.lower()}/api/layers/stops"'.encode() in reply.body
        for host in ("example.org", "xmaps.example.org", "city.example", "evilcity.example"):
            assert ask(server.url, "/api/layers", host).status == 421


@pytest.mark.parametrize("path", LINKED)
def test_with_a_public_address_all_links_lead_there_whatever_the_host(public: str, path: str) -> None:
    for host in ("127.0.0.1:8000", "evil.example", "maps.example.org"):
        reply = ask(public, path, host)
        assert reply.status == 200
        assert b"evil" not in reply.body
        assert b"127.0.0.1" not in reply.body
        assert path == "/docs" or b"https://maps.example.org/city/" in reply.body
    assert ask(public, path, "ev il").status == 400


def test_a_slash_too_many_leads_to_our_own_address(url: str, public: str) -> None:
    for path in ("/api/layers/", "/docs/", "/api/layers/stops//", "/ogc/collections/stops/items/?limit=1&a=%0d%0aX:y"):
        for server, place in ((url, "http://localhost:5"), (public, "https://maps.example.org/city")):
            reply = ask(server, path, "localhost:5")
            assert reply.status == 307
            bare, _, query = path.partition("?")
            assert reply.headers["location"] == place + bare.rstrip("/") + ("?" + query if query else "")
    for path in ("//evil.example/", "//evil.example/api/layers/", "/nothing/", "//"):
        assert ask(url, path, "localhost").status == 404


def test_a_trusted_proxy_tells_the_scheme(start: Callable[..., Any]) -> None:
    with start(trusted_proxies="127.0.0.1") as server:
        reply = ask(server.url, "/api/layers", "localhost", more="X-Forwarded-Proto: https\r\n")
    assert b'"https://localhost/api/layers/stops"' in reply.body


def test_a_proxy_may_leave_the_path_of_the_public_address_in(public: str) -> None:
    for path in ("/api/layers", "/ogc?f=json", ADDRESS, ADDRESS, "/styles/light.json", "/"):
        kept, taken = ask(public, f"/city{path}", "localhost"), ask(public, path, "localhost")
        assert kept.status == taken.status in (200, 503)
        assert kept.body == taken.body
    reply = ask(public, "/city?layers=stops", "localhost")
    assert (reply.status, reply.headers["location"]) == (307, "/city/?layers=stops")
    for path in ("/cityx/api/layers", "/city/city/api/layers", "/city//api/layers", "/City/api/layers"):
        assert ask(public, path, "localhost").status == 404


@pytest.mark.parametrize("prefix", ["/tiles", "/ogc/", "/api"])
def test_a_path_that_is_an_address_of_ours_is_taken_away_by_the_proxy(start: Callable[..., Any], prefix: str) -> None:
    with start(public_url=f"https://example.org{prefix}") as server:
        for path in ("/api/layers", "/ogc", "/tiles/stops.json", ADDRESS):
            assert ask(server.url, path, "localhost").status == 200
        place = f'"https://example.org{prefix.rstrip("/")}/tiles/'.encode()
        assert place in ask(server.url, "/tiles/stops.json", "localhost").body


def test_a_trusted_proxy_tells_the_path_that_it_took_away(start: Callable[..., Any]) -> None:
    with start(trusted_proxies="127.0.0.1") as server:
        for told, path in {
            "/maps": "/maps",
            "maps//city/": "/maps/city",
            "/a b": "/a%20b",
            "/../x": "",
            "/": "",
        }.items():
            reply = ask(server.url, "/api/layers", "localhost", more=f"X-Forwarded-Prefix: {told}\r\n")
            assert f'"http://localhost{path}/api/layers/stops"'.encode() in reply.body
        for told in ("/é", "/Ã©"):  # as Latin-1, and as the bytes of UTF-8
            reply = ask(server.url, "/api/layers", "localhost", more=f"X-Forwarded-Prefix: {told}\r\n")
            assert b'"http://localhost/api/layers/stops"' in reply.body
        twice = "X-Forwarded-Prefix: /a\r\nX-Forwarded-Prefix: /b\r\n"
        assert b'"http://localhost/api/layers/stops"' in ask(server.url, "/api/layers", "localhost", more=twice).body
    for chosen in ({}, {"trusted_proxies": "192.0.2.1"}, {"trusted_proxies": "127.0.0.1", "public_url": "http://a.b"}):
        with start(**chosen) as server:
            reply = ask(server.url, "/api/layers", "localhost", more="X-Forwarded-Prefix: /maps\r\n")
        assert b"/maps" not in reply.body


def test_documents_under_many_names_do_not_pile_up(bare: TestClient) -> None:
    for port in range(1, 60):
        assert bare.get("/ogc", headers={"Host": f"localhost:{port}"}).status_code == 200
    assert len(bare.app.state.ogc._parts) <= 16  # type: ignore[attr-defined]


def test_settings_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    for wrong in ("maps.example.org", "ftp://maps.example.org", "https://", "https://maps.example.org/?a=b",
                  "https://maps.example.org:x", "https://me:secret@maps.example.org", "https://maps.example.org/a/../b",
                  "https://maps.example.org/a%2Fb", "https://a..b", "https://[::1"):  # fmt: skip
        with pytest.raises(ValidationError, match=r"https://maps\.example\.org"):
            Settings(workspace=tmp_path, database_url=None, public_url=wrong)
    for name in ("https://maps.example.org", "a b/c", "*.example.org"):
        with pytest.raises(ValidationError, match=r"\.example\.org"):
            Settings(workspace=tmp_path, database_url=None, allowed_hosts=(name,))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://city.example/maps/", "https://city.example/maps"),
        (" HTTPS://City.Example//maps//open/ ", "https://city.example/maps/open"),
        ("http://[::1]:8443/maps", "http://[::1]:8443/maps"),
        ("https://münchen.example/straßen karte", "https://xn--mnchen-3ya.example/stra%C3%9Fen%20karte"),
        ("https://city.example/", "https://city.example"),
    ],
)
def test_a_public_address_is_kept_in_one_form(tmp_path: Path, given: str, kept: str) -> None:
    assert Settings(workspace=tmp_path, database_url=None, public_url=given).public_url == kept


def test_allowed_hosts_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEOSERVER_ALLOWED_HOSTS", "maps.example.org, .City.example,[::5]")
    monkeypatch.setenv("GEOSERVER_PUBLIC_URL", "")
    settings = Settings(workspace=tmp_path, database_url=None)
    assert settings.allowed_hosts == ("maps.example.org", ".city.example", "[::5]")
    assert settings.public_url is None


@pytest.fixture(scope="module")
def bare(make_database: Callable[..., str], empty_template: str, tmp_path_factory: Any) -> Iterator[TestClient]:
    url = make_database(template=empty_template)
    app = create_app(Settings(workspace=tmp_path_factory.mktemp("bare"), database_url=None), url)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def test_the_app_itself_refuses_them_whatever_server_is_in_front_of_it(bare: TestClient) -> None:
    assert bare.get("/api/layers", headers={"Host": "evil.example"}).status_code == 421
    assert bare.get("/api/layers", headers={"Host": "localhost/x"}).status_code == 400
    assert bare.get("/api/layers").status_code == 200


@pytest.mark.parametrize(
    ("text", "name"), [("[::1]:80", "::1"), ("[0:0::1]", "::1"), ("a.b.:80", "a.b"), ("a_b", "a_b")]
)
def test_a_host_is_known_by_its_name(text: str, name: str) -> None:
    assert parse_host(text) == name
