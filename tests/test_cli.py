"""The command line as people use it: real processes, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.sql import SQL
from typer.testing import CliRunner

from geoserver import assets, loading
from geoserver.cli import app
from geoserver.cli.common import say
from geoserver.database import private
from geoserver.errors import SetupError
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.loading import LoadReport
    from geoserver.model import Layer

ROOT = Path(__file__).parent.parent
GEOSERVER = [sys.executable, "-m", "geoserver"]
COMMANDS = ["demo", "serve", "load", "check", "export", "db", "db start", "db stop", "db status", "db url", "db remove"]
COMMANDS += ["tiles", "tiles build", "basemap", "keys", "keys add", "keys list", "keys revoke", "keys audit"]
COMMANDS += ["sessions", "sessions list", "sessions end"]
COMMANDS += ["frozen", "frozen list", "frozen delete"]

LAYER = """
title = "Benches"
license = "CC0-1.0"
source = "data/benches.csv"
kind = "points"
fields.wood = { type = "text", filter = "choice" }
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    """A workspace with one little layer; its private database is removed at the end."""
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "benches.toml").write_text(LAYER)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "benches.csv").write_text("lon,lat,wood\n-28.6,45.2,oak\n-28.61,45.21,ash\n-28.62,,ash\n")
    yield tmp_path
    settings = Settings(workspace=tmp_path, database_url=None)
    private.stop(settings, force=True)
    private.remove(settings)


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment without settings of whoever runs the tests; a wide terminal, so that no line is broken."""
    unset = ("GEOSERVER_", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(unset)} | {"COLUMNS": "200"}


def run(
    environment: dict[str, str], *arguments: str, cwd: Path = ROOT, **extra: str
) -> subprocess.CompletedProcess[str]:
    command = [*GEOSERVER, *arguments]
    given = environment | extra
    done = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    return done


class Running:
    """A `geoserver` process that serves: where, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        self.url = self._wait_for_address()

    def _wait_for_address(self) -> str:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said += line
            if found := re.match(r"(http://\S+)", line):
                return found[1]
        raise AssertionError(f"it ended without an address:\n{self.said}")

    def get(self, path: str) -> object:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def get_status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return int(error.code)


