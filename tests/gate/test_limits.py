"""Rates and quotas: how often a key may ask, by one worker and by several."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from gatehouse import READ, bearer, build_app
from test_identify import refused, wait_for

from geoserver.database.connecting import connect
from geoserver.database.keys import StoredKey, StoredSession, add_session, add_uses
from geoserver.errors import TooManyError
from geoserver.gate import COOKIE, make_session
from geoserver.gate.making import Wish, make
from geoserver.gate.uses import Uses
from geoserver.model import Grant

if TYPE_CHECKING:
    from gatehouse import House

NOON = 20_000 * 86_400.0 + 43_200


def taken(uses: Uses, rate: int | None, quota: int | None, now: float, times: int = 1_000) -> tuple[int, int]:
    """How many requests pass at that moment, and after how many seconds the next one would."""
    for number in range(times):
        try:
            uses.take("a", rate, quota, 0, now)
        except TooManyError as error:
            return number, error.retry_after
    return times, 0


def test_a_minute_gives_so_many_requests_and_they_come_back_steadily() -> None:
    uses = Uses()
    assert taken(uses, 60, None, NOON) == (60, 1)
    assert taken(uses, 60, None, NOON + 0.5) == (0, 1)
    assert taken(uses, 60, None, NOON + 10) == (10, 1)
    assert taken(uses, 60, None, NOON + 10_000) == (60, 1)
    assert taken(uses, 1, None, NOON + 20_000, 2) == (1, 60)


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    uses = Uses()
    assert taken(uses, 60, None, NOON)[0] == 60
    assert taken(uses, 60, None, NOON - 1_000)[0] == 0
    assert taken(uses, 60, None, NOON - 999)[0] == 1


def test_a_day_gives_so_many_requests_and_the_next_day_again() -> None:
    uses = Uses()
    assert taken(uses, None, 100, NOON) == (100, 43_200)
    assert taken(uses, None, 100, NOON + 43_199.5) == (0, 1)
    assert taken(uses, None, 100, NOON + 43_200) == (100, 86_400)


def test_what_was_used_today_before_a_start_counts() -> None:
    uses = Uses()
    with pytest.raises(TooManyError):
        uses.take("a", None, 100, 100, NOON)
    assert uses.collect() == {}


def test_requests_of_other_workers_count() -> None:
    mine, sums = Uses(), {"a": 0}
    for _ in range(5):
        mine.take("a", 60, 100, 0, NOON)
    written = mine.collect()
    assert written == {"a": 5}
    mine.take("a", 60, 100, 0, NOON)  # while that is being written
    sums["a"] += 5
    mine.settle(written, sums)
    assert mine.collect() == {"a": 1}
    sums["a"] += 1 + 50  # others asked 50 times
    mine.settle({"a": 1}, sums)
    assert taken(mine, 60, 100, NOON)[0] == 4
    assert taken(mine, None, 100, NOON)[0] == 40


def test_the_database_adds_up_and_begins_again_with_the_day(house: House) -> None:
    with connect(house.database_url, autocommit=True) as connection:
        assert add_uses(connection, {"b": 2, "a": 1}) == {"a": 1, "b": 2}
        assert add_uses(connection, {"a": 3}) == {"a": 4}
        connection.execute("UPDATE geoserver.uses SET day = day - 1")
        assert add_uses(connection, {"a": 5}) == {"a": 5}


def test_over_its_rate_a_key_is_told_when_to_come_back(asked: TestClient, house: House) -> None:
    _, key = house.key(rate=2)
    answers = [asked.get("/api/layers", headers=bearer(key)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    body = refused(answers[-1], 429)
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
    assert body["detail"] == "This key may ask 2 times a minute."
    assert asked.get("/api/layers").status_code == 200
    assert asked.get("/tiles/benches/10/430/365.mvt", headers=bearer(key)).status_code == 429


def test_a_quota_is_kept_in_the_database_and_holds_over_a_restart(asked: TestClient, house: House) -> None:
    stored, key = house.key(quota=3)
    statuses = [asked.get("/who", headers=bearer(key)).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    count = "SELECT requests FROM geoserver.uses WHERE key = %s"
    wait_for(lambda: house.do(count, [stored.id]) == [(3,)])
    with TestClient(build_app(house), base_url="http://127.0.0.1") as restarted:
        assert restarted.get("/who", headers=bearer(key)).status_code == 429


def test_who_is_signed_in_with_a_key_uses_it_up(asked: TestClient, house: House) -> None:
    stored, key = house.key(rate=2)
    token, digest = make_session()
    later = datetime.now(UTC) + timedelta(hours=1)
    with connect(house.database_url, autocommit=True) as connection:
        add_session(connection, StoredSession(digest, stored.id, f"key:{stored.id}", "test", (), later))
    headers = {"Cookie": f"{COOKIE}={token}"}
    assert [asked.get("/who", headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    assert asked.get("/who", headers=bearer(key)).status_code == 429


def made_by(house: House, maker: str, number: int = 1, **limits: int) -> list[str]:
    """Keys that somebody made who holds a key."""
    with connect(house.database_url, autocommit=True) as connection:
        return [make(connection, Wish("made", (READ,), **limits), f"key:{maker}", "maker")[1] for _ in range(number)]


def test_what_a_key_may_ask_is_for_all_that_is_made_with_it(asked: TestClient, house: House) -> None:
    maker, key = house.key(quota=12)
    made = made_by(house, maker.id, 10, quota=12)
    statuses = [asked.get("/who", headers=bearer(each)).status_code for each in made]
    assert statuses == [200] * 10
    assert asked.get("/who", headers=bearer(key)).status_code == 200
    assert asked.get("/who", headers=bearer(made[0])).status_code == 200
    for each in (key, *made):
        told = refused(asked.get("/who", headers=bearer(each)), 429)["detail"]
        assert "may ask 12 times a day" in told
        assert ("that this one was made with" in told) == (each != key)
    other, _ = house.key()
    (free,) = made_by(house, other.id, quota=2)
    assert [asked.get("/who", headers=bearer(free)).status_code for _ in range(3)] == [200, 200, 429]


def test_a_request_that_is_one_too_many_for_the_maker_is_counted_for_none() -> None:
    def stored(name: str, rate: int | None, quota: int | None) -> StoredKey:
        return StoredKey(name, b"", name, [], rate, quota, datetime.now(UTC), "command:x", None, None)

    uses, made, maker = Uses(), stored("made", 60, 100), stored("maker", None, 3)
    for _ in range(3):
        uses.take_all((made, maker), NOON)
    for _ in range(200):
        with pytest.raises(TooManyError, match="3 times a day"):
            uses.take_all((made, maker), NOON)
    assert uses.collect() == {"made": 3, "maker": 3}
    assert taken_of(uses, made) == 57


def taken_of(uses: Uses, key: StoredKey) -> int:
    for number in range(1_000):
        try:
            uses.take_all((key,), NOON)
        except TooManyError:
            return number
    return 1_000


def test_keys_make_keys_so_far_and_no_further(asked: TestClient, house: House) -> None:
    every = Grant(frozenset({"wells"}), frozenset({"read", "manage"}))
    _, key = house.key(every)
    body = {"label": "next", "grants": [{"layers": ["wells"], "may": ["read", "manage"]}]}
    for _ in range(8):
        answer = asked.post("/api/keys", json=body, headers=bearer(key))
        assert answer.status_code == 201, answer.text
        key = answer.json()["key"]
    answer = asked.post("/api/keys", json=body, headers=bearer(key))
    assert (answer.status_code, "8 times" in answer.text) == (403, True)
