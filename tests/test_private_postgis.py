"""The private PostGIS: started, shared, killed and brought back, with real processes."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from geoserver.database import binaries, private
from geoserver.database.tuning import build_configuration, read_memory
from geoserver.errors import SetupError
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent

# A process that uses the workspace's database until it is told to end.
HOLDER = """
import sys
from pathlib import Path
from geoserver.database import private
from geoserver.settings import Settings
settings = Settings(workspace=Path(sys.argv[1]), database_url=None)
print(private.ensure(settings), flush=True)
sys.stdin.readline()
print(private.release(settings), flush=True)
"""

# The same steps as an ordinary user: everything is imported first, because that user may not read this checkout.
ORDINARY = """
import os, sys, encodings.ascii, encodings.idna
from pathlib import Path
import psycopg
from geoserver.database import private
from geoserver.settings import Settings
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[3]))
settings = Settings(workspace=Path(sys.argv[1]), database_url=None)
url = private.ensure(settings)
with psycopg.connect(url) as connection:
    print(connection.execute("SELECT postgis_version()").fetchone()[0])
print(private.status(settings).folder)
print(private.release(settings))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty workspace, whose database is removed at the end."""
    made = Settings(workspace=tmp_path, database_url=None)
    yield made
    private.stop(made, force=True)
    private.remove(made)


@contextlib.contextmanager
def holder(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the workspace's database."""
    command = [sys.executable, "-c", HOLDER, str(workspace)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def fetch(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]  # tests write their own SQL
        return row[0] if row else None


def postmaster_of(settings: Settings) -> int:
    pid = private.status(settings).pid
    assert pid is not None
    return pid


def wait_until_gone(pid: int) -> None:
    for _ in range(200):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or ") Z" in stat.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


def test_it_has_postgis_is_durable_and_listens_on_no_network_port(settings: Settings) -> None:
    url = private.ensure(settings)
    assert str(fetch(url, "SELECT postgis_lib_version()")) >= "3.3"
    assert fetch(url, "SHOW listen_addresses") == ""
    assert fetch(url, "SHOW fsync") == "on"
    folder = Path(str(fetch(url, "SHOW unix_socket_directories")).strip('"'))
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_it_compares_letters_beyond_ascii_without_regard_to_case(settings: Settings) -> None:
    url = private.ensure(settings)
    assert fetch(url, "SELECT 'Žižkov Ålesund' ILIKE '%ŽIŽKOV å%'") is True


@pytest.mark.slow
def test_a_second_call_joins_and_the_last_release_stops_it(settings: Settings) -> None:
    url = private.ensure(settings)
    assert private.ensure(settings) == url
    assert private.status(settings).used
    assert private.release(settings)
    assert private.status(settings).url is None
    assert not private.release(settings)


@pytest.mark.slow
def test_it_runs_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(settings: Settings) -> None:
    private.ensure(settings)
    assert os.getsid(postmaster_of(settings)) != os.getsid(0)


@pytest.mark.slow
def test_a_second_process_joins_and_the_last_one_out_stops_it(settings: Settings) -> None:
    url = private.ensure(settings)
    with holder(settings.workspace) as other:
        assert other.stdout
        assert other.stdout.readline().strip() == url
        assert not private.release(settings)
        assert fetch(url, "SELECT 1") == 1
        output, _ = other.communicate("end\n")
        assert output.strip() == "True"
    assert private.status(settings).url is None


@pytest.mark.slow
def test_processes_that_start_at_the_same_moment_share_one_server(settings: Settings) -> None:
    with holder(settings.workspace) as one, holder(settings.workspace) as two:
        assert one.stdout
        assert two.stdout
        assert one.stdout.readline() == two.stdout.readline() != ""


@pytest.mark.slow
def test_a_killed_user_is_not_counted_any_more(settings: Settings) -> None:
    with holder(settings.workspace) as other:
        assert other.stdout
        url = other.stdout.readline().strip()
        other.kill()
        other.wait()
    assert fetch(url, "SELECT 1") == 1  # the database outlives its killed user
    assert not private.status(settings).used
    assert private.ensure(settings) == url
    assert private.release(settings)


@pytest.mark.slow
def test_it_comes_back_with_all_rows_after_the_postmaster_was_killed(settings: Settings) -> None:
    url = private.ensure(settings)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    busy = threading.Thread(target=run_endless_query, args=[url])
    busy.start()
    while not fetch(
        url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%endless%' AND pid <> pg_backend_pid()"
    ):
        time.sleep(0.05)
    killed = postmaster_of(settings)
    os.kill(killed, signal.SIGKILL)  # leaves postmaster.pid, shared memory and a backend that is hard at work
    wait_until_gone(killed)
    assert private.ensure(settings) == url
    busy.join(timeout=30)
    assert postmaster_of(settings) != killed
    assert fetch(url, "SELECT count(*) FROM kept") == 1000


def run_endless_query(url: str) -> None:
    with contextlib.suppress(psycopg.OperationalError):
        fetch(url, "SELECT count(*) AS endless FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b")


@pytest.mark.slow
def test_a_stale_lock_file_that_names_a_living_stranger_is_not_believed(settings: Settings) -> None:
    private.ensure(settings)
    data = private.status(settings).folder / "data"
    lines = (data / "postmaster.pid").read_text().splitlines()
    private.release(settings)
    owner = data.stat()
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    os.chown(data / "postmaster.pid", owner.st_uid, owner.st_gid)
    assert private.status(settings).url is None
    assert fetch(private.ensure(settings), "SELECT 1") == 1


@pytest.mark.slow
def test_a_broken_off_first_start_is_done_again(settings: Settings) -> None:
    private.ensure(settings)
    private.release(settings)
    folder = private.status(settings).folder
    (folder / "data").rename(folder / "data.new")  # as it lies while initdb is at work
    (folder / "data.new" / "PG_VERSION").unlink()
    assert fetch(private.ensure(settings), "SELECT count(*) FROM pg_extension WHERE extname = 'postgis'") == 1


@pytest.mark.slow
def test_started_by_hand_it_stays_until_it_is_stopped_by_hand(settings: Settings) -> None:
    url = private.start(settings)
    assert private.ensure(settings) == url
    assert not private.release(settings)
    assert private.status(settings).kept
    assert private.stop(settings)
    assert not private.stop(settings)
    private.ensure(settings)
    assert private.release(settings), "the mark of an earlier start must not keep this one"


@pytest.mark.slow
def test_it_is_not_stopped_under_another_process_unless_forced(settings: Settings) -> None:
    with holder(settings.workspace) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(SetupError, match="uses this database"):
            private.stop(settings)
        assert private.stop(settings, force=True)


@pytest.mark.parametrize("name", ["a b, c", 'it\'s "quoted" $HOME', "Straße-Ž", "long-" + "x" * 120])
@pytest.mark.slow
def test_a_workspace_may_have_any_name(tmp_path: Path, name: str) -> None:
    settings = Settings(workspace=tmp_path / name, database_url=None)
    settings.workspace.mkdir()
    try:
        assert fetch(private.ensure(settings), "SELECT 1") == 1
    finally:
        private.remove(settings)


@pytest.mark.slow
def test_a_moved_workspace_keeps_its_database(tmp_path: Path) -> None:
    before = Settings(workspace=tmp_path / "before", database_url=None)
    before.workspace.mkdir()
    with psycopg.connect(private.ensure(before)) as connection:
        connection.execute("CREATE TABLE moved ()")
    private.release(before)
    after = Settings(workspace=before.workspace.rename(tmp_path / "after"), database_url=None)
    try:
        assert fetch(private.ensure(after), "SELECT to_regclass('moved') IS NOT NULL") is True
    finally:
        private.remove(after)


@pytest.mark.slow
def test_environment_variables_of_postgresql_do_not_lead_it_astray(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "6543", "PGDATA": "/nowhere", "PGHOST": "elsewhere.invalid"}.items():
        monkeypatch.setenv(name, value)
    assert fetch(private.ensure(settings), "SELECT 1") == 1


@pytest.mark.slow
def test_settings_of_the_operator_are_kept_and_win(settings: Settings) -> None:
    private.ensure(settings)
    private.release(settings)
    with (private.status(settings).folder / "data" / "postgresql.conf").open("a") as file:
        file.write("max_connections = 37\n")
    assert fetch(private.ensure(settings), "SHOW max_connections") == "37"


@pytest.mark.slow
def test_a_server_that_cannot_start_says_why_in_one_line(settings: Settings) -> None:
    private.ensure(settings)
    private.release(settings)
    with (private.status(settings).folder / "data" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(SetupError, match=r"no_such_setting|contains errors") as caught:
        private.ensure(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_an_ordinary_user_gets_a_cluster_inside_the_workspace() -> None:
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    workspace = Path(tempfile.mkdtemp(prefix="geoserver-ordinary-"))
    try:
        os.chown(workspace, user.pw_uid, user.pw_gid)
        script = ORDINARY if os.geteuid() == 0 else re.sub(r"os\.set\w+\(.*\)\n", "", ORDINARY)
        command = [sys.executable, "-c", script, str(workspace), str(user.pw_gid), str(user.pw_uid)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        version, folder, stopped = done.stdout.splitlines()
        assert version.startswith("3.")
        assert folder == str(workspace / ".geoserver" / "postgis")
        assert stopped == "True"
    finally:
        shutil.rmtree(workspace)


def test_a_missing_postgis_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"PostGIS is not installed: .*install.* \(or set DATABASE_URL") as caught:
        private.ensure(Settings(workspace=tmp_path, database_url=None))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / ".geoserver" / "postgis").exists()


@pytest.mark.slow
def test_a_database_of_a_postgresql_that_is_gone_names_the_version(settings: Settings) -> None:
    private.ensure(settings)
    private.release(settings)
    (private.status(settings).folder / "data" / "PG_VERSION").write_text("99\n")
    with pytest.raises(SetupError, match="was made by PostgreSQL 99"):
        private.ensure(settings)


@pytest.mark.parametrize("mebibytes", [256, 24_000, 1_000_000])
def test_a_configuration_fits_into_the_memory(mebibytes: int) -> None:
    text = build_configuration(Path("/run/x"), mebibytes * 1024 * 1024, 2)
    value = int(re.findall(r"shared_buffers = '(\d+)MB'", text)[0])
    assert 64 <= value <= max(64, mebibytes // 4)
    assert read_memory() > 0
