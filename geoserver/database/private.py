"""The private PostGIS of a workspace: started on first use, shared by every process there, stopped by the last one.

    WORKSPACE/.geoserver/lock       held while someone starts or stops it
    WORKSPACE/.geoserver/users      a shared lock on it is held by each process that uses the database
    WORKSPACE/.geoserver/keep       names the server that `geoserver db start` wants to outlive its users
    WORKSPACE/.geoserver/postgis    the cluster; for root a link to a folder in /var/lib/geoserver

The kernel releases a lock when its holder dies, so a killed process never leaves a wrong count. PostgreSQL refuses to
run as root: then it runs as `postgres` (or a system user made for it), in a folder that this user can reach.

A test suite wants a server of its own: `url = ensure(Settings(workspace=some_new_folder))`, then
`remove(settings)`; databases may be made and dropped at that address.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier

from geoserver.database.binaries import find_binaries
from geoserver.database.connecting import connect
from geoserver.database.postmaster import PORT, ROLE, Account, Cluster, Running
from geoserver.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.settings import Settings

__all__ = ["Status", "ensure", "release", "remove", "start", "status", "stop"]

_SYSTEM_FOLDER = Path("/var/lib/geoserver")  # where root's clusters lie
_READY_SECONDS = 300

_shares: dict[Path, int] = {}  # workspace -> descriptor that holds the shared lock, for this process
_guard = threading.RLock()


@dataclass(frozen=True, slots=True)
class Status:
    """What `geoserver db status` tells; `url` is None while it is not running."""

    folder: Path
    url: str | None
    pid: int | None
    major: int | None
    used: bool
    kept: bool


def ensure(settings: Settings, say: Callable[[str], None] | None = None) -> str:
    """Address of the workspace's running PostGIS, started if need be; in use by this process until `release`.

    `say` is told about steps that take a moment. Raises SetupError in one line when something is missing.
    """
    with _locked(settings.workspace) as home:
        url = _bring_up(home, say or _say_nothing)
        _join(home)
        return url


def release(settings: Settings) -> bool:
    """Leave; the last one out stops the server, unless it is kept. True if it was stopped."""
    with _locked(settings.workspace) as home:
        if not _leave(home) or _is_used(home):
            return False
        cluster = _open_cluster(home)
        running = cluster.read_running() if cluster else None
        if cluster is None or running is None or _is_kept(home, running):
            return False
        cluster.stop(find_binaries(cluster.major()))
        return True


def start(settings: Settings, say: Callable[[str], None] | None = None) -> str:
    """Start the server and keep it running after its users have gone; gives its address."""
    with _locked(settings.workspace) as home:
        url = _bring_up(home, say or _say_nothing)
        if (cluster := _open_cluster(home)) and (running := cluster.read_running()):
            (home / "keep").write_text(_mark(running), encoding="ascii")
        return url


def stop(settings: Settings, *, force: bool = False) -> bool:
    """Stop the server; False if it was not running. Raises SetupError while other processes use it, unless forced."""
    with _locked(settings.workspace) as home:
        _leave(home)
        cluster = _open_cluster(home)
        if cluster is None or cluster.read_running() is None:
            return False
        if not force and _is_used(home):
            raise SetupError("A running geoserver uses this database; stop that first, or add --force.")
        cluster.stop(find_binaries(cluster.major()))
        (home / "keep").unlink(missing_ok=True)
        return True


def remove(settings: Settings) -> None:
    """Stop the server and delete the database with everything in it."""
    stop(settings)
    with _locked(settings.workspace) as home:
        place = home / "postgis"
        if place.is_symlink():
            shutil.rmtree(place.resolve(), ignore_errors=True)
            place.unlink()
        else:
            shutil.rmtree(place, ignore_errors=True)


def status(settings: Settings) -> Status:
    """How the workspace's database is; changes nothing."""
    home = _home(settings.workspace)
    cluster = _open_cluster(home)
    running = cluster.read_running() if cluster else None
    return Status(
        folder=cluster.folder if cluster else home / "postgis",
        url=_build_url(running.socket_folder) if running else None,
        pid=running.pid if running else None,
        major=cluster.major() if cluster else None,
        used=running is not None and _is_used(home),
        kept=running is not None and _is_kept(home, running),
    )


