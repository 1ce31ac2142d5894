"""Several workers on one socket: they see each other's changes, one that dies is replaced, and all end together."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from counted_tiles import World, wait_for, write_workspace
from test_tile_cache import ADDRESS, tile_at

from geoserver.app import create_app
from geoserver.database import private
from geoserver.database.migrate import apply_migrations
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent.parent


@contextlib.contextmanager
def serving(world: World, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """`geoserver serve` over the world; its address is put there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))}
    place = ["--workspace", str(world.workspace), "--port", "0"]
    command = [sys.executable, "-m", "geoserver", "serve", *place, *arguments]
    environment = kept | {"DATABASE_URL": world.database_url, "COLUMNS": "200"} | extra
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            for line in process.stderr:
                if found := re.match(r"(http://\S+)", line):
                    world.url = found[1]
                    break
            yield process
        finally:
            process.kill()


def children(process: subprocess.Popen[str]) -> set[int]:
    """Processes of the workers; Python's own helper for shared memory is not one."""
    command = ["ps", "-ww", "--ppid", str(process.pid), "-o", "pid=", "-o", "args="]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    return {int(pid) for pid, command in lines if "spawn_main" in command}


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")


def fill_both(world: World) -> None:
    """Ask until each worker has the tile."""
    wait_for(lambda: world.ask(ADDRESS).status == 200 and world.made() == 2)


@pytest.mark.slow
def test_both_workers_see_a_change_and_each_makes_its_tile_anew(world: World) -> None:
    tile = tile_at(13)
    with serving(world, "--workers", "2") as process:
        fill_both(world)
        wait_for(lambda: world.metric("tile_cache_entries") == 2)
        made = world.made()
        for _ in range(20):
            world.ask(ADDRESS)
        assert world.made() == made
        world.wait_for_invalidation(lambda: world.notify([[13, tile.x, tile.y, tile.x, tile.y]]), 2)
        wait_for(lambda: world.ask(ADDRESS).status == 200 and world.made() == 4)
        assert {'worker="1"', 'worker="2"'} <= set(re.findall(r'worker="\d"', world.ask("/metrics").body.decode()))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_all_end_with_their_parent(world: World) -> None:
    with serving(world, "--workers", "2") as process:
        first = children(process)
        assert len(first) == 2
        os.kill(min(first), signal.SIGKILL)
        wait_for(lambda: len(children(process) - first) == 1)
        wait_for(lambda: world.ask("/readyz").status == 200)
        now = children(process)
        process.kill()
        wait_for(lambda: not any(lives(pid) for pid in now))


def test_more_connections_than_the_database_allows_are_refused_before_it_serves(world: World) -> None:
    with serving(world, "--workers", "60", GEOSERVER_POOL_SIZE="100") as process:
        assert process.wait(timeout=60) == 1
    assert world.url == ""


@pytest.mark.slow
def test_a_database_killed_under_load_leaves_hot_tiles_in_service_and_all_recovers(
    tmp_path: Path, serve: Callable[..., Any]
) -> None:
    settings = Settings(workspace=write_workspace(tmp_path), database_url=None)
    try:
        world = World(settings.workspace, private.ensure(settings))
        apply_migrations(world.database_url)
        world.fill()
        back = threading.Event()  # it stays away until that was seen

        def restart() -> None:
            assert back.wait(60)
            private.ensure(settings)

        app = create_app(settings, world.database_url, restart)
        with serve(app, world.database_url) as server:
            world.url = server.url
            hot = world.ask(ADDRESS).body
            stop, seen = threading.Event(), Counter[tuple[str, int]]()

            def load(name: str, paths: Iterator[str]) -> None:
                while not stop.is_set():
                    reply = world.ask(next(paths))
                    assert reply.status != 200 or name == "cold" or reply.body == hot
                    seen[name, reply.status] += 1

            cold = (f"{ADDRESS}?filter=name%3C%3E%27{number}%27" for number in itertools.count())
            threads = [threading.Thread(target=load, args=("hot", itertools.repeat(ADDRESS))) for _ in range(4)]
            threads.append(threading.Thread(target=load, args=("cold", cold)))
            for thread in threads:
                thread.start()
            try:
                killed = private.status(settings).pid
                assert killed is not None
                os.kill(killed, signal.SIGKILL)
                wait_for(lambda: seen["cold", 503], 60)
                back.set()
                wait_for(lambda: world.ask("/readyz").status == 200, 120)
                before = seen["cold", 204] + seen["cold", 200]
                wait_for(lambda: seen["cold", 204] + seen["cold", 200] > before + 5, 60)
            finally:
                back.set()
                stop.set()
                for thread in threads:
                    thread.join()
            assert {status for name, status in seen if name == "hot"} == {200}
            assert {status for name, status in seen if name == "cold"} <= {200, 204, 503}
            wait_for(lambda: world.metric("tile_renders_running") == 0)
    finally:
        private.stop(settings, force=True)
        private.remove(settings)
