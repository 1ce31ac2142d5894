"""Several processes of one workspace freeze together, and what a killed one leaves is never given out."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent.parent
COPIES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'layers' AND tablename LIKE '\\_\\_frozen%'"


@contextlib.contextmanager
def serve_two(workspace: Path, url: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server of two workers; gives its address, and what kills all of it at once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))}
    environment = kept | {"DATABASE_URL": url, "COLUMNS": "200", "GEOSERVER_FREEZE": "anyone", "GEOSERVER_SAMPLES": "1"}
    command = [sys.executable, "-m", "geoserver", "serve", "--workspace", str(workspace), "--port", "0"]
    with subprocess.Popen(
        [*command, "--workers", "2"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:

        def kill() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=60)

        try:
            assert process.stderr
            yield next(found[1] for line in process.stderr if (found := re.match(r"(http://\S+)", line))), kill
        finally:
            kill()


def ask(url: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Over a connection of its own, so that either worker may answer."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", "Connection": "close"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait_for(url: str, frozen_id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 240
    while True:
        status, told = ask(f"{url}/frozen/{frozen_id}/status.json")
        assert status == 200, told
        if told["state"] in states:
            return dict(told)
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_what_a_killed_server_leaves_is_told_as_failed_and_frozen_anew(
    tmp_path: Path, make_database: Callable[..., str], city_template: str
) -> None:
    url = make_database(template=city_template)
    wish = {"link": "?layers=crime,trees,districts"}
    with serve_two(tmp_path, url) as (server, kill):
        frozen_id = ask(f"{server}/frozen", wish)[1]["id"]
        wait_for(server, frozen_id, "working")
        time.sleep(1)
        kill()
    assert not (tmp_path / ".geoserver" / "frozen" / "kept").exists()
    with serve_two(tmp_path, url) as (server, _):
        told = wait_for(server, frozen_id, "failed")
        assert "stopped" in told["error"]
        assert ask(f"{server}/frozen/{frozen_id}/manifest.json")[0] == 404
        deadline = time.monotonic() + 60
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(COPIES).fetchone() != (0,):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        # The same from many at once is made once, whichever worker is asked.
        ids = {ask(f"{server}/frozen", wish)[1]["id"] for _ in range(6)}
        others = [ask(f"{server}/frozen", {"link": "?layers=districts", "title": str(n)})[1]["id"] for n in range(4)]
        assert ids == {frozen_id}
        for one in (frozen_id, *others):
            assert wait_for(server, one, "done", "failed")["state"] == "done"
            assert {ask(f"{server}/frozen/{one}/manifest.json")[0] for _ in range(8)} == {200}
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute(COPIES).fetchone() == (0,)
    assert not list((tmp_path / ".geoserver" / "frozen" / "making").iterdir())
