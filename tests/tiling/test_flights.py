"""Who gets the last good tile while a new one is made, and who waits for that."""

from __future__ import annotations

import asyncio

import pytest

from geoserver.errors import UnavailableError
from geoserver.tiling import flights as module
from geoserver.tiling.cache import Key, TileCache
from geoserver.tiling.flights import Flights, Made


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