def _bring_up(home: Path, say: Callable[[str], None]) -> str:
    """The running server's address; makes the cluster and starts the server where needed. Called under the lock."""
    cluster = _open_cluster(home) or _make_place(home)
    try:
        if cluster.read_running() is None:
            binaries = find_binaries(cluster.major())
            if cluster.major() is None:
                say("Making a private PostGIS for this workspace")
                cluster.create(binaries)
            say(f"Starting PostgreSQL {binaries.major} with PostGIS {'.'.join(map(str, binaries.postgis))}")
            cluster.start(binaries)
        url = _build_url(_wait_until_ready(cluster).socket_folder)
    except OSError as error:
        raise SetupError(f"The private PostGIS in {cluster.folder} cannot be used: {error}") from error
    _make_database(url)
    return url


def _wait_until_ready(cluster: Cluster) -> Running:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        running = cluster.read_running()
        if running is None:
            break
        if running.ready:
            return running
        time.sleep(0.05)
    raise SetupError(f"PostgreSQL does not come up; its log: {cluster.log}")


def _make_database(url: str) -> None:
    """The database and its extension, if an interrupted start has not left them."""
    try:
        connection = connect(url, autocommit=True)
    except psycopg.OperationalError:
        maintenance = psycopg.conninfo.make_conninfo(url, dbname="postgres")
        with connect(maintenance, autocommit=True) as first:
            known = first.execute("SELECT 1 FROM pg_database WHERE datname = %s", [ROLE]).fetchone()
            if not known:
                first.execute(SQL("CREATE DATABASE {}").format(Identifier(ROLE)))
        connection = connect(url, autocommit=True)
    with connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")


def _build_url(sockets: Path) -> str:
    # The port is named because PGPORT would otherwise choose it.
    return f"postgresql://{ROLE}@/{ROLE}?host={quote(os.fsencode(sockets), safe='')}&port={PORT}"


def _home(workspace: Path) -> Path:
    return workspace.resolve() / ".geoserver"


@contextlib.contextmanager
def _locked(workspace: Path) -> Iterator[Path]:
    """The workspace's `.geoserver` folder, while no other process or thread starts or stops its database."""
    home = _home(workspace)
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitignore").write_text("*\n", encoding="ascii")
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SetupError(f"{home} must be writable by you: {error.strerror}") from error
    try:
        with _guard:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield home
    finally:
        os.close(descriptor)


def _join(home: Path) -> None:
    if home not in _shares:
        descriptor = os.open(home / "users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _shares[home] = descriptor


def _leave(home: Path) -> bool:
    """Give this process's share back; False if it had none."""
    descriptor = _shares.pop(home, None)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def _is_used(home: Path) -> bool:
    """Whether any process, this one too, holds a share."""
    try:
        descriptor = os.open(home / "users", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _is_kept(home: Path, running: Running) -> bool:
    try:
        return (home / "keep").read_text(encoding="ascii") == _mark(running)
    except OSError:
        return False


def _mark(running: Running) -> str:
    """Tells one run of the server from the next, so that a mark left by a crash means nothing."""
    return f"{running.pid} {running.started}\n"


def _open_cluster(home: Path) -> Cluster | None:
    """The cluster's place, if it has been made."""
    place = home / "postgis"
    try:
        folder = place.resolve(strict=True)
        owner = folder.stat()
        if os.geteuid() == 0:
            return Cluster(folder, Account(owner.st_uid, owner.st_gid) if owner.st_uid else _find_account())
        if owner.st_uid != os.geteuid():
            raise SetupError(f"{place} belongs to another user; run as that user, or use another workspace.")
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise SetupError(f"{place} belongs to another user; run as that user, or use another workspace.") from error
    return Cluster(folder, Account())


def _make_place(home: Path) -> Cluster:
    """An empty folder for the cluster, where the user that PostgreSQL will run as can reach it."""
    find_binaries()  # before anything is made: most likely this is what is missing
    place = home / "postgis"
    try:
        if os.geteuid() != 0:
            place.mkdir(mode=0o700)
            return Cluster(place, Account())
        account = _find_account()
        _SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = _SYSTEM_FOLDER / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        os.chown(folder, account.uid or 0, account.gid or 0)
        place.unlink(missing_ok=True)  # a link to a folder that is gone
        place.symlink_to(folder)
    except OSError as error:
        raise SetupError(f"No place for the private PostGIS: {error}") from error
    return Cluster(folder, account)


def _find_account() -> Account:
    """The system user for PostgreSQL when root starts it: `postgres`, else one that is made now."""
    for name in ("postgres", ROLE):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(_SYSTEM_FOLDER), ROLE]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError("PostgreSQL refuses to run as root: make a system user named postgres for it.") from error
    entry = pwd.getpwnam(ROLE)
    return Account(entry.pw_uid, entry.pw_gid)


def _say_nothing(_: str) -> None:
    return
