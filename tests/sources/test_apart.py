"""A file is read in a process of its own, which may read that file, and nothing else in the world."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from probes import try_in_reader

from geoserver.sources import Request, open_source
from geoserver.sources.apart import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKEN = "cannot be read: it is broken, "


@pytest.mark.slow
def test_a_reader_that_crashes_hangs_or_grows_is_one_line_and_the_loader_lives(tmp_path: Path) -> None:
    done = try_in_reader(
        tmp_path,
        {
            "crash": "first crash -",
            "crash-later": "later crash -",
            "abort": "first abort -",
            "leave": "later leave -",
            "hang": "first hang -",
            "hang-later": "later hang -",
            "grow": "first grow -",
            "grow-later": "later grow -",
            "well": "later nothing -",
        },
    )
    assert done == {
        "crash": f"crash.probe: {BROKEN}and ended the process that read it by SIGSEGV",
        "crash-later": f"crash-later.probe: {BROKEN}and ended the process that read it by SIGSEGV",
        "abort": f"abort.probe: {BROKEN}or needs more than 1,024 MB of memory",
        "leave": f"leave.probe: {BROKEN}and ended the process that read it with status 7",
        "hang": "hang.probe: cannot be read: nothing came of it for 2 seconds",
        "hang-later": "hang-later.probe: cannot be read: nothing came of it for 2 seconds",
        "grow": "grow.probe: needs more than 1,024 MB of memory to be read",
        "grow-later": "grow-later.probe: needs more than 1,024 MB of memory to be read",
        "well": "2 rows",
    }


@pytest.mark.slow
def test_a_reader_sees_no_other_file_and_reaches_no_one(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    with socket.socket() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as post:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        post.bind(("127.0.0.1", 0))
        post.setblocking(False)
        done = try_in_reader(
            tmp_path,
            {
                "read": f"first read {secret}",
                "passwd": "first read /etc/passwd",
                "environment": f"first read /proc/{os.getpid()}/environ",
                "list": f"later listing {tmp_path}",
                "write": f"later write {tmp_path / 'new.txt'}",
                "run": "first run /bin/true",
                "connect": f"first connect {server.getsockname()[1]}",
                "ask": f"first ask {post.getsockname()[1]}",
                "stop": f"later stop {os.getpid()}",
            },
        )
        for listening in (server.accept, lambda: post.recv(1)):
            with pytest.raises(BlockingIOError):
                listening()
    assert not (tmp_path / "new.txt").exists()
    assert {name: "PermissionError" in what for name, what in done.items()} == dict.fromkeys(done, True)
    assert str(tmp_path) not in done["write"].replace(str(tmp_path / "new.txt"), "")


def test_rows_that_nobody_takes_end_the_reader_and_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.csv"
    path.write_text("lon,lat\n" + "1,2\n" * 500_000)
    before = set(Path("/tmp").glob("geoserver-work-*"))
    opened = open_source(Request("many.csv", path, ()))
    made = set(Path("/tmp").glob("geoserver-work-*")) - before
    assert len(next(opened.batches)) > 1
    del opened
    for _ in range(100):
        if not any(folder.exists() for folder in made):
            return
        time.sleep(0.1)
    raise AssertionError("the reader's folder is still there")


@pytest.mark.slow
def test_a_loader_that_is_ended_with_all_that_it_started_leaves_no_folder(tmp_path: Path) -> None:
    """As service managers and closed terminals do it: the signal goes to every process at once."""
    path = tmp_path / "many.csv"
    path.write_text("lon,lat\n" + "1,2\n" * 500_000)
    program = (
        "import sys; from pathlib import Path; from geoserver.sources import Request, open_source\n"
        "opened = open_source(Request('many.csv', Path(sys.argv[1]), ())); next(opened.batches)\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        ) as loader:
            assert loader.stdout is not None
            assert loader.stdout.readline() == b"open\n"
            assert list(tmp_path.glob("geoserver-work-*"))
            os.killpg(loader.pid, ending)
        for _ in range(100):
            if not list(tmp_path.glob("geoserver-work-*")):
                break
            time.sleep(0.1)
        assert not list(tmp_path.glob("geoserver-work-*"))


def test_a_process_that_ends_with_another_does_so_however_that_ends_and_whatever_it_does(tmp_path: Path) -> None:
    told = tmp_path / "told"
    busy = (
        "import os, sys, time; from pathlib import Path; from geoserver.sources.sandbox import end_with\n"
        "end_with(os.getppid()); Path(sys.argv[1] + '~').write_text(str(os.getpid()))\n"
        "os.rename(sys.argv[1] + '~', sys.argv[1]); time.sleep(600)"
    )
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}, {str(told)!r}])"
    with subprocess.Popen([sys.executable, "-c", start]) as parent:
        while not told.exists():
            assert parent.poll() is None
            time.sleep(0.05)
        child = Path("/proc") / told.read_text() / "status"
        parent.kill()
    for _ in range(200):
        with contextlib.suppress(OSError):  # it is gone
            if "(zombie)" not in child.read_text():
                time.sleep(0.05)
                continue
        return
    raise AssertionError("it goes on")


def test_a_process_whose_starter_is_gone_already_does_nothing() -> None:
    program = "from geoserver.sources.sandbox import end_with; end_with(0); print('went on')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_folders_of_those_that_were_killed_are_removed_at_the_next_start_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    left, held, fresh, foreign = (tmp_path / name for name in [*(f"geoserver-work-{n}" for n in "abc"), "other"])
    for folder in (left, held, fresh, foreign):
        folder.mkdir()
        (folder / "rows").write_text("half of them", encoding="utf-8")
        if folder != fresh:
            os.utime(folder, (1, 1))
    (tmp_path / "geoserver-work-link").symlink_to(foreign)
    pipe, status = os.pipe(), socket.socketpair()
    nursery = Nursery(trusted=True)
    with open_folder(held) as number, status[0], status[1]:
        fcntl.flock(number, fcntl.LOCK_EX)
        nursery.send(["json"], None, [pipe[1], status[1].fileno()])
        deadline = time.monotonic() + 30
        while left.exists():
            assert time.monotonic() < deadline, "it was not removed"
            time.sleep(0.05)
        nursery.close()
    for number in pipe:
        os.close(number)
    assert all((folder / "rows").exists() for folder in (held, fresh, foreign))


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY)
    try:
        yield number
    finally:
        os.close(number)
