"""`/api/keys`: nobody gives more than they hold, and nobody hears of keys that are not theirs to give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from gatehouse import READ, basic, bearer, build_app

from geoserver.database.connecting import connect
from geoserver.database.keys import StoredSession, add_session
from geoserver.gate import COOKIE, make_session
from geoserver.model import ANY, Grant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatehouse import House

ALL = Grant(frozenset({ANY}), frozenset({"read", "write", "manage"}), fields=frozenset({ANY}))
WELLS = Grant(frozenset({"wells"}), frozenset({"read", "manage"}))


def wish(label: str = "new", **grant: Any) -> dict[str, Any]:
    return {"label": label, "grants": [{"layers": ["wells"], **grant}]}


def ids(answer: Any) -> Iterable[str]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return [key["id"] for key in answer.json()["keys"]]


def test_a_key_is_made_used_listed_and_revoked_by_http(asked: TestClient, house: House) -> None:
    manager, key = house.key(ALL)
    made = asked.post("/api/keys", json=wish(rows="owner = 'Ann'") | {"rate": 5}, headers=bearer(key))
    assert made.status_code == 201
    assert made.headers["cache-control"] == "private, no-store"
    new = made.json()
    assert (new["state"], new["rate"], new["created_by"]) == ("holds", 5, f"key:{manager.id}")
    assert made.headers["location"].endswith(f"/api/keys/{new['id']}")
    assert asked.get("/who", headers=basic(new["key"])).json()["name"] == "new"
    listed = asked.get("/api/keys", headers=bearer(key))
    assert list(ids(listed))[-1] == new["id"]
    assert new["key"] not in listed.text
    one = asked.get(f"/api/keys/{new['id']}", headers=bearer(key)).json()
    assert one["grants"] == [{"layers": ["wells"], "may": ["read"], "rows": "owner = 'Ann'", "fields": []}]
    gone = asked.delete(f"/api/keys/{new['id']}", headers=bearer(key))
    assert (gone.status_code, gone.content) == (204, b"")
    assert asked.get("/who", headers=bearer(new["key"])).status_code == 401
    assert asked.delete(f"/api/keys/{new['id']}", headers=bearer(key)).status_code == 404
    rows = house.do("SELECT action, subject FROM geoserver.audit ORDER BY id DESC LIMIT 2")
    assert rows == [("revoke key", f"key:{manager.id}"), ("add key", f"key:{manager.id}")]


def test_who_may_not_manage_is_refused(asked: TestClient, house: House) -> None:
    _, reader = house.key()
    _, manager = house.key(ALL)
    for method, path in (
        ("GET", "/api/keys"),
        ("POST", "/api/keys"),
        ("DELETE", "/api/keys/x"),
        ("GET", "/api/keys/x"),
    ):
        nobody = asked.request(method, path, json=wish() if method == "POST" else None)
        assert nobody.status_code == 401
        assert "Bearer" in nobody.headers["www-authenticate"]
        body = wish() if method == "POST" else None
        assert asked.request(method, path, headers=bearer(reader), json=body).status_code == 403
        assert asked.request(method, path, params={"key": manager}, json=body).status_code == 403


@pytest.mark.parametrize(
    "grant",
    [
        {"layers": ["*"]},
        {"layers": ["wells", "benches"]},
        {"layers": ["nowhere"]},
        {"may": ["read", "write"]},
        {"fields": ["owner"]},
        {"fields": ["*"]},
    ],
)
def test_nobody_gives_more_than_they_hold(asked: TestClient, house: House, grant: dict[str, Any]) -> None:
    _, key = house.key(WELLS)
    before = house.do("SELECT count(*) FROM geoserver.keys")
    refused = asked.post("/api/keys", json=wish(**grant), headers=bearer(key))
    assert refused.status_code == 403
    assert "benches" not in refused.text
    assert house.do("SELECT count(*) FROM geoserver.keys") == before


def test_who_sees_some_rows_gives_these_alone(asked: TestClient, house: House) -> None:
    _, key = house.key(Grant(frozenset({"wells"}), frozenset({"read", "manage"}), rows="owner = 'Ann'"))
    for rows, status in (("", 403), ("owner = 'Ben'", 403), ("owner = 'Ann' OR TRUE", 403), ("owner = 'Ann'", 201)):
        assert asked.post("/api/keys", json=wish(rows=rows), headers=bearer(key)).status_code == status, rows


@pytest.mark.parametrize("held", [WELLS, Grant(frozenset({ANY}), frozenset({"read", "manage"}))])
def test_no_filter_is_tried_on_a_field_that_its_maker_does_not_see(
    asked: TestClient, house: House, held: Grant
) -> None:
    _, key = house.key(held)
    before = house.do("SELECT count(*) FROM geoserver.keys")
    answers = {}
    for name in ("owner", "absent"):
        answer = asked.post("/api/keys", json=wish(rows=f"{name} = 'Ann'"), headers=bearer(key))
        assert answer.status_code == 400
        answers[name] = answer.text.replace(name, "NAME")
    assert answers["owner"] == answers["absent"]
    assert "owner" not in answers["absent"]
    for name in ("owner", "absent"):
        everywhere = asked.post("/api/keys", json=wish(rows=f"{name} = 'Ann'", layers=["*"]), headers=bearer(key))
        assert everywhere.status_code == 403
    assert house.do("SELECT count(*) FROM geoserver.keys") == before
    assert asked.post("/api/keys", json=wish(rows="wood = 'oak'"), headers=bearer(key)).status_code == 201


def test_who_sees_a_field_in_some_rows_tries_no_filter_by_it_on_the_rest(asked: TestClient, house: House) -> None:
    some = Grant(frozenset({"wells"}), rows="wood = 'oak'", fields=frozenset({"owner"}))
    _, key = house.key(WELLS, some)
    assert asked.post("/api/keys", json=wish(rows="owner = 'Ben'"), headers=bearer(key)).status_code == 400
    _, key = house.key(WELLS, Grant(frozenset({"wells"}), fields=frozenset({"owner"})))
    assert asked.post("/api/keys", json=wish(rows="owner = 'Ben'"), headers=bearer(key)).status_code == 201


def test_keys_with_a_filter_by_what_one_does_not_see_are_not_there(asked: TestClient, house: House) -> None:
    theirs, _ = house.key(Grant(frozenset({"wells"}), rows="owner = 'Ann'"))
    plain, _ = house.key(Grant(frozenset({"wells"}), rows="wood = 'oak'"))
    _, key = house.key(WELLS)
    shown = asked.get("/api/keys", headers=bearer(key))
    assert plain.id in ids(shown)
    assert theirs.id not in ids(shown)
    assert "owner" not in shown.text
    assert asked.delete(f"/api/keys/{theirs.id}", headers=bearer(key)).status_code == 404


def test_a_key_hands_on_no_more_time_and_requests_than_it_has(asked: TestClient, house: House) -> None:
    _, key = house.key(ALL, expires="2090-01-01", rate=60, quota=500)
    made = asked.post("/api/keys", json=wish(), headers=bearer(key)).json()
    assert (made["expires"], made["rate"], made["quota"]) == ("2090-01-02T00:00:00Z", 60, 500)
    less = {"expires": "2089-01-01", "rate": 5, "quota": 50}
    made = asked.post("/api/keys", json=wish() | less, headers=bearer(key)).json()
    assert (made["expires"], made["rate"], made["quota"]) == ("2089-01-02T00:00:00Z", 5, 50)
    for name, more in (("expires", "2091-01-01"), ("rate", 61), ("quota", 501)):
        refused = asked.post("/api/keys", json=wish() | {name: more}, headers=bearer(key))
        assert refused.status_code == 403
        assert f"{name}: at most" in refused.text


def test_a_key_that_a_person_makes_holds_for_a_year(asked: TestClient, house: House) -> None:
    (house.workspace / "access.toml").write_text(
        '[groups.staff]\nlayers = ["wells"]\nmay = ["read", "manage"]\n', encoding="utf-8"
    )
    token, digest = make_session()
    later = datetime.now(UTC) + timedelta(hours=1)
    with connect(house.database_url, autocommit=True) as connection:
        add_session(connection, StoredSession(digest, None, "ann", "Ann", ("staff",), later))
    with TestClient(build_app(house), base_url="http://127.0.0.1") as client:
        headers = {"Cookie": f"{COOKIE}={token}", "Origin": "http://127.0.0.1"}
        made = client.post("/api/keys", json=wish(), headers=headers).json()
        ends = datetime.fromisoformat(made["expires"]) - datetime.now(UTC)
        assert timedelta(days=364) < ends < timedelta(days=367)
        assert client.post("/api/keys", json=wish() | {"expires": "2090-01-01"}, headers=headers).status_code == 403
    (house.workspace / "access.toml").unlink()


def test_a_key_ends_with_all_that_was_made_with_it_where_that_is_said(asked: TestClient, house: House) -> None:
    _, all_ = house.key(ALL)
    _, key = house.key(WELLS)
    manages = {"may": ["read", "manage"]}
    made = [asked.post("/api/keys", json=wish(**manages), headers=bearer(key)).json()]
    made.append(asked.post("/api/keys", json=wish(), headers=bearer(made[0]["key"])).json())
    assert asked.delete(f"/api/keys/{made[0]['id']}", headers=bearer(all_)).status_code == 204
    assert asked.get("/who", headers=bearer(made[1]["key"])).status_code == 200
    made.append(asked.post("/api/keys", json=wish(**manages), headers=bearer(key)).json())
    made.append(asked.post("/api/keys", json=wish(), headers=bearer(made[2]["key"])).json())
    assert asked.delete(f"/api/keys/{made[2]['id']}?made=true", headers=bearer(all_)).status_code == 204
    for each in made[2:]:
        assert asked.get("/who", headers=bearer(each["key"])).status_code == 401
    assert asked.get("/who", headers=bearer(key)).status_code == 200
    assert asked.delete(f"/api/keys/{made[1]['id']}?made=x", headers=bearer(all_)).status_code == 400


def test_a_layer_that_is_gone_tells_of_no_others(asked: TestClient, house: House) -> None:
    _, key = house.key(Grant(frozenset({"gone"}), frozenset({"read", "manage"})))
    refused = asked.post("/api/keys", json=wish(layers=["gone"]), headers=bearer(key))
    assert refused.status_code == 400
    assert "benches" not in refused.text


def test_keys_that_are_not_ones_own_to_give_are_not_there(asked: TestClient, house: House) -> None:
    everything, _ = house.key(ALL)
    mine, key = house.key(WELLS)
    theirs, _ = house.key(READ)
    shown = ids(asked.get("/api/keys", headers=bearer(key)))
    assert {mine.id, theirs.id} <= set(shown)
    assert everything.id not in shown
    hidden = asked.get(f"/api/keys/{everything.id}", headers=bearer(key))
    absent = asked.get("/api/keys/0123456789", headers=bearer(key))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace(everything.id, "") == absent.text.replace("0123456789", "")
    assert asked.delete(f"/api/keys/{everything.id}", headers=bearer(key)).status_code == 404
    assert house.do("SELECT revoked_at FROM geoserver.keys WHERE id = %s", [everything.id]) == [(None,)]


def test_a_key_that_is_broken_can_be_seen_and_revoked_by_who_may_give_everything(
    asked: TestClient, house: House
) -> None:
    broken, _ = house.key()
    house.do("UPDATE geoserver.keys SET grants = '[7]' WHERE id = %s", [broken.id])
    _, some = house.key(WELLS)
    _, every = house.key(ALL)
    assert broken.id not in ids(asked.get("/api/keys", headers=bearer(some)))
    assert broken.id in ids(asked.get("/api/keys", headers=bearer(every)))
    assert asked.delete(f"/api/keys/{broken.id}", headers=bearer(every)).status_code == 204


def test_the_description_of_the_api_names_the_ways_in(asked: TestClient) -> None:
    document = asked.get("/openapi.json").json()
    ways = document["components"]["securitySchemes"]
    assert {way.get("scheme", way.get("name")) for way in ways.values()} == {"bearer", "basic", "key", COOKIE}
    assert document["security"] == [{}, *({name: []} for name in ways)]
    assert {"401", "403", "429"} <= document["paths"]["/api/keys"]["post"]["responses"].keys()


BAD = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b'{"label": "a"}',
    b'{"label": "a", "grants": []}',
    b'{"label": "a", "grants": [{}]}',
    b'{"label": "a", "grants": [{"layers": []}]}',
    b'{"label": "a", "grants": [{"layers": [""]}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "may": ["fly"]}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "more": 1}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "rows": "nosuch = 1"}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "rows": "(((("}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "rows": "  "}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "rows": null}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"]}], "expires": ""}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "rows": "owner = \'\\u0000\'"}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "fields": ["wood"]}]}',
    b'{"label": "as gsk_' + b"x" * 43 + b'", "grants": [{"layers": ["wells"]}]}',
    b'{"label": "\\ud800", "grants": [{"layers": ["wells"]}]}',
    b'{"label": "\\u0000", "grants": [{"layers": ["wells"]}]}',
    b'{"label": "a", "\\ud800": 1, "grants": [{"layers": ["wells"]}]}',
    b'{"label": "a", "grants": [{"layers": ["\\ud800"]}]}',
    b'{"label": "a", "grants": [{"layers": ["wells"]}], "rate": 0}',
    b'{"label": "a", "grants": [{"layers": ["wells"]}], "rate": 1e400}',
    b'{"label": "a", "grants": [{"layers": ["wells"]}], "quota": 99999999999999999999999}',
    b'{"label": "a", "grants": [{"layers": ["wells"]}], "expires": "2001-01-01"}',
    b'{"label": "a", "grants": [{"layers": ["wells"]}], "expires": "2090-01-01T00:00:00+99:00"}',
    b'{"label": "a", "grants": [{"layers": ["wells"]}], "expires": "9999-12-31T23:59:59-23:59"}',
    b'{"label": "a", "grants": [{"layers": ["wells"], "rows": "name = \'gsk_' + b"a" * 43 + b"'\"}]}",
    b"[" * 100_000,
    b'{"label": "' + b"x" * 1_000 + b'", "grants": [{"layers": ["wells"]}]}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_a_wish_that_is_none_is_a_400_and_makes_nothing(asked: TestClient, house: House, body: bytes) -> None:
    _, key = house.key(ALL)
    before = house.do("SELECT count(*) FROM geoserver.keys")
    headers = {**bearer(key), "Content-Type": "application/json"}
    refused = asked.post("/api/keys", content=body, headers=headers)
    assert refused.status_code == 400, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert len(refused.content) < 4_000
    assert house.do("SELECT count(*) FROM geoserver.keys") == before


@pytest.mark.parametrize("path", ["/api/keys/%00", "/api/keys/" + "x" * 5_000, "/api/keys/gsk_x", "/api/keys/%ff"])
def test_an_id_that_is_none_is_a_404(asked: TestClient, house: House, path: str) -> None:
    _, key = house.key(ALL)
    for method in ("GET", "DELETE"):
        refused = asked.request(method, path, headers=bearer(key))
        assert refused.status_code == 404
        assert len(refused.content) < 1_000


def test_a_key_in_a_path_is_refused_and_not_repeated(asked: TestClient, house: House) -> None:
    _, key = house.key(ALL)
    for path in (f"/api/keys/{key}", f"/{key}/", f"/tiles/gsk%5f{key[4:]}/1/0/0.mvt"):
        refused = asked.get(path, headers=bearer(key), follow_redirects=False)
        assert refused.status_code == 400
        assert key[4:] not in refused.text + str(refused.headers)


def test_keys_are_listed_page_by_page_and_each_once(asked: TestClient, house: House) -> None:
    _, manager = house.key(Grant(frozenset({"wells"}), frozenset({"read", "manage"})))
    mine = [house.key()[0].id for _ in range(5)]
    house.key(Grant(frozenset({"shops"})))  # not theirs, in the middle
    mine += [house.key()[0].id for _ in range(3)]
    whole = asked.get("/api/keys", headers=bearer(manager)).json()
    assert whole["next"] is None
    everything = [key["id"] for key in whole["keys"]]
    assert everything[-8:] == mine
    pages = [asked.get("/api/keys?limit=3", headers=bearer(manager)).json()]
    while pages[-1]["next"]:
        assert len(pages[-1]["keys"]) == 3
        pages.append(asked.get(pages[-1]["next"], headers=bearer(manager)).json())
    assert [key["id"] for page in pages for key in page["keys"]] == everything
    assert asked.get(f"/api/keys?after={mine[-1]}", headers=bearer(manager)).json() == {"keys": [], "next": None}


def test_a_page_of_keys_begins_after_one_that_the_caller_may_know_of(asked: TestClient, house: House) -> None:
    _, manager = house.key(Grant(frozenset({"wells"}), frozenset({"read", "manage"})))
    foreign = house.key(Grant(frozenset({"shops"})))[0].id
    texts = []
    for after in (foreign, "0123456789", "x", ""):
        answer = asked.get("/api/keys", params={"after": after}, headers=bearer(manager))
        assert (answer.status_code, answer.json()["parameter"]) == (400, "after")
        texts.append(answer.text.replace(f'"{after}"', "").replace(f"'{after}'", ""))
    assert len(set(texts)) == 1
    for wrong in ("limit=0", "limit=x", "limit=1&limit=2", "before=1"):
        assert asked.get(f"/api/keys?{wrong}", headers=bearer(manager)).status_code == 400, wrong
