"""A process that draws is there before the first picture is asked for."""

from __future__ import annotations

import asyncio
import io
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from geoserver.api.pictures.studio import Studio
from geoserver.drawing import MapOrder

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER = MapOrder(b'{"version": 8, "sources": {}, "layers": []}', {}, (60, 40), 1, 0, 0, 2)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


async def begin(studio: Studio) -> int:
    """Until it has begun; the process that it has then."""
    studio.begin()
    assert studio._beginning is not None
    await studio._beginning
    if studio.pool.problem:
        pytest.skip(studio.pool.problem)
    (pid,) = studio.pool.pids
    return pid


def test_the_first_picture_is_drawn_by_a_process_that_was_there_before(runner: asyncio.Runner) -> None:
    async def draw() -> None:
        studio = Studio(2)
        try:
            ahead = await begin(studio)
            picture = await studio.pool.draw("maps", ORDER)
            assert Image.open(io.BytesIO(picture)).size == (60, 40)
            assert studio.pool.pids == [ahead]
        finally:
            await studio.stop()

    runner.run(draw())


def test_a_process_that_nobody_has_asked_for_ends_with_the_others_of_a_quiet_server(runner: asyncio.Runner) -> None:
    async def rest() -> None:
        studio = Studio(2)
        ahead = await begin(studio)
        assert studio.pool._sleeping is not None
        studio.pool._sleep()  # as after five minutes
        assert studio.pool.pids == []
        await studio.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(ahead, 0)

    runner.run(rest())


def test_a_server_that_ends_before_it_has_begun_leaves_no_process(runner: asyncio.Runner) -> None:
    studio = Studio(2)

    async def begin_drawing() -> int:
        studio.begin()
        deadline = time.monotonic() + 60
        while not studio.pool.pids and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        (pid,) = studio.pool.pids
        return pid

    pid = runner.run(begin_drawing())
    folder = Path(f"/proc/{pid}/cwd").readlink()
    runner.run(studio.stop())
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
