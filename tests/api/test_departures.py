"""Work of a client that has left ends: its query, its thread, its place in the queue; on every door."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from counted_tiles import World, wait_for
from test_costly_questions import asking, costly, read_status
from test_tile_cache import ADDRESS

from geoserver.api.departures import Departures
from geoserver.errors import UnavailableError
from geoserver.interrupts import Interrupt, interruptible

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK = "LOCK TABLE layers.stops IN ACCESS EXCLUSIVE MODE"
ITEMS = "/ogc/collections/stops/items"
DOORS = [
    ADDRESS,
    ADDRESS + "?name=a",
    costly(1, ADDRESS),
    "/api/layers/stops",
    "/api/layers/stops/summary?name=a",
    costly(2, "/api/layers/stops/summary"),
    "/api/layers/stops/features/1",
    ITEMS + "?name=a",
    ITEMS + "?f=html",
    ITEMS + "/1",
    costly(3, ITEMS),
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.partition("filter=")[0])
def test_a_query_ends_when_its_client_leaves(served: World, door: str) -> None:
    with served.locked(LOCK):
        with asking(served, door):
            wait_for(lambda: served.waiting_queries() == 1)
        wait_for(lambda: served.waiting_queries() == 0)
        assert served.ask("/healthz").status == 200
    assert served.ask(door).status in (200, 204)


def test_after_a_crowd_has_left_ogc_answers(served: World) -> None:
    with served.locked(LOCK):
        with contextlib.ExitStack() as held:
            for number in range(50):
                own = f"127.0.0.{2 + number % 3}"
                held.enter_context(asking(served, ITEMS + f"?name=a{number}&limit={1 + number}", own))
            wait_for(lambda: served.waiting_queries() == 4)  # as many as there are threads
            wait_for(lambda: served.metric("questions_waiting") == 46)
        wait_for(lambda: served.waiting_queries() == 0)
        assert served.ask("/ogc/collections").status == 200
        assert served.ask("/ogc/collections/shops/items?limit=1").status == 200
    assert served.ask(ITEMS + "?limit=1").status == 200
    assert served.metric("questions_waiting") == 0


def test_ogc_refuses_at_once_what_its_queue_cannot_hold(served: World) -> None:
    with served.locked(LOCK), contextlib.ExitStack() as held:
        for number in range(68):
            held.enter_context(asking(served, ITEMS + f"?name=a{number}"))
        wait_for(lambda: served.metric("questions_waiting") == 64)
        reply = served.ask(ITEMS + "?name=b")
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) > 0
        with asking(served, ITEMS + "?name=c", "127.0.0.2"):
            wait_for(lambda: served.metric("questions_waiting") == 65)


@pytest.mark.slow
def test_a_tile_that_two_wait_for_is_made_though_the_first_leaves(served: World) -> None:
    path = costly(1, ADDRESS)
    with contextlib.ExitStack() as held:
        with served.locked(LOCK):
            with asking(served, path):
                wait_for(lambda: served.waiting_queries() == 1)
                other = held.enter_context(asking(served, path, "127.0.0.2"))
                wait_for(lambda: served.metric("tile_renders_running") == 1)
                answered = threading.Event()  # gives the second its place in the flight
                answered.wait(0.3)
            answered.wait(0.3)
            assert served.waiting_queries() == 1
        assert read_status(other) in (200, 204)


# The mechanism, by itself


def drive(app: Callable[..., Any], *, leaves: bool, method: str = "GET", headers: list[Any] | None = None) -> list[str]:
    """Ask an ASGI app; gives what happened in order."""
    happened: list[str] = []

    async def scene() -> None:
        started = asyncio.Event()
        gone = asyncio.Event()
        first = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if first:
                return first.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            happened.append(message["type"])

        async def inner(scope: Any, receive: Any, send: Any) -> None:
            started.set()
            try:
                await app(receive, gone)
            except asyncio.CancelledError:
                happened.append("cancelled")
                raise
            await send({"type": "http.response.start"})

        scope = {"type": "http", "method": method, "headers": headers or []}
        task = asyncio.ensure_future(Departures(inner)(scope, receive, send))  # type: ignore[arg-type]
        await started.wait()
        if leaves:
            gone.set()
        async with asyncio.timeout(30):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}, "no watcher is left"

    asyncio.run(scene())
    return happened


async def _work_long(_: Any, gone: asyncio.Event) -> None:
    await gone.wait()
    await asyncio.sleep(0.6)


def test_reading_is_cancelled_and_writing_is_finished() -> None:
    assert drive(_work_long, leaves=True) == ["cancelled"]
    assert drive(_work_long, leaves=True, method="HEAD") == ["cancelled"]
    assert drive(_work_long, leaves=True, method="POST") == ["http.response.start"]
    assert drive(_work_long, leaves=True, headers=[(b"content-length", b"0")]) == ["cancelled"]
    with_body = [(b"content-length", b"3")]
    assert drive(_work_long, leaves=True, headers=with_body) == ["http.response.start"]


def test_what_the_app_receives_is_the_same_whether_it_is_watched_or_not() -> None:
    async def read_late(receive: Any, _: asyncio.Event) -> None:
        await asyncio.sleep(0.4)
        assert (await receive())["type"] == "http.request"

    async def read_early(receive: Any, _: asyncio.Event) -> None:
        assert (await receive())["type"] == "http.request"
        await asyncio.sleep(0.4)

    async def wait_for_departure(receive: Any, gone: asyncio.Event) -> None:
        await receive()
        gone.set()
        assert (await receive())["type"] == "http.disconnect"

    assert drive(read_late, leaves=False) == ["http.response.start"]
    assert drive(read_early, leaves=False) == ["http.response.start"]
    assert drive(wait_for_departure, leaves=False) == ["http.response.start"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_cancellation_that_is_not_a_departure_goes_on_its_way_and_the_client_hears_of_it(*, begun: bool) -> None:
    sent: list[dict[str, Any]] = []

    async def scene() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            if begun:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            await asyncio.Event().wait()

        scope = {"type": "http", "method": "GET", "headers": []}
        task = asyncio.ensure_future(Departures(app)(scope, receive, send))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert [message.get("status") for message in sent] == ([200] if begun else [503, None])
    assert begun or (b"retry-after", b"5") in sent[0]["headers"]


def test_an_interrupt_ends_what_is_waited_for_and_what_would_be_next() -> None:
    interrupt, ended = Interrupt(), threading.Event()
    with interrupt:
        with interruptible(lambda: None):
            pass
        with interruptible(ended.set):
            interrupt.happen()
            assert ended.is_set()
        with pytest.raises(UnavailableError), interruptible(ended.set):
            raise AssertionError("it must not begin")
    with interruptible(ended.set):
        pass
