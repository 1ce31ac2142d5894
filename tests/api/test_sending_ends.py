"""What is left of files under way: when the server ends, is killed, or when its disk is full."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from test_sending import (
    PATIENCE,
    PLAIN,
    ROWS,
    find_workers,
    queries_at,
    settings,
    slow_down,
    template,
    wait_for,
    workspace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["settings", "template", "workspace"]

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def url(make_database: Callable[..., str], template: str) -> str:
    return make_database(template=template)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def serving(workspace: Path, url: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`geoserver serve`, which makes files in this folder, and its address."""
    folder.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))}
    command = [sys.executable, "-m", "geoserver", "serve", "--workspace", str(workspace), "--port", "0"]
    environment = kept | {"DATABASE_URL": url, "TMPDIR": str(folder)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            for line in process.stderr:
                if found := re.match(r"http://\S+", line):
                    break
            yield process, found[0]  # type: ignore[index]
        finally:
            process.kill()


@contextmanager
def asked(address: str, path: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
    connection.request("GET", path)
    try:
        yield connection
    finally:
        connection.close()


@pytest.mark.slow
def test_a_server_that_is_told_to_end_breaks_files_off_and_leaves_nothing(
    workspace: Path, url: str, tmp_path: Path
) -> None:
    slow_down(url)
    with (
        serving(workspace, url, tmp_path / "made") as (process, address),
        asked(address, "/download/rows.csv?fields=name,said") as streamed,
        asked(address, "/download/rows.gpkg?fields=name,said") as made,
    ):
        answer = streamed.getresponse()
        assert answer.read(10)
        wait_for(lambda: len(queries_at(url)) == len(find_workers(process.pid)) == 2)
        workers = find_workers(process.pid)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
        told = made.getresponse()
        assert (told.status, told.headers["content-type"]) == (503, "application/problem+json")
        assert int(told.headers["retry-after"])
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
    wait_for(lambda: not queries_at(url) and not any(Path(f"/proc/{pid}").exists() for pid in workers))
    wait_for(lambda: not list((tmp_path / "made").glob("geoserver-work-*")))


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_no_process_no_query_and_no_file(
    workspace: Path, url: str, tmp_path: Path
) -> None:
    slow_down(url)
    with (
        serving(workspace, url, tmp_path / "made") as (process, address),
        asked(address, "/download/rows.csv?fields=name,said") as streamed,
        asked(address, "/download/rows.gpkg?fields=name,said"),
    ):
        answer = streamed.getresponse()
        assert answer.read(10)
        wait_for(lambda: len(queries_at(url)) == len(find_workers(process.pid)) == 2)
        workers = find_workers(process.pid)
        process.kill()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    wait_for(lambda: not queries_at(url) and not any(Path(f"/proc/{pid}").exists() for pid in workers))
    wait_for(lambda: not list((tmp_path / "made").glob("geoserver-work-*")))


@pytest.mark.slow
def test_on_a_full_disk_what_streams_is_whole_and_what_is_made_first_is_refused(
    workspace: Path, url: str, small_disk: Path
) -> None:
    with serving(workspace, url, small_disk) as (_, address):
        for name in ("csv", "geojson"):
            for query in ("", "?sort=-name"):  # to be kept, and not
                answer = httpx.get(f"{address}/download/rows.{name}{query}", headers=PLAIN, timeout=PATIENCE)
                assert answer.text.count("said said " * 50) == ROWS
                assert "accept-ranges" not in answer.headers
        for name in ("gpkg", "xlsx"):
            answer = httpx.get(f"{address}/download/rows.{name}", timeout=PATIENCE)
            assert (answer.status_code, answer.json()["retryAfter"]) == (503, 60), name
            assert "disk" in answer.json()["detail"]
    assert not list(small_disk.glob("geoserver-work-*/*"))


WRITER = """
import sys
from pathlib import Path
from geoserver.formats.target import Target

folder, kept = Path(sys.argv[1]), sys.argv[2] == "kept"
target = Target(1, folder, folder / "kept" if kept else None)
block = bytes(range(256)) * 256
target.write(block)
assert target.is_kept is kept
target.write_all(block for _ in range(99))
target.finish()
assert not target.is_kept
"""


@pytest.mark.parametrize("kept", ["kept", "not"])
def test_what_finds_no_room_on_the_disk_waits_for_its_reader(small_disk: Path, kept: str) -> None:
    command = [sys.executable, "-c", WRITER, str(small_disk), kept]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        got = process.stdout.read() if process.stdout else b""
    assert process.returncode == 0
    assert got == bytes(range(256)) * 256 * 100
