"""Processes that draw: what becomes of an order, and of those after it, when one crashes, hangs or has drawn enough."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from geoserver.drawing import MapOrder, Pool
from geoserver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

RED = {"version": 8, "sources": {}, "layers": [{"id": "b", "type": "background", "paint": {"background-color": "red"}}]}


def order(style: object = RED, *, ratio: int = 1, over: str = "", format: str = "png") -> MapOrder:  # noqa: A002
    return MapOrder(json.dumps(style).encode(), {}, (60, 40), ratio, 0, 0, 2, over, format)


class Studio:
    """A pool and the loop that it lives in."""

    def __init__(self, workers: int = 1, **settings: float) -> None:
        self.runner = asyncio.Runner()
        self.pool = Pool(workers, **settings)  # type: ignore[arg-type]

    async def ask(self, client: str = "", **asked: object) -> Image.Image:
        body = await self.pool.draw("maps", order(**asked), client=client)  # type: ignore[arg-type]
        return Image.open(io.BytesIO(body))

    def draw(self, **asked: object) -> Image.Image:
        return self.runner.run(self.ask(**asked))

    @property
    def pid(self) -> int:
        (pid,) = self.pool.pids
        return pid

    def close(self) -> None:
        self.runner.run(self.pool.stop())
        self.runner.close()


@contextlib.contextmanager
def open_studio(**settings: float) -> Iterator[Studio]:
    """One with a process that has drawn; skips where the libraries that draw are missing."""
    made = Studio(**settings)  # type: ignore[arg-type]
    try:
        made.draw()
        yield made
    except UnavailableError as error:
        if made.pool.problem:
            pytest.skip(str(error))
        raise
    finally:
        made.close()


@pytest.fixture
def studio() -> Iterator[Studio]:
    with open_studio() as made:
        yield made


def test_a_picture_has_the_size_and_the_colour_that_were_asked_for(studio: Studio) -> None:
    picture = studio.draw(ratio=2)
    assert picture.size == (120, 80)
    assert picture.getpixel((50, 30)) == (255, 0, 0)


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_each_format_is_what_it_is_called(studio: Studio, format: str) -> None:  # noqa: A002
    assert studio.draw(format=format).format == format.upper()


def test_what_is_laid_over_a_map_is_seen_on_it(studio: Studio) -> None:
    over = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="9" height="9" fill="#00f"/></svg>'
    )
    picture = studio.draw(over=over, ratio=2)
    assert picture.getpixel((9, 9)) == (0, 0, 255)
    assert picture.getpixel((30, 30)) == (255, 0, 0)


@pytest.mark.slow
def test_a_process_that_is_killed_at_work_is_one_refusal(studio: Studio) -> None:
    pid = studio.pid
    os.kill(pid, signal.SIGSTOP)

    async def ask() -> None:
        asked = asyncio.create_task(studio.ask())
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        await asked

    with pytest.raises(UnavailableError):
        studio.runner.run(ask())
    studio.draw()
    assert studio.pid != pid


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_waits_is_noticed_by_nobody(studio: Studio) -> None:
    pid = studio.pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    studio.draw()
    assert studio.pid != pid


@pytest.mark.slow
def test_a_process_that_hangs_is_ended_and_is_one_refusal(studio: Studio) -> None:
    studio.pool._deadline = 0.3
    pid = studio.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(UnavailableError):
        studio.draw()
    studio.pool._deadline = 30
    studio.draw()
    assert studio.pid != pid


def test_who_leaves_before_a_picture_is_drawn_ends_no_process(studio: Studio) -> None:
    pid = studio.pid
    os.kill(pid, signal.SIGSTOP)

    async def leave() -> None:
        asked = [asyncio.create_task(studio.ask(client=client)) for client in ("one", "two")]
        await asyncio.sleep(0.1)
        for task in asked:
            task.cancel()
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*asked, return_exceptions=True)

    studio.runner.run(leave())
    assert studio.draw().getpixel((0, 0)) == (255, 0, 0)
    assert studio.pid == pid


def test_a_broken_style_is_one_refusal_and_the_process_goes_on(studio: Studio) -> None:
    before = studio.pid
    for style in ("", 5, [RED]):
        with pytest.raises(UnavailableError):
            studio.draw(style=style)
    assert studio.draw().getpixel((0, 0)) == (255, 0, 0)
    assert studio.pid == before


@pytest.mark.slow
def test_a_process_is_replaced_after_so_many_pictures() -> None:
    with open_studio(most_drawn=2) as studio:
        first = studio.pid
        studio.draw()
        studio.draw()
        assert studio.pid != first


@pytest.mark.slow
def test_what_finds_the_queue_full_is_refused_at_once(studio: Studio) -> None:
    pid = studio.pid
    os.kill(pid, signal.SIGSTOP)

    async def ask() -> int:
        drawn = [asyncio.create_task(studio.ask(client=str(number % 2))) for number in range(33)]
        await asyncio.sleep(0.1)
        with pytest.raises(UnavailableError, match="Too many"):
            await studio.ask(client="2")
        os.kill(pid, signal.SIGCONT)
        return len(await asyncio.gather(*drawn))

    assert studio.runner.run(ask()) == 33


def test_one_client_leaves_room_in_the_queue_for_others(studio: Studio) -> None:
    pid = studio.pid
    os.kill(pid, signal.SIGSTOP)

    async def ask() -> list[str]:
        done: list[str] = []

        async def ask_one(client: str) -> None:
            await studio.ask(client=client)
            done.append(client)

        asked = [asyncio.create_task(ask_one("greedy")) for _ in range(17)]
        await asyncio.sleep(0.1)
        with pytest.raises(UnavailableError, match="Too many"):
            await studio.ask(client="greedy")
        asked.append(asyncio.create_task(ask_one("modest")))
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*asked)
        return done

    assert studio.runner.run(ask()).index("modest") <= 2


def test_processes_end_only_when_nothing_was_ordered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_studio(workers=2) as studio:

        async def order_on() -> tuple[set[int], set[int]]:
            await asyncio.gather(studio.ask(), studio.ask())
            monkeypatch.setattr("geoserver.drawing.pool._IDLE", 4)
            await asyncio.gather(studio.ask(), studio.ask())  # both come back to wait
            before = set(studio.pool.pids)
            for _ in range(10):
                await studio.ask()
                await asyncio.sleep(0.5)
            return before, set(studio.pool.pids)

        before, after = studio.runner.run(order_on())
    assert len(before) == 2
    assert after == before


def test_nothing_is_left_when_a_pool_stops(studio: Studio) -> None:
    pid = studio.pid
    folder = Path(f"/proc/{pid}/cwd").readlink()
    studio.runner.run(studio.pool.stop())
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_left_of_a_process_that_is_killed_and_nobody_looks_after(studio: Studio) -> None:
    pid = studio.pid
    folder = Path(f"/proc/{pid}/cwd").readlink()
    assert list(folder.iterdir())
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert studio.draw().size


def test_a_process_that_ends_by_itself_leaves_no_other_to_be_reaped(studio: Studio) -> None:
    pid = studio.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    assert len(children) == 1
    studio.runner.run(studio.pool.stop())
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_a_process_whose_disk_is_full_lets_go_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "small", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    try:
        full = Studio()
        with pytest.raises(UnavailableError, match="no room on its disk"):
            full.draw()
        assert full.pool.pids == []
        full.close()
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_process_that_draws_reaches_no_network_and_no_files(studio: Studio) -> None:
    pid = studio.pid
    assert "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    source = {"type": "geojson", "data": "file:///etc/passwd"}
    layer = {"id": "a", "type": "circle", "source": "a"}
    with pytest.raises(UnavailableError):
        studio.draw(style=RED | {"sources": {"a": source}, "layers": [layer]})
