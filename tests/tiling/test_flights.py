"""Who gets the last good tile while a new one is made, and who waits for that."""

from __future__ import annotations

import asyncio
import time

import pytest

from geoserver.errors import UnavailableError
from geoserver.tiling import flights as module
from geoserver.tiling.cache import Entry, Key, TileCache
from geoserver.tiling.flights import Flights, Made
from geoserver.tiling.ranges import TileRange


def key_of(*sights: str) -> Key:
    layers = tuple("ab"[: len(sights)])
    return Key(layers, 10, 5, 5, ("",) * len(sights), (0,) * len(sights), sights)


@pytest.mark.parametrize(("sights", "limited"), [(("",), False), (("some",), True), (("", "some"), True)])
def test_who_sees_some_rows_waits_for_the_new_tile_and_others_get_the_old_one_meanwhile(
    sights: tuple[str, ...], *, limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_FOR_FRESH", 0.0)
    key = key_of(*sights)

    async def ask() -> tuple[bytes, bool]:
        flights, go_on = Flights(TileCache(2**20)), asyncio.Event()

        async def make_old() -> Made:
            return Made(b"with a row that is not for them any more")

        async def make_new() -> Made:
            await go_on.wait()
            return Made(b"new")

        await flights.get(key, ("1",), make_old)
        flights.drop("a", None)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        found = await flights.get(key, ("1",), make_new)
        await flights.stop()
        return found.entry.read_body(), found.stale

    assert asyncio.run(ask()) == ((b"new", False) if limited else (b"with a row that is not for them any more", True))


@pytest.mark.parametrize("away", [False, True])
def test_who_sees_some_rows_gets_no_old_tile_while_none_can_be_made(*, away: bool) -> None:
    async def ask(sight: str) -> bytes:
        flights = Flights(TileCache(2**20))

        async def make() -> Made:
            return Made(b"old")

        async def fail() -> Made:
            raise UnavailableError("The database is away.")

        await flights.get(key_of(sight), ("1",), make)
        flights.drop("a", None)
        return (await flights.get(key_of(sight), ("1",), fail, away=away)).entry.read_body()

    assert asyncio.run(ask("")) == b"old"
    with pytest.raises(UnavailableError):
        asyncio.run(ask("some"))


def test_what_somebody_looks_at_is_given_while_it_may_be_and_the_newest_to_whoever_wants_it() -> None:
    async def ask() -> None:
        cache = TileCache(2**20)
        flights, everywhere = Flights(cache), [TileRange(0, 0, 0, 0, 0)]

        async def make(body: bytes = b"old") -> Made:
            return Made(body)

        def put_off(seconds: float = 60.0, since: float = 60.0) -> list[Entry]:
            now = time.monotonic()
            return flights.put_off("a", everywhere, since=now - since, until=now + seconds)

        looked_at, left, limited = key_of(""), key_of("")._replace(filters=("x",)), key_of("some")
        for key in (looked_at, left, limited):
            entry = (await flights.get(key, ("1",), make)).entry
            cache.add_shortcut(entry, (key, "asked"), "answer", 10)
            if key is not left:
                cache.use(entry)
        assert [entry.key for entry in put_off()] == [looked_at]
        assert [flights.fresh(key, ("1",)) for key in (looked_at, left, limited)] == [None] * 3
        assert [bool(flights.fresh(key, ("1",), put_off=True)) for key in (looked_at, left, limited)] == [
            True,
            False,
            False,
        ]
        assert flights.fresh(looked_at, ("2",), put_off=True) is None
        assert set(cache.shortcuts) == {(looked_at, "asked")}

        # It is made anew, and while that goes on rows change once more: what comes of it may be given as well.
        go_on = asyncio.Event()

        async def make_late() -> Made:
            await go_on.wait()
            return Made(b"newer")

        under_way = asyncio.create_task(flights.get(looked_at, ("1",), make_late))
        await asyncio.sleep(0)
        assert [entry.key for entry in put_off()] == [looked_at]
        go_on.set()
        entry = (await under_way).entry
        assert flights.fresh(looked_at, ("1",)) is None
        assert flights.fresh(looked_at, ("1",), put_off=True) is entry
        assert entry.read_body() == b"newer"
        await flights.get(looked_at, ("1",), lambda: make(b"newest"))
        assert flights.fresh(looked_at, ("1",)) is not None

        # Time is up; nobody looks any more; everything is another.
        cache.add_shortcut(flights.fresh(looked_at, ("1",)), (looked_at, "asked"), "answer", 10)  # type: ignore[arg-type]
        put_off(seconds=0.0)
        assert flights.fresh(looked_at, ("1",), put_off=True) is None
        await flights.get(looked_at, ("1",), make)
        assert put_off(since=-1.0) == []
        assert flights.fresh(looked_at, ("1",), put_off=True) is None
        entry = (await flights.get(looked_at, ("1",), make)).entry
        cache.add_shortcut(entry, (looked_at, "asked"), "answer", 10)
        assert put_off() == [entry]
        flights.drop("a", None)
        assert flights.fresh(looked_at, ("1",), put_off=True) is None
        assert not cache.shortcuts

    asyncio.run(ask())
