"""A pooler between server and database: in session mode it serves, in any other it is refused in one sentence."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from geoserver.app import create_app
from geoserver.cli import app as command_line
from geoserver.database.migrate import apply_migrations
from geoserver.errors import SetupError
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
CONFIG = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
query_wait_timeout = 2
logfile = {folder}/log
{rest}
"""

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed: apt-get install pgbouncer")


@pytest.fixture
def start_pooler(empty_database: str) -> Iterator[Callable[..., str]]:
    """`start_pooler(pool_mode="transaction")` gives the address of the empty database through a pgbouncer."""
    target = {name: value for name, value in conninfo_to_dict(empty_database).items() if name != "dbname"}
    with contextlib.ExitStack() as stack:

        def start(**settings: object) -> str:
            folder = Path(tempfile.mkdtemp(prefix="geoserver-pooler-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            text = CONFIG.format(
                target=" ".join(f"{name}={value}" for name, value in target.items()),
                port=port,
                folder=folder,
                rest="\n".join(f"{name} = {value}" for name, value in settings.items()),
            )
            (folder / "ini").write_text(text, encoding="utf-8")
            socket_folder = Path(str(target.get("host", "")))
            # It refuses to run as root, and only the owner of the database's socket may use that.
            owner = socket_folder.stat() if socket_folder.is_dir() else folder.stat()
            user = {"user": owner.st_uid or 65534, "group": owner.st_gid or 65534} if os.geteuid() == 0 else {}
            if user:
                os.chown(folder, user["user"], user["group"])
            assert PROGRAM
            process = subprocess.Popen([PROGRAM, "-q", str(folder / "ini")], stderr=subprocess.DEVNULL, **user)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_for_port(port)
            parts = conninfo_to_dict(empty_database)
            return f"postgresql://{parts.get('user', 'geoserver')}@127.0.0.1:{port}/{parts['dbname']}"

        yield start


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "pgbouncer did not start"
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_mode": "transaction", "default_pool_size": 1},
        {"pool_mode": "transaction", "default_pool_size": 20},
        {"pool_mode": "transaction", "server_round_robin": 1, "min_pool_size": 3},
        {"pool_mode": "transaction", "ignore_startup_parameters": "options,extra_float_digits"},
        {"pool_mode": "statement"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_a_pooler_that_lends_out_sessions_is_refused(
    start_pooler: Callable[..., str], settings: dict[str, object]
) -> None:
    url = start_pooler(**settings)
    for _ in range(3):  # with sessions that are new, and with those that were used before
        with pytest.raises(SetupError, match=r"transaction or statement mode.*point DATABASE_URL at PostgreSQL"):
            apply_migrations(url)


def test_it_is_refused_while_others_use_it(start_pooler: Callable[..., str]) -> None:
    url = start_pooler(pool_mode="transaction", default_pool_size=4)
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(psycopg.connect(url, prepare_threshold=None)) for _ in range(3)]
        for other in others:
            other.execute("SELECT 1")  # holds a session until its transaction ends
        with pytest.raises(SetupError, match="transaction or statement mode"):
            apply_migrations(url)


def test_a_pool_in_session_mode_serves(
    start_pooler: Callable[..., str], city_settings: Settings, tmp_path: Path
) -> None:
    url = start_pooler(pool_mode="session", default_pool_size=20)
    (tmp_path / "layers").mkdir()
    (tmp_path / "places.csv").write_text("name,lon,lat\nhere,-28.6,45.2\n", encoding="utf-8")
    (tmp_path / "layers" / "places.toml").write_text(
        'title = "Places"\nlicense = "CC0-1.0"\nsource = "places.csv"\nkind = "points"\n',
        encoding="utf-8",
    )
    environment = {"DATABASE_URL": url, "GEOSERVER_WORKSPACE": str(tmp_path)}
    assert CliRunner().invoke(command_line, ["load"], env=environment).exit_code == 0
    app = create_app(Settings(workspace=tmp_path, database_url=None), url)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/readyz").json()["status"] == "ready"
        assert client.get("/api/layers/places/summary").json()["count"] == 1


def test_a_session_pool_that_is_too_small_says_so(start_pooler: Callable[..., str]) -> None:
    url = start_pooler(pool_mode="session", default_pool_size=1)
    with pytest.raises(SetupError, match="gave no second session"):
        apply_migrations(url)


@pytest.mark.parametrize("command", ["load", "check", "tiles build places places.pmtiles"])
def test_every_command_refuses_it(
    start_pooler: Callable[..., str], tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start_pooler(pool_mode="transaction")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "places.toml").write_text(
        'title = "Places"\nlicense = "CC0-1.0"\nsource = "places.csv"\nkind = "points"\n', encoding="utf-8"
    )
    ran = CliRunner().invoke(
        command_line, command.split(), env={"DATABASE_URL": url, "GEOSERVER_WORKSPACE": str(tmp_path)}
    )
    assert ran.exit_code == 1
    said = str(ran.exception) if isinstance(ran.exception, SetupError) else ran.stderr
    assert "transaction or statement mode" in said


@pytest.mark.slow
def test_a_running_server_gives_out_nothing_through_it(
    start_pooler: Callable[..., str], city_settings: Settings
) -> None:
    app = create_app(city_settings, start_pooler(pool_mode="transaction"))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "transaction or statement mode" in answer.json()["database"]
        assert client.get("/api/layers/crime/summary").status_code == 503