@contextlib.contextmanager
def serving(environment: dict[str, str], *arguments: str) -> Iterator[Running]:
    command = [*GEOSERVER, *arguments, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_options(command: str, environment: dict[str, str]) -> None:
    done = run(environment, *command.split(), "--help")
    assert done.returncode == 0
    assert f"geoserver {command}" in done.stdout
    assert len(done.stdout.split()) > 15


def test_the_operators_page_describes_every_command() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    for command in COMMANDS:
        assert f"geoserver {command}" in page, f"docs/operate.md does not tell about {command}"


def test_the_operators_page_describes_every_setting() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    for name in Settings.model_fields:
        assert f"GEOSERVER_{name.upper()}" in page, f"docs/operate.md does not tell about {name}"


def test_the_list_of_commands_here_is_complete() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    for group in app.registered_groups:
        assert group.typer_instance
        commands = group.typer_instance.registered_commands
        names |= {str(group.name)} | {f"{group.name} {command.name}" for command in commands}
    assert names == set(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "extra", "message"),
    [
        (["serve", "--port", "99999"], {}, "port"),
        (["serve"], {"GEOSERVER_PORT": "banana"}, "banana"),
        (["serve", "--workspace", "/no/such/folder"], {}, "/no/such/folder"),
        (["serve", "--host", "no.such.host.invalid", "--port", "0"], {}, "Cannot listen"),
        (["load"], {"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, "cannot be reached"),
        (["load", "no-such-layer"], {}, "no-such-layer"),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], extra: dict[str, str], message: str, environment: dict[str, str]
) -> None:
    done = run(environment, *arguments, **extra)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "secret" not in done.stderr


def test_what_is_said_stands_as_it_was_given_with_its_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    say("key 1 for Town [north] and [/] all")
    assert "key 1 for Town [north] and [/] all" in capsys.readouterr().err


@pytest.mark.slow
def test_a_taken_port_is_said_before_anything_is_started(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(environment, "demo", "--port", port, "--workspace", str(tmp_path))
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert not (tmp_path / ".geoserver").exists()


def test_load_fills_a_given_database_and_counts_what_it_rejects(
    workspace: Path, environment: dict[str, str], empty_database: str
) -> None:
    done = run(environment, "load", "--workspace", str(workspace), DATABASE_URL=empty_database)
    assert done.returncode == 0, done.stderr
    assert re.search(r"benches\s+2\s+1\s", done.stderr)
    again = run(environment, "load", "--workspace", str(workspace), DATABASE_URL=empty_database)
    assert "unchanged" in again.stderr
    forced = run(environment, "load", "--force", "--workspace", str(workspace), DATABASE_URL=empty_database)
    assert "unchanged" not in forced.stderr
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM layers.benches").fetchone() == (2,)
    assert not (workspace / ".geoserver").exists(), "with a database of yours there is no private one"


@pytest.mark.slow
def test_load_goes_on_after_a_broken_layer_and_fails_in_the_end(
    workspace: Path, environment: dict[str, str], empty_database: str
) -> None:
    (workspace / "layers" / "aaa-gone.toml").write_text(LAYER.replace("benches.csv", "gone.csv"))
    done = run(environment, "load", "--workspace", str(workspace), DATABASE_URL=empty_database)
    assert done.returncode == 1
    assert "aaa-gone" in done.stderr
    assert re.search(r"benches\s+2\s+1\s", done.stderr)
    assert "rejected: no position" in done.stderr
    assert "for example" not in done.stderr, "a column of examples without one"


@pytest.mark.slow
def test_load_shows_what_was_rejected_and_left_empty_and_why(
    workspace: Path, environment: dict[str, str], empty_database: str
) -> None:
    (workspace / "layers" / "benches.toml").write_text(LAYER + '[fields.height]\ntype = "integer"\n')
    rows = "".join(f"oak,-28.6,45.2,{height}\n" for height in (1, 2, 3, "tall", "<5"))
    (workspace / "data" / "benches.csv").write_text("wood,lon,lat,height\n" + rows + "elm,,,4\n")
    done = run(environment, "load", "--workspace", str(workspace), DATABASE_URL=empty_database)
    assert done.returncode == 0, done.stderr
    assert re.search(r"benches\s+1\s+rejected: no position", done.stderr)
    assert re.search(r"1\s+height: no integer, left empty\s+tall", done.stderr)
    assert "for example" in done.stderr
    assert re.search(r"1\s+height: suppressed, left empty", done.stderr)


@pytest.mark.slow
def test_load_refuses_to_lose_much_unless_it_is_forced(
    workspace: Path, environment: dict[str, str], empty_database: str
) -> None:
    options = ("--workspace", str(workspace))
    assert run(environment, "load", *options, DATABASE_URL=empty_database).returncode == 0
    (workspace / "data" / "benches.csv").write_text("wood,lon,lat\n")
    refused = run(environment, "load", *options, DATABASE_URL=empty_database)
    assert refused.returncode == 1
    assert "0 rows where 2 are in service, 100% fewer" in refused.stderr
    assert "geoserver load benches --force" in refused.stderr
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM layers.benches").fetchone() == (2,)
    forced = run(environment, "load", "benches", "--force", *options, DATABASE_URL=empty_database)
    assert forced.returncode == 0, forced.stderr
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM layers.benches").fetchone() == (0,)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"GEOSERVER_PORT": "x"}, "GEOSERVER_PORT: expected a valid integer"),
        ({"GEOSERVER_LOG_LEVEL": "loud"}, "GEOSERVER_LOG_LEVEL: expected 'debug', 'info', 'warning' or 'error'; got"),
        ({"GEOSERVER_PUBLIC_URL": "maps.example.org"}, "GEOSERVER_PUBLIC_URL: expected the address that people see"),
        ({"GEOSERVER_ALLOWED_HOSTS": "http://x"}, "GEOSERVER_ALLOWED_HOSTS: got 'http://x'; expected names"),
        ({"GEOSERVER_OIDC_ISSUER": "https://a.example"}, "GEOSERVER_OIDC_ISSUER needs GEOSERVER_OIDC_CLIENT_ID"),
        ({"DATABASE_URL": "mysql://ann:hush@host/map"}, "DATABASE_URL cannot be read: expected postgresql://"),
        ({"DATABASE_URL": "postgresql://ann:hush%zz@host/map"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "postgresql://ann:hush@host/map?connect_timeout=soon"}, "DATABASE_URL cannot be read"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name_and_no_secret_with_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    secret = {"DATABASE_URL": "postgresql://ann:hush@host/map", "GEOSERVER_OIDC_CLIENT_SECRET": "hush"}
    for name, value in (secret | given).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["keys", "list", "--workspace", str(workspace)])
    assert isinstance(done.exception, SetupError)
    assert str(done.exception).startswith(expected)
    assert "hush" not in "".join(traceback.format_exception(done.exception))


@pytest.mark.slow
def test_whatever_goes_wrong_with_some_layers_the_others_are_loaded(
    workspace: Path, environment: dict[str, str], empty_database: str
) -> None:
    (workspace / "layers" / "aaa-odd.toml").write_text(LAYER.replace("benches.csv", "\\u0000.csv"))
    (workspace / "layers" / "broken.toml").write_text("title = 3")
    names = ("nowhere", "broken", "aaa-odd", "benches")
    done = run(environment, "load", *names, "--workspace", str(workspace), DATABASE_URL=empty_database)
    assert done.returncode == 1
    assert re.search(r"benches\s+2\s+1\s", done.stderr)
    assert "broken.toml: title: expected a text, in quotes" in done.stderr
    assert "There is no layer 'nowhere'; expected one of" in done.stderr
    assert "aaa-odd.toml: source: a text without the sign" in done.stderr


def test_a_fault_of_our_own_in_one_layer_leaves_the_others(
    workspace: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "layers" / "aaa-odd.toml").write_text(LAYER)
    real = loading.load

    def load(layer: Layer, *given: Any, **named: Any) -> LoadReport:
        if layer.id == "aaa-odd":
            raise ValueError("odd")
        return real(layer, *given, **named)

    monkeypatch.setattr(loading, "load", load)
    monkeypatch.setenv("DATABASE_URL", empty_database)
    done = CliRunner().invoke(app, ["load", "--workspace", str(workspace)])
    assert done.exit_code == 1
    assert re.search(r"benches\s+2\s+1\s", done.stderr)
    assert "aaa-odd: not loaded, by a fault of geoserver's own: ValueError: odd" in done.stderr


@pytest.mark.slow
def test_settings_come_from_the_env_file_of_the_workspace(
    workspace: Path, environment: dict[str, str], empty_database: str
) -> None:
    (workspace / ".env").write_text(f'DATABASE_URL="{empty_database}"\n')
    assert run(environment, "load", "--workspace", str(workspace)).returncode == 0
    assert not (workspace / ".geoserver").exists()


@pytest.mark.slow
def test_a_database_without_postgis_is_said_to_be_one(
    make_database: Callable[..., str], environment: dict[str, str], workspace: Path
) -> None:
    url = make_database()
    hide_extensions(url, "")
    done = run(environment, "serve", "--port", "0", "--workspace", str(workspace), DATABASE_URL=url)
    assert done.returncode == 1
    assert "PostGIS" in done.stderr


@pytest.mark.slow
def test_a_database_with_an_old_postgis_is_said_to_have_one(
    make_database: Callable[..., str], environment: dict[str, str], workspace: Path
) -> None:
    url = make_database()
    hide_extensions(url, "2.5.1")
    done = run(environment, "load", "--workspace", str(workspace), DATABASE_URL=url)
    assert done.returncode == 1
    assert "3.3 or newer" in done.stderr
    assert "2.5.1" in done.stderr


def hide_extensions(url: str, postgis: str) -> None:
    """Let the database say that it has just this version of PostGIS, or none at all."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on")  # of this database alone
        connection.execute("ALTER VIEW pg_catalog.pg_available_extensions RENAME TO real_available_extensions")
        connection.execute(
            SQL(
                "CREATE VIEW pg_catalog.pg_available_extensions AS SELECT 'postgis'::name AS name,"
                " {}::text AS default_version, NULL::text AS installed_version, ''::text AS comment WHERE {} <> ''"
            ).format(postgis, postgis)
        )


@pytest.mark.slow
def test_check_lists_everything_that_is_wrong(
    workspace: Path, environment: dict[str, str], empty_database: str
) -> None:
    layers = workspace / "layers"
    assert run(environment, "check", "--workspace", str(workspace), DATABASE_URL=empty_database).returncode == 0
    (layers / "no-kind.toml").write_text(LAYER.replace('"points"', '"heaps"'))
    (layers / "no-license.toml").write_text(LAYER.replace("CC0-1.0", "All mine"))
    (layers / "no-source.toml").write_text(LAYER.replace("benches.csv", "gone.csv"))
    (layers / "no-toml.toml").write_text("title = yes")
    (layers / "no-style.toml").write_text(LAYER + 'style = "gone"\n')
    (workspace / "styles").mkdir()
    (workspace / "styles" / "no-layer.json").write_text(
        '{"version": 8, "sources": {"x": {"type": "vector"}}, "layers": ['
        '{"id": "a", "type": "circle", "source": "x", "source-layer": "ghosts"},'
        '{"id": "b", "type": "circle", "source": "y", "source-layer": "benches", "filter": ["has", "iron"]}]}'
    )
    (workspace / "styles" / "no-json.json").write_text("{")
    (workspace / "tiles").mkdir()
    (workspace / "tiles" / "no-sql.sql").write_text("SELECT nonsense FROM {table}")
    done = run(environment, "check", "--workspace", str(workspace), DATABASE_URL=empty_database)
    assert done.returncode == 1
    found = done.stderr
    for name in ("no-kind", "no-license", "no-source", "no-toml", "no-style", "no-json", "no-sql", "nonsense"):
        assert name in found
    for name in ("ghosts", "'y'", "'iron'"):
        assert name in found, "a style draws what is there"


def test_check_finds_no_fault_in_the_sample_city(
    environment: dict[str, str], city_database: str, tmp_path: Path
) -> None:
    done = run(environment, "check", "--workspace", str(tmp_path), DATABASE_URL=city_database)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ layers, \d+ styles, \d+ recipes: no problem\n", done.stdout)


@pytest.mark.slow
def test_to_load_a_layer_whose_file_is_broken_says_what_is_broken(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    text = 'title = "Trees"\nlicense = "CC0-1.0"\nsource = "a.csv"\nkind = "pionts"\n'
    (tmp_path / "layers" / "trees.toml").write_text(text)
    (tmp_path / "layers" / "parks.toml").write_text(text.replace("pionts", "points") + 'sourcelayer = "x"\n')
    for name, message in (
        ("trees", "trees.toml: kind: a recipe in tiles/"),
        ("trees", "got 'pionts'; did you mean 'points'?"),
        ("parks", "parks.toml: sourcelayer: no such key"),
        ("parks", "did you mean 'source_layer'?"),
    ):
        done = run(environment, "load", name, "--workspace", str(tmp_path))
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr


def test_check_says_when_a_sample_file_is_missing(
    environment: dict[str, str], empty_database: str, tmp_path: Path
) -> None:
    shutil.copytree(assets.root("layers"), tmp_path / "layers")
    done = run(environment, "check", "--workspace", str(tmp_path), DATABASE_URL=empty_database)
    assert done.returncode == 1
    assert "crime.csv.gz" in done.stderr


@pytest.mark.slow
def test_the_private_database_can_be_started_asked_and_stopped(workspace: Path, environment: dict[str, str]) -> None:
    place = ["--workspace", str(workspace)]
    assert run(environment, "db", "status", *place).returncode == 3
    assert "not running" in run(environment, "db", "url", *place).stderr
    url = run(environment, "db", "start", *place).stdout.strip()
    assert url == run(environment, "db", "url", *place).stdout.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    status = run(environment, "db", "status", *place)
    assert status.returncode == 0
    assert "kept by `geoserver db start`" in status.stdout
    assert run(environment, "load", *place).returncode == 0
    assert run(environment, "db", "status", *place).returncode == 0, "a load must not stop what was started by hand"
    assert run(environment, "db", "stop", *place).stdout == "stopped\n"
    assert run(environment, "db", "stop", *place).stdout == "not running\n"
    folder = private.status(Settings(workspace=workspace, database_url=None)).folder
    assert folder.is_dir()
    assert run(environment, "db", "remove", "--yes", *place).returncode == 0
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_a_signal_stops_server_and_database_in_good_order(
    number: signal.Signals, workspace: Path, environment: dict[str, str]
) -> None:
    with serving(environment, "serve", "--workspace", str(workspace)) as server:
        assert server.get("/healthz") == {"status": "alive"}
        server.process.send_signal(number)
        assert server.process.wait(timeout=60) == 0
    status = private.status(Settings(workspace=workspace, database_url=None))
    assert status.url is None
    assert "database system is shut down" in (status.folder / "postgres.log").read_text()


@pytest.mark.slow
def test_a_second_server_joins_the_database_of_the_first_and_outlives_it(
    workspace: Path, environment: dict[str, str]
) -> None:
    assert run(environment, "load", "--workspace", str(workspace)).returncode == 0
    arguments = ["serve", "--workspace", str(workspace)]
    with serving(environment, *arguments) as first, serving(environment, *arguments) as second:
        assert run(environment, "db", "stop", "--workspace", str(workspace)).returncode == 1
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(timeout=60) == 0
        assert second.get("/readyz") == first_ready(second)
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(timeout=60) == 0
    assert private.status(Settings(workspace=workspace, database_url=None)).url is None


def first_ready(server: Running) -> object:
    """What /readyz says as soon as the server can answer for its layers."""
    for _ in range(600):
        if server.get_status("/readyz") == 200:
            return server.get("/readyz")
        time.sleep(0.1)
    raise AssertionError("the server did not become ready")


@pytest.mark.slow
def test_a_killed_server_leaves_a_database_that_the_next_one_uses(workspace: Path, environment: dict[str, str]) -> None:
    assert run(environment, "load", "--workspace", str(workspace)).returncode == 0
    with serving(environment, "serve", "--workspace", str(workspace)) as server:
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(timeout=60)
    with serving(environment, "serve", "--workspace", str(workspace)) as server:
        assert server.get_status("/tiles/benches.json") == 200
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=60) == 0
    assert private.status(Settings(workspace=workspace, database_url=None)).url is None


@pytest.mark.slow
def test_a_server_brings_its_killed_database_back_and_serves_on(workspace: Path, environment: dict[str, str]) -> None:
    settings = Settings(workspace=workspace, database_url=None)
    assert run(environment, "load", "--workspace", str(workspace)).returncode == 0
    with serving(environment, "serve", "--workspace", str(workspace)) as server:
        assert server.get_status("/tiles/benches.json") == 200
        killed = private.status(settings).pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        for _ in range(600):
            running = private.status(settings).pid
            if running not in (None, killed) and server.get_status("/readyz") == 200:
                break
            time.sleep(0.1)
        assert server.get_status("/tiles/benches.json") == 200
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=60) == 0
    assert private.status(settings).url is None


@pytest.mark.slow
def test_load_passes_over_a_layer_without_rows_with_a_line(workspace: Path, environment: dict[str, str]) -> None:
    text = 'title = "T"\nlicense = "CC0-1.0"\nsource = "data/city.pmtiles"\nkind = "tiles"\n'
    (workspace / "layers" / "own-map.toml").write_text(text)
    done = run(environment, "load", "--workspace", str(workspace))
    assert done.returncode == 0
    assert "own-map: its tiles come from data/city.pmtiles, so there is nothing to load" in done.stderr
    assert re.search(r"benches\s+2", done.stderr)
    checked = run(environment, "check", "--workspace", str(workspace))
    assert checked.returncode == 1
    assert "own-map.toml: source: a readable file at" in checked.stderr


@pytest.mark.slow
def test_demo_loads_the_city_once_and_serves_it(tmp_path: Path, environment: dict[str, str]) -> None:
    settings = Settings(workspace=tmp_path, database_url=None)
    try:
        with serving(environment, "demo", "--workspace", str(tmp_path)) as server:
            assert re.search(r"crime\s+[\d,]+", server.said)
            assert server.get_status("/tiles/crime.json") == 200
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(timeout=60) == 0
        with serving(environment, "demo", "--workspace", str(tmp_path)) as server:
            assert re.search(r"crime\s+[\d,]+.*unchanged", server.said)
            assert server.get_status("/tiles/crime.json") == 200
    finally:
        private.stop(settings, force=True)
        private.remove(settings)
