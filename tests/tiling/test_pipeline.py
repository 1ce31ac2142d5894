"""Statements sent together: each gets its own answer, its own error, and is given up with those who asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL

from geoserver.tiling.pipeline import fetch_together

if TYPE_CHECKING:
    from known_shapes import Shapes


def ask(shapes: Shapes, *asked: tuple[str, dict[str, Any]]) -> list[Any]:
    async def all_at_once() -> list[Any]:
        work = [fetch_together(shapes.database, text.encode(), values, prepare=None) for text, values in asked]
        return await asyncio.gather(*work, return_exceptions=True)

    return list(shapes.runner.run(all_at_once()))


def test_each_statement_gets_its_own_answer(shapes: Shapes) -> None:
    asked = [(f"SELECT decode('0{number}', 'hex') WHERE %(z)s = 3", {"z": 3}) for number in range(7)]
    assert ask(shapes, *asked) == [bytes([number]) for number in range(7)]
    assert (
        ask(shapes, ("SELECT NULL::bytea", {}), ("SELECT ''::bytea", {}), ("SELECT 'a'::bytea WHERE false", {}))
        == [b""] * 3
    )


def test_statements_with_other_values_are_not_mixed_up(shapes: Shapes) -> None:
    text = "SELECT convert_to((%(z)s::integer)::text, 'UTF8')"
    assert ask(shapes, *[(text, {"z": number}) for number in (1, 2, 1, 3)]) == [b"1", b"2", b"1", b"3"]


def test_a_wrong_statement_fails_alone(shapes: Shapes) -> None:
    good = ("SELECT 'a'::bytea", {"z": 1})
    wrong = [("SELECT nothing FROM nowhere", {"z": 1}), ("SELECT 1 FRM it WHERE", {"z": 1})]
    found = ask(shapes, good, good, wrong[0], good, wrong[1])
    assert [found[0], found[1], found[3]] == [b"a"] * 3
    assert isinstance(found[2], Exception)
    assert isinstance(found[4], psycopg.ProgrammingError)


def test_statements_over_one_connection_come_after_each_other(shapes: Shapes) -> None:
    text = "SELECT convert_to(pg_backend_pid()::text, 'UTF8')"
    assert 1 <= len(set(ask(shapes, *[(text, {"z": 1})] * 8))) <= 2


def test_a_query_ends_when_all_who_asked_have_left(shapes: Shapes) -> None:
    async def leave() -> int:
        slow = [
            fetch_together(shapes.database, b"SELECT pg_sleep(60)::text::bytea", {}, prepare=None) for _ in range(4)
        ]
        tasks = [asyncio.ensure_future(one) for one in slow]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(100):
            count = await shapes.database.fetch_value(_SLEEPING)
            if not count:
                break
            await asyncio.sleep(0.05)
        return int(count)

    assert shapes.runner.run(leave()) == 0


def test_one_who_leaves_takes_nothing_from_the_others(shapes: Shapes) -> None:
    async def leave_one() -> list[bytes]:
        text = b"SELECT convert_to(pg_sleep(0.2)::text || 'a', 'UTF8')"
        tasks = [asyncio.ensure_future(fetch_together(shapes.database, text, {}, prepare=None)) for _ in range(4)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()
        return list(await asyncio.gather(*tasks[1:]))

    assert shapes.runner.run(leave_one()) == [b"a"] * 3


_SLEEPING = SQL(
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%'"
    " AND pid <> pg_backend_pid()"
)
