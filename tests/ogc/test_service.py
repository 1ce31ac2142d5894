"""How /ogc behaves while things change: layers reload, files change, the database goes away and comes back."""

from __future__ import annotations

import copy
import json
import logging
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pygeoapi.api import APIRequest
from pygeoapi.api.itemtypes import get_collection_item, get_collection_items
from pygeoapi.provider.base import ProviderItemNotFoundError

from geoserver.app import create_app
from geoserver.ogc.config import build_api, build_config
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


class Asked:
    """A request as pygeoapi reads one."""

    def __init__(self, **params: str) -> None:
        self.headers: dict[str, str] = {}
        self.query_params = params
        self.scope = {"path": "/"}


@pytest.fixture
def own_town(
    make_database: Callable[..., str], empty_template: str, tmp_path: Path, make_town: Callable[..., None]
) -> tuple[Settings, str]:
    """Settings and database of a town that one test may change."""
    url = make_database(template=empty_template)
    make_town(tmp_path, url)
    return Settings(workspace=tmp_path, database_url=None), url


def test_a_change_of_rows_shows_at_once(own_town: tuple[Settings, str]) -> None:
    settings, url = own_town
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1") as client:
        path = "/ogc/collections/buoys/items"
        before = client.get(path, params={"name": "buoy 1", "limit": 1})
        assert before.json()["numberMatched"] == 1
        tag = client.get(path).headers["etag"]
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE layers.buoys SET name = 'buoy 1'")
            connection.execute("UPDATE geoserver.layers SET version = version + 1 WHERE id = 'buoys'")
            connection.execute("SELECT pg_notify('geoserver_changes', '{}')")
        wait_until(lambda: client.get(path, headers={"If-None-Match": tag}).status_code == 200, "the tag is void")
        assert client.get(path, params={"name": "buoy 1", "limit": 1}).json()["numberMatched"] == 5


def test_a_changed_layer_file_shows_without_a_restart(own_town: tuple[Settings, str]) -> None:
    settings, url = own_town
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1") as client:
        assert client.get("/ogc/collections/buoys").json()["title"] == "Buoys"
        text = 'title = "Buoys of the bay"\nlicense = "CC0-1.0"\nsource = "b.csv"\nkind = "points"\n'
        (settings.workspace / "layers" / "buoys.toml").write_text(textwrap.dedent(text), encoding="utf-8")
        wait_until(
            lambda: client.get("/ogc/collections/buoys").json()["title"] == "Buoys of the bay", "the title changed"
        )
        assert client.get("/ogc/collections/buoys/items").json()["features"][0]["properties"] == {}
        assert "Buoys of the bay" in client.get("/ogc/collections?f=html").text


def test_a_field_that_is_declared_but_not_loaded_yet_comes_with_the_next_load(own_town: tuple[Settings, str]) -> None:
    settings, url = own_town
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        path = settings.workspace / "layers" / "buoys.toml"
        more = path.read_text(encoding="utf-8") + '[fields.colour]\ntype = "text"\n'
        path.write_text(more, encoding="utf-8")
        wait_until(lambda: bool(client.get("/readyz").json()["outdated"]), "the field is missed")
        for address in ("/ogc/collections/buoys/items", "/ogc/collections/buoys/items/1"):
            assert client.get(address).status_code == 200
        assert "colour" not in client.get("/ogc/collections/buoys/schema").json()["properties"]
        assert client.get("/ogc/collections/buoys/items?colour=red").status_code == 400


def test_without_its_database_the_api_says_when_to_come_back_and_recovers(own_town: tuple[Settings, str]) -> None:
    settings, url = own_town
    name = conninfo_to_dict(url)["dbname"]
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        assert client.get("/ogc/collections/lamps/items").status_code == 200
        with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
            stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(stop, [name])
            try:
                answer = client.get("/ogc/collections/lamps/items", params={"limit": 3})
                assert answer.status_code == 503, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
                assert int(answer.headers["retry-after"]) > 0
                assert client.get("/ogc/conformance").status_code == 200
            finally:
                connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        path = "/ogc/collections/lamps/items"
        wait_until(lambda: client.get(path, params={"limit": 4}).status_code == 200, "the database is found again")


