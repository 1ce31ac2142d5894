"""One process forks all that do a piece of work, and watches over them: none of them hurts another."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from geoserver.sources.apart import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB = """
import os, time
from pathlib import Path

def work(order, pipe, folder):
    os.write(pipe, f"{os.getppid()} {folder}".encode())
    while not Path(order).exists():
        time.sleep(0.01)
    (folder / "told").write_text("done")
"""


@pytest.fixture
def nursery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    (tmp_path / "job_of_a_test.py").write_text(JOB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with contextlib.closing(Nursery(trusted=True)) as nursery:
        yield nursery


class Job:
    """Work that goes on until it may end."""

    def __init__(self, nursery: Nursery, module: str, may_end: Path) -> None:
        self.pipe, writer = os.pipe()
        self.status, theirs = socket.socketpair()
        nursery.send([module], str(may_end), [writer, theirs.fileno()])
        os.close(writer)
        theirs.close()
        self.status.settimeout(30)

    def begin(self) -> tuple[int, Path]:
        """The process that watches, and the folder of this job."""
        parent, _, folder = os.read(self.pipe, 1000).decode().partition(" ")
        return int(parent), Path(folder)

    def end(self) -> bytes:
        with contextlib.closing(self.status):
            os.close(self.pipe)
            told = b""
            while part := self.status.recv(1000):
                told += part
            return told


def test_work_that_cannot_begin_leaves_the_work_of_others_alone(nursery: Nursery, tmp_path: Path) -> None:
    good = Job(nursery, "job_of_a_test", tmp_path / "end")
    good.begin()
    assert Job(nursery, "no_such_module", tmp_path / "end").end() == b""
    (tmp_path / "end").touch()
    assert good.end() == struct.pack("<i", 0) + b"done"


def test_work_that_nobody_waits_for_is_ended_and_its_folder_removed(nursery: Nursery, tmp_path: Path) -> None:
    left, stays = (Job(nursery, "job_of_a_test", tmp_path / "end") for _ in range(2))
    (_, folder), _ = left.begin(), stays.begin()
    left.status.close()
    assert os.read(left.pipe, 1) == b""
    (tmp_path / "end").touch()
    assert stays.end() == struct.pack("<i", 0) + b"done"
    assert not folder.exists()


def test_work_ends_with_the_one_that_wanted_it_and_a_killed_nursery_is_replaced(
    nursery: Nursery, tmp_path: Path
) -> None:
    first = Job(nursery, "job_of_a_test", tmp_path / "end")
    watcher, _ = first.begin()
    os.kill(watcher, signal.SIGKILL)
    assert first.end() == b""
    second = Job(nursery, "job_of_a_test", tmp_path / "other end")
    other, folder = second.begin()
    assert other != watcher
    nursery.close()
    assert second.end() == struct.pack("<i", -signal.SIGKILL)
    assert not folder.exists()
    (tmp_path / "end").touch()
