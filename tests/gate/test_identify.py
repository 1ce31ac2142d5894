"""Who asks: by which ways a key may come, and what becomes of everything that is no key."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from gatehouse import basic, bearer, build_app

from geoserver.database.connecting import connect
from geoserver.database.keys import StoredSession, add_session, end_session
from geoserver.errors import hide_keys
from geoserver.gate import COOKIE, make_session, take_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatehouse import House

WRONG = "gsk_" + "x" * 43


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.02)


def refused(answer: Any, status: int = 401) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["status"] == status
    assert "gsk_x" not in answer.text
    if status == 401:
        assert answer.headers["www-authenticate"].count("realm=") == 2
    return answer.json()


def test_without_a_key_nobody_asks(asked: TestClient) -> None:
    assert asked.get("/who").json()["kind"] == "nobody"
    assert asked.get("/who").json()["subject"] == ""


def test_a_key_is_taken_as_bearer_as_basic_password_and_in_the_query(asked: TestClient, house: House) -> None:
    stored, key = house.key()
    ways: list[dict[str, Any]] = [
        {"headers": bearer(key)},
        {"headers": {"Authorization": f"bEARER  {key}"}},
        {"headers": basic(key)},
        {"headers": basic(key, user="")},
        {"headers": basic("", user=key)},
        {"params": {"key": key}},
    ]
    for way in ways:
        told = asked.get("/who", **way).json()
        assert (told["kind"], told["subject"], told["name"]) == ("key", f"key:{stored.id}", "test"), way
        assert told["read_only"] is ("params" in way)


def test_a_key_in_the_query_is_seen_by_nothing_else(asked: TestClient, house: House) -> None:
    _, key = house.key()
    assert asked.get(f"/who?a=1&key={key}&b=%202").json()["query"] == "a=1&b=%202"
    assert asked.get(f"/who?a=1&k%65y=gsk%5F{key[4:]}").json()["query"] == "a=1"
    assert asked.get("/who?key=door&a=%31").json()["query"] == "key=door&a=%31"


def test_a_key_under_another_name_is_refused_and_not_repeated(asked: TestClient, house: House) -> None:
    _, key = house.key()
    for query in (
        f"token={key}",
        f"{key}=1",
        f"{key}",
        f"filter=a='{key}'",
        f"api_key=gsk%5f{key[4:]}",
        f"a=%2567sk_{key[4:]}",
    ):
        body = refused(asked.get(f"/who?{query}"), 400)
        assert key[4:] not in str(body)


@pytest.mark.parametrize(
    "header",
    [
        *(f"Bearer {WRONG}", "Bearer", "Bearer ", "Bearer x", f"Bearer {WRONG}x", f"Bearer {WRONG}, Bearer {WRONG}"),
        *("Basic", "Basic !!!", "Basic Og==", "Basic YQ==", "Basic =", "Basic \xff", "Digest username=x", "", "gsk_"),
        *("Basic " + base64.b64encode(b"\xff\xfe:\0").decode(), "Basic " + base64.b64encode(WRONG.encode()).decode()),
        *("Basic " + base64.b64encode(f"a:b:{WRONG}".encode()).decode(), "Bearer " + "gsk_" + "y" * 1_000_000),
        "Basic " + base64.b64encode(b"u:" + b"y" * 1_000_000).decode(),
    ],
    ids=range(20),
)
def test_what_is_no_key_is_a_401_that_says_how(asked: TestClient, header: str) -> None:
    refused(asked.get("/who", headers={"Authorization": header.encode("latin-1")}))  # type: ignore[dict-item]
    refused(asked.get("/tiles/benches/10/430/365.mvt", headers={"Authorization": header.encode("latin-1")}))  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "query", [f"key={WRONG}", "key=gsk_", f"key={WRONG}%00", f"key={WRONG}/", "key=gsk_%ff", "key=gsk_" + "z" * 1_000]
)
def test_what_is_no_key_in_the_query_is_a_401(asked: TestClient, query: str) -> None:
    refused(asked.get(f"/who?{query}"))


def test_more_than_one_key_is_refused(asked: TestClient, house: House) -> None:
    _, key = house.key()
    refused(asked.get(f"/who?key={key}&key={key}"), 400)
    refused(asked.get(f"/who?key={key}", headers=bearer(key)), 400)
    twice = [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {key}")]
    refused(asked.get("/who", headers=twice), 400)


def test_a_refusal_to_head_has_no_body(asked: TestClient) -> None:
    answer = asked.head("/api/layers", headers=bearer(WRONG))
    assert (answer.status_code, answer.content) == (401, b"")


def test_a_key_ends_when_it_expires(asked: TestClient, house: House) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    _, key = house.key(expires=soon.isoformat())
    assert asked.get("/who", headers=bearer(key)).status_code == 200
    wait_for(lambda: asked.get("/who", headers=bearer(key)).status_code == 401)
    assert datetime.now(UTC) >= soon
    refused(asked.get("/who", headers=bearer(key)))


def test_a_revoked_key_is_refused_at_once(asked: TestClient, house: House) -> None:
    stored, key = house.key()
    assert asked.get("/who", headers=bearer(key)).status_code == 200
    house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
    wait_for(lambda: asked.get("/who", headers=bearer(key)).status_code == 401)


def test_a_key_that_is_deleted_by_hand_is_refused(asked: TestClient, house: House) -> None:
    stored, key = house.key()
    assert asked.get("/who", headers=bearer(key)).status_code == 200
    house.do("DELETE FROM geoserver.keys WHERE id = %s", [stored.id])
    wait_for(lambda: asked.get("/who", headers=bearer(key)).status_code == 401)


def test_a_key_whose_grants_cannot_be_read_opens_nothing(asked: TestClient, house: House) -> None:
    blank = [f'[{{"layers": ["wells"], "rows": {rows}}}]' for rows in ("{}", "[]", "0", "false", "null", '"  "')]
    for grants in (
        *blank,
        '[{"may": ["read"]}]',
        '[{"layers": ["wells"], "may": ["fly"]}]',
        '["x"]',
        '{"a": 1}',
        "5",
        "null",
    ):
        stored, key = house.key()
        house.do("UPDATE geoserver.keys SET grants = %s::jsonb WHERE id = %s", [grants, stored.id])
        headers = bearer(key)
        wait_for(lambda headers=headers: asked.get("/who", headers=headers).status_code == 401)
    _, good = house.key()
    assert asked.get("/who", headers=bearer(good)).status_code == 200


def test_a_cookie_of_a_session_is_its_key_or_its_person_and_else_nobody(asked: TestClient, house: House) -> None:
    stored, _ = house.key()
    later = datetime.now(UTC) + timedelta(hours=1)
    by_key, by_person, over = make_session(), make_session(), make_session()
    with connect(house.database_url, autocommit=True) as connection:
        add_session(connection, StoredSession(by_key[1], stored.id, f"key:{stored.id}", "test", (), later))
        add_session(connection, StoredSession(by_person[1], None, "ann@example.org", "Ann", ("staff",), later))
        past = datetime.now(UTC) - timedelta(seconds=1)
        add_session(connection, StoredSession(over[1], None, "ann@example.org", "Ann", (), past))

    def ask(token: str, before: str = "a=b; ") -> dict[str, Any]:
        told: dict[str, Any] = asked.get("/who", headers={"Cookie": f"{before}{COOKIE}={token}; c=d"}).json()
        return told

    assert ask(by_key[0])["subject"] == f"key:{stored.id}"
    assert ask(by_key[0])["by_cookie"] is True
    assert ask(by_person[0], f"{COOKIE}=x; ")["subject"] == "person:ann@example.org"
    for nobody in (over[0], "gss_" + "x" * 43, "x", "", "\0", "gss_" + "x" * 100_000):
        assert ask(nobody)["kind"] == "nobody"
    with connect(house.database_url, autocommit=True) as connection:
        assert end_session(connection, by_person[1])
        assert not end_session(connection, by_person[1])
    wait_for(lambda: ask(by_person[0])["kind"] == "nobody")
    house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
    wait_for(lambda: ask(by_key[0])["kind"] == "nobody")


def test_a_person_may_do_what_the_groups_in_access_toml_may(house: House) -> None:
    (house.workspace / "access.toml").write_text('[groups.staff]\nlayers = ["wells"]\n', encoding="utf-8")
    token, digest = make_session()
    later = datetime.now(UTC) + timedelta(hours=1)
    with connect(house.database_url, autocommit=True) as connection:
        add_session(connection, StoredSession(digest, None, "ann", "Ann", ("staff", "others"), later))
    with TestClient(build_app(house), base_url="http://127.0.0.1") as client:
        told = client.get("/who", headers={"Cookie": f"{COOKIE}={token}"}).json()
    assert told["grants"] == [{"layers": ["wells"], "may": ["read"], "rows": "", "fields": []}]


def test_a_key_that_comes_back_is_known_again(asked: TestClient, house: House) -> None:
    stored, key = house.key()
    house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
    wait_for(lambda: asked.get("/who", headers=bearer(key)).status_code == 401)
    refused(asked.get("/who", headers=bearer(key)))
    house.do("UPDATE geoserver.keys SET revoked_at = NULL WHERE id = %s", [stored.id])
    wait_for(lambda: asked.get("/who", headers=bearer(key)).status_code == 200)


def test_a_query_without_a_key_is_left_as_it_is() -> None:
    for query in (b"", b"a=%67sk&key=x", b"&&a", b"filter=%20a%3d1", b"key=%ff"):
        assert take_keys(query) == (query, [])
    assert take_keys(b"key=gsk_1&&a=%20&key=y") == (b"&a=%20&key=y", ["gsk_1"])


def test_a_key_is_hidden_however_it_is_written() -> None:
    key = "gsk_" + "Ab3-" * 10 + "xyz"
    for written in (
        key,
        f"x{key}",
        f"%67sk_{key[4:]}",
        f"%2567sk%5F{key[4:]}",
        f"gsk%255f{key[4:]}",
        f"g%73%6B_{key[4:]}",
    ):
        assert key[4:] not in hide_keys(f"/a?b={written}&c=1")
        assert hide_keys(f"/a?b={written}&c=1").endswith("&c=1")
    assert hide_keys("gsk_ and Gessken") == "gsk_ and Gessken"
