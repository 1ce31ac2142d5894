"""`/metrics` and the details of `/readyz` are for operators, as the setting says who they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from gatehouse import READ, bearer, build_app
from test_identify import wait_for

from geoserver.gate.grants import fit_rows
from geoserver.gate.misfits import Misfits
from geoserver.model import ANY, Grant
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatehouse import House

    from geoserver.model import Layer

ALL = Grant(frozenset({ANY}), frozenset({"manage"}))
HERE = ("127.0.0.1", 50_000)


@pytest.fixture(scope="module")
def app(house: House) -> Iterator[Any]:
    """One app for all settings: it is asked for them with each request."""
    made = build_app(house, operators="local")
    with TestClient(made, base_url="http://127.0.0.1") as running:
        made.state.portal = running.portal
        yield made


def ask(app: Any, path: str, operators: str, client: tuple[str, int] = HERE, **headers: str) -> Any:
    app.state.settings = app.state.settings.model_copy(update={"operators": operators})
    named = {"Host": "127.0.0.1:8000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    asker = TestClient(app, base_url="http://127.0.0.1", client=client)
    asker.portal = app.state.portal  # in the event loop of the app, where keys that are new are waited for
    return asker.get(path, headers=named)


def sees(app: Any, operators: str, client: tuple[str, int] = HERE, **headers: str) -> bool:
    """Whether both tell all; fails when they disagree."""
    ready = ask(app, "/readyz", operators, client, **headers)
    metrics = ask(app, "/metrics", operators, client, **headers)
    details = set(ready.json()) > {"status"}
    assert details is ("geoserver_tile_answers" in metrics.text)
    assert ready.headers["cache-control"] == metrics.headers["cache-control"] == "no-store"
    if not details:
        assert ready.json().keys() == {"status"}
        assert "wells" not in ready.text + metrics.text
        assert metrics.status_code in (401, 403, 404)
    return details


def test_local_is_this_machine_by_itself_and_no_proxy_on_it(app: Any) -> None:
    assert sees(app, "local")
    assert sees(app, "local", ("::1", 1), Host="[::1]:8000")
    assert sees(app, "local", ("::ffff:127.0.0.1", 1), Host="localhost")
    assert not sees(app, "local", ("192.0.2.7", 1))
    assert not sees(app, "local", ("testclient", 1))
    for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Host"):
        assert not sees(app, "local", **{name.replace("-", "_"): "192.0.2.7"})
    app.state.hosts._allowed.add("maps.example.org")
    assert not sees(app, "local", Host="maps.example.org")


def test_a_key_that_may_manage_everything_is_an_operators(app: Any, house: House) -> None:
    away = ("192.0.2.7", 1)
    (
        _,
        all_,
    ) = house.key(ALL)
    _, one = house.key(Grant(frozenset({"wells"}), frozenset({"manage"})))
    _, reader = house.key(READ)
    for operators in ("local", "key"):
        assert sees(app, operators, away, **bearer(all_))
        assert not sees(app, operators, away, **bearer(one))
        assert not sees(app, operators, away, **bearer(reader))
        assert not sees(app, operators, away)
    assert not sees(app, "key")
    assert ask(app, "/metrics", "key").status_code == 401
    assert "Bearer" in ask(app, "/metrics", "key").headers["www-authenticate"]
    assert ask(app, "/metrics", "key", **bearer(reader)).status_code == 403


def test_a_key_for_some_rows_is_no_operators(app: Any, house: House) -> None:
    _, some = house.key(Grant(frozenset({ANY}), frozenset({"manage"}), rows="owner = 'Ann'"))
    assert not sees(app, "key", **bearer(some))
    assert not sees(app, "local", ("192.0.2.7", 1), **bearer(some))
    _, both = house.key(ALL, Grant(frozenset({"wells"}), rows="owner = 'Ann'"))
    assert sees(app, "key", **bearer(both))


@pytest.mark.parametrize(
    ("public_url", "operated_by"),
    [
        (None, "local"),
        ("http://localhost:8000", "local"),
        ("http://127.0.0.1/city", "local"),
        ("http://[::1]:8000", "local"),
        ("https://maps.example.org", "key"),
        ("http://192.0.2.7", "key"),
        ("https://localhost.example.org", "key"),
    ],
)
def test_behind_a_proxy_this_machine_is_no_operators_unless_that_is_said(
    house: House, public_url: str | None, operated_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEOSERVER_OPERATORS", raising=False)
    given: dict[str, Any] = {"workspace": house.workspace, "database_url": None, "public_url": public_url}
    assert Settings(**given).operated_by == operated_by
    assert Settings(**given, operators="local").operated_by == "local"


def test_however_many_ask_filters_are_tried_once(app: Any, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def note(layer: Layer, rows: str, srid: int) -> None:
        tried.append(rows)
        fit_rows(layer, rows, srid)

    monkeypatch.setattr("geoserver.gate.misfits.fit_rows", note)
    misfits, services = Misfits(app.state.gate), app.state.services
    assert services.loaded()

    async def ask_often() -> None:
        await asyncio.gather(*(misfits.find(services) for _ in range(16)))

    async def look() -> None:
        for rows in ("owner = 'Cid'", "owner = 'Dan'"):
            _, key = house.key(Grant(frozenset({"wells"}), rows=rows))
            await asyncio.to_thread(ask, app, "/who", "open", **bearer(key))
            await ask_often()
            await ask_often()

    asyncio.run(look())
    assert tried.count("owner = 'Cid'") == tried.count("owner = 'Dan'") == 1


def test_open_is_for_everybody_and_off_for_nobody(app: Any, house: House) -> None:
    _, key = house.key(ALL)
    assert sees(app, "open", ("192.0.2.7", 1))
    assert not sees(app, "off")
    assert not sees(app, "off", **bearer(key))
    assert ask(app, "/metrics", "off").status_code == 404


def test_a_grant_whose_filter_does_not_fit_is_told_to_operators(app: Any, house: House) -> None:
    _, key = house.key(Grant(frozenset({"wells", "benches"}), rows="depth > 3"))
    stored, _ = house.key(Grant(frozenset({"wells"}), rows="owner = 'Ann'"))
    ask(app, "/who", "open", **bearer(key))

    def closed() -> list[dict[str, str]]:
        found: list[dict[str, str]] = ask(app, "/readyz", "local").json()["closed"]
        return found

    wait_for(lambda: {item["layer"] for item in closed()} == {"wells", "benches"})
    assert all("depth" in item["expected"] for item in closed())
    assert stored.id not in {item["key"] for item in closed()}
    assert ask(app, "/readyz", "local").json()["status"] == "degraded"
    house.do("UPDATE geoserver.keys SET revoked_at = now()")
    wait_for(lambda: closed() == [])
