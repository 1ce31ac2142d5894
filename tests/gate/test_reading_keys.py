"""What the gate reads of keys: no change is missed, and what did not change is not read again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from geoserver.database.connecting import connect
from geoserver.database.keys import list_keys, read_known

if TYPE_CHECKING:
    from gatehouse import House


def test_a_reading_gives_what_changed_since_the_one_before(house: House) -> None:
    first, _ = house.key()
    with connect(house.database_url, autocommit=True) as connection:
        again = read_known(connection)
        deadline = time.monotonic() + 30
        while first.id in {key.id for key in again.keys}:  # as long as an elder transaction is open anywhere
            assert time.monotonic() < deadline, "it is read again and again"
            again = read_known(connection, again.mark)
        second, _ = house.key()
        house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [first.id])
        assert {key.id for key in read_known(connection, again.mark).keys} == {first.id, second.id}


def test_a_change_that_is_committed_late_is_not_missed(house: House) -> None:
    with psycopg.connect(house.database_url) as slow, connect(house.database_url, autocommit=True) as connection:
        first, _ = house.key()
        mark = read_known(connection).mark
        slow.execute("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [first.id])
        house.key()  # a younger transaction that is committed before the elder one
        later = read_known(connection, mark)
        assert first.id not in {key.id for key in later.keys if key.revoked_at}
        slow.commit()
        assert first.id in {key.id for key in read_known(connection, later.mark).keys if key.revoked_at}


def test_stamps_of_another_server_are_not_read_again_and_again(house: House) -> None:
    restored, _ = house.key()
    house.do("SET session_replication_role = replica; UPDATE geoserver.keys SET changed = '9999999999999'; RESET ALL")
    with connect(house.database_url, autocommit=True) as connection:
        known = read_known(connection)
        assert restored.id in {key.id for key in known.keys}
        assert read_known(connection, known.mark).keys == []
        house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [restored.id])
        assert [key.id for key in read_known(connection, known.mark).keys] == [restored.id]


def test_one_key_is_listed_by_its_id(house: House) -> None:
    first, _ = house.key()
    house.key()
    with connect(house.database_url, autocommit=True) as connection:
        assert [key.id for key in list_keys(connection, first.id)] == [first.id]
        assert list_keys(connection, "no such id") == []
        assert len(list_keys(connection)) > 1
