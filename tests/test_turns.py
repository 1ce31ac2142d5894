"""Turns: how many work at once, in which order clients come, and what is left when they go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from geoserver.errors import UnavailableError
from geoserver.turns import Turns, client_of, outlast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def run(scene: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(60):
            return await scene()

    return asyncio.run(main())


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Play:
    """Clients that take turns and hold them until they are let go; `order` says who came when."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.most = 0
        self._held: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    def ask(self, client: str) -> asyncio.Task[None]:
        async def work() -> None:
            async with self.turns.turn(client):
                self.order.append(client)
                self.most = max(self.most, self.turns.running)
                held = asyncio.Event()
                self._held.append(held)
                await held.wait()

        task = asyncio.ensure_future(work())
        self.tasks.append(task)
        return task

    async def finish(self) -> None:
        """Let one after the other go, the first first, until all are done."""
        await settle()
        while self._held:
            self._held.pop(0).set()
            await settle()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def test_clients_are_served_in_turn_however_many_questions_one_of_them_has() -> None:
    async def scene() -> Play:
        play = Play(Turns(1))
        for client in ["a"] * 6 + ["b", "c", "b"]:
            play.ask(client)
        await play.finish()
        return play

    play = run(scene)
    assert "".join(play.order) == "abcabaaaa"
    assert play.most == 1


def test_one_client_has_no_more_than_its_share_while_slots_are_free() -> None:
    async def scene() -> None:
        play = Play(Turns(3, each=1))
        for client in "aaabb":
            play.ask(client)
        await settle()
        assert (play.turns.running, play.turns.waiting) == (2, 3)
        play.ask("c")
        await settle()
        assert play.order == list("abc"), "a client that has asked nothing yet is not held up by free slots"
        await play.finish()
        assert (play.turns.running, play.turns.waiting) == (0, 0)
        assert sorted(play.order) == sorted("aaabbc")

    run(scene)


def test_a_full_queue_refuses_at_once_and_one_client_cannot_fill_it() -> None:
    async def scene() -> None:
        play = Play(Turns(1, most=4, most_each=3))
        for client in ["a"] * 4:
            play.ask(client)
        await settle()
        with pytest.raises(UnavailableError, match="Too many"):
            async with play.turns.turn("a"):
                pass
        play.ask("b")
        await settle()
        with pytest.raises(UnavailableError) as refused:
            async with play.turns.turn("c"):
                pass
        assert refused.value.retry_after > 0
        assert play.turns.refused == 2
        await play.finish()
        assert "".join(play.order) == "abaaa"

    run(scene)


def test_who_leaves_the_queue_holds_nobody_up() -> None:
    async def scene() -> None:
        play = Play(Turns(1))
        tasks = [play.ask(client) for client in "aabab"]
        await settle()
        for task in (tasks[1], tasks[2]):
            task.cancel()
        await play.finish()
        assert "".join(play.order) == "aba"
        assert (play.turns.running, play.turns.waiting) == (0, 0)

    run(scene)


def test_a_slot_that_comes_in_the_moment_of_leaving_goes_on_to_the_next() -> None:
    async def scene() -> None:
        turns = Turns(1)
        play = Play(turns)
        first, second, third = (play.ask("a") for _ in range(3))
        await settle()
        play._held[0].set()
        await first
        second.cancel()  # its slot was given to it in this very step of the loop
        await settle()
        assert turns.running == 1
        third.cancel()
        await settle()
        assert (turns.running, turns.waiting) == (0, 0)

    run(scene)


def test_one_who_leaves_in_the_moment_in_which_a_slot_comes_free_is_passed_over() -> None:
    async def scene() -> tuple[list[str], int, int]:
        turns = Turns(1)
        play = Play(turns)
        holder = turns.turn("a")
        await holder.__aenter__()
        leaving = [play.ask("b"), play.ask("b"), play.ask("c")]
        play.ask("b")
        await settle()
        for task in leaving:
            task.cancel()
        await holder.__aexit__(None, None, None)  # before those who leave could run
        await play.finish()
        return play.order, turns.running, turns.waiting

    assert run(scene) == (["b"], 0, 0)


def test_a_client_is_its_address_and_with_ipv6_its_network() -> None:
    assert client_of({"client": ("192.0.2.7", 5)}) == client_of({"client": ("192.0.2.7", 9)}) == "192.0.2.7"
    assert client_of({"client": ("2001:db8:1:2:3::4", 1)}) == client_of({"client": ("2001:db8:1:2:ffff::", 1)})
    assert client_of({"client": ("2001:db8:1:3::", 1)}) != client_of({"client": ("2001:db8:1:2::", 1)})
    assert client_of({"client": ("fe80::1%eth0", 1)}) == client_of({"client": ("fe80::2%eth0", 1)})
    assert client_of({"client": ("::ffff:192.0.2.7", 5)}) == "192.0.2.7"
    assert client_of({"client": None}) == client_of({}) == ""
    assert client_of({"client": ("no:address", 1)}) == "no:address"


def test_work_that_must_end_ends_before_its_cancellation_is_told() -> None:
    async def scene() -> None:
        going, done = asyncio.Event(), []

        async def work() -> None:
            await going.wait()
            done.append(True)

        task = asyncio.ensure_future(outlast(work()))
        await settle()
        task.cancel()
        await settle()
        assert not task.done()
        going.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [True]

    run(scene)


def test_who_waits_too_long_is_told_to_come_back_and_leaves_nothing_behind() -> None:
    async def scene() -> None:
        turns = Turns(1, patience=0.01)
        async with turns.turn("a"):
            for client in ("a", "b"):
                with pytest.raises(UnavailableError, match="took too long"):
                    async with turns.turn(client):
                        pass
            assert (turns.running, turns.waiting, turns.refused) == (1, 0, 2)
        async with turns.turn("b"):
            assert turns.running == 1

    run(scene)