def test_links_follow_the_address_that_the_client_used(town: TestClient) -> None:
    for host in (
        "maps.localhost",
        "127.0.0.1:8123",
    ):  # names that nobody else has; tests/api/test_hosts.py has the others
        document = town.get("/ogc", headers={"Host": host}).json()
        ours = [link["href"] for link in document["links"]]
        assert all(href.startswith(f"http://{host}") for href in ours), ours
        page = town.get("/ogc/collections/lamps/items", params={"limit": 1}, headers={"Host": host}).json()
        assert all(link["href"].startswith(f"http://{host}/ogc") for link in page["links"])
        api = town.get("/ogc/openapi", headers={"Host": host}).json()
        assert api["servers"][0]["url"] == f"http://{host}/ogc"


def test_a_public_address_wins_over_the_clients(own_town: tuple[Settings, str]) -> None:
    settings, url = own_town
    settings = settings.model_copy(update={"public_url": "https://maps.example.org/city/"})
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1") as client:
        document = client.get("/ogc").json()
        assert all(link["href"].startswith("https://maps.example.org/city") for link in document["links"])


def test_pygeoapi_writes_into_a_copy_of_the_configuration_only(town: TestClient) -> None:
    services = town.app.state.services  # type: ignore[attr-defined]
    config = build_config(services.loaded(), services.database, services.settings, "http://here/ogc")
    before = repr(config)
    api = build_api(services.loaded(), services.database, services.settings, "http://here/ogc")
    api.config["resources"]["lamps"]["providers"][0]["crs"].clear()
    assert repr(config) == before
    again = build_api(services.loaded(), services.database, services.settings, "http://here/ogc")
    assert again.config["resources"]["lamps"]["providers"][0]["crs"]
    copied = copy.deepcopy(config)
    data = config["resources"]["lamps"]["providers"][0]["data"]
    assert copied["resources"]["lamps"]["providers"][0]["data"] is data, "a pool of connections is shared, not copied"


def test_making_an_api_leaves_the_programs_logging_alone(town: TestClient) -> None:
    services = town.app.state.services  # type: ignore[attr-defined]
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    root.handlers.clear()
    try:
        build_api(services.loaded(), services.database, services.settings, "http://here/ogc")
        assert root.handlers == []
    finally:
        root.handlers[:], root.level = before


def test_pygeoapis_own_functions_work_with_the_provider(town: TestClient) -> None:
    services = town.app.state.services  # type: ignore[attr-defined]
    api = build_api(services.loaded(), services.database, services.settings, "http://here/ogc")

    def ask(function: Any, *args: str, **params: str) -> tuple[int, dict[str, Any]]:
        _, status, content = function(api, APIRequest(Asked(**params), api.locales), *args)
        return status, json.loads(content)

    status, page = ask(get_collection_items, "lamps", limit="2", sortby="-built", watts="10", bbox="-29,45,-28,46")
    assert status == 200
    ours = town.get("/ogc/collections/lamps/items?limit=2&sortby=-built&watts=10&bbox=-29,45,-28,46").json()
    assert [f["id"] for f in page["features"]] == [f["id"] for f in ours["features"]]
    assert page["numberMatched"] == ours["numberMatched"]
    status, _ = ask(get_collection_items, "lamps", watts="many")
    assert status == 400
    status, feature = ask(get_collection_item, "lamps", "3")
    assert (status, feature["id"]) == (200, 3)
    status, _ = ask(get_collection_item, "lamps", "abc")
    assert status == 404
    assert ProviderItemNotFoundError.http_status_code == 404


def test_many_at_once_get_what_each_asked_for(town: TestClient) -> None:
    wrong: list[str] = []

    def ask(number: int) -> None:
        for offset in range(5):
            page = town.get("/ogc/collections/lamps/items", params={"limit": 1, "offset": number * 5 + offset}).json()
            if page["features"][0]["id"] != (number * 5 + offset) * 3:
                wrong.append(f"{number} {offset}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
