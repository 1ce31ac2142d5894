"""Tasks that live as long as their process."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from geoserver import tasks
from geoserver.tasks import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses short enough to be waited for."""
    monkeypatch.setattr(tasks, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(tasks, "_LONGEST_PAUSE", 0.05)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("end", ["fails", "returns", "is cancelled"])
def test_a_task_that_ends_is_started_again_and_named_until_it_lives(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What it logs here is no text that processes running tests could tell each other.
    monkeypatch.setattr(logging.getLogger("geoserver"), "propagate", False)

    async def main() -> None:
        keeper, runs = Keeper(), 0

        async def work() -> None:
            nonlocal runs
            runs += 1
            if runs > 3:
                await asyncio.Event().wait()
            if end == "fails":
                raise ValueError("no \ud800 such thing")
            if end == "is cancelled":
                raise asyncio.CancelledError

        keeper.keep("watch", work)
        await until(lambda: keeper.problems)
        assert "started again" in keeper.problems["watch"]
        await until(lambda: runs > 3 and not keeper.problems)
        await keeper.stop()

    asyncio.run(main())


def test_what_fails_again_and_again_is_logged_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        keeper, runs = Keeper(), 0

        async def work() -> None:
            nonlocal runs
            runs += 1
            raise OSError("inotify watch limit reached")

        keeper.keep("watch", work)
        await until(lambda: runs > 4)
        await keeper.stop()

    with caplog.at_level(logging.INFO, "geoserver"):
        asyncio.run(main())
    (record,) = caplog.records
    assert "inotify watch limit reached" in record.message
    assert record.exc_info


def test_stopping_ends_tasks_that_work_and_tasks_that_pause() -> None:
    async def main() -> None:
        keeper = Keeper()

        async def fail() -> None:
            raise ValueError

        keeper.keep("one", asyncio.Event().wait)  # type: ignore[arg-type]  # what it gives does not matter
        keeper.keep("other", fail)
        await until(lambda: keeper.problems)
        await keeper.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
