"""One PostgreSQL cluster in a folder: make it, start it, stop it, tell whether it runs.

    FOLDER/data            the cluster
    FOLDER/run             its socket (elsewhere when that path would be too long)
    FOLDER/postgres.log    what the server says

What may be left after a `kill -9` or a power cut: a `postmaster.pid` whose process is gone, is a zombie or is by now
someone else's, and orphaned backends that hold the shared memory. `start` clears both away, but never a living server.
The caller holds a lock, so that only one process at a time does any of this.
"""

from __future__ import annotations

import hashlib
import locale
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geoserver.database.tuning import build_configuration, read_cores, read_memory
from geoserver.errors import SetupError

if TYPE_CHECKING:
    from geoserver.database.binaries import Binaries

__all__ = ["ROLE", "Account", "Cluster", "Running"]

ROLE = "geoserver"  # superuser of the cluster, and the name of its database
PORT = 5432  # part of the socket's name only
_LONGEST_SOCKET = 107  # bytes in sockaddr_un.sun_path on Linux, less the closing zero (macOS has 103)
_LARGEST_LOG = 10_000_000
_START_SECONDS = 300  # a crashed server replays its log first
_STOP_SECONDS = 60
_INCLUDE = "\ninclude_if_exists = 'geoserver.conf'\n\n# Your own settings go below this line.\n"


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that PostgreSQL runs as; None means: the one who called."""

    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """What `postmaster.pid` says of a living server; `started` is in seconds since 1970."""

    pid: int
    started: int
    socket_folder: Path
    ready: bool


class Cluster:
    """The cluster in `folder`, which exists and belongs to `account`."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self._account = account

    def major(self) -> int | None:
        """PostgreSQL's major version that made the cluster, or None where there is none yet."""
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def create(self, binaries: Binaries) -> None:
        """Run initdb; an interrupted run leaves nothing that a later one would mistake for a cluster."""
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        arguments = ["-D", unfinished.name, "-U", ROLE, "--encoding=UTF8", "--locale=C", f"--lc-ctype={_find_ctype()}"]
        self._run(binaries, "initdb", *arguments, "--auth-local=trust", "--auth-host=scram-sha-256")
        with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_INCLUDE)
        unfinished.rename(self.data)

    def start(self, binaries: Binaries) -> None:
        """Start the server in a session of its own and wait until it takes connections; raises SetupError."""
        sockets = self._make_socket_folder()
        self._clear_remains(sockets)
        configuration = self.data / "geoserver.conf"
        configuration.write_text(build_configuration(sockets, read_memory(), read_cores()), encoding="utf-8")
        self._own(configuration)
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        # Relative names: pg_ctl hands them to a shell, where a folder's name may hold anything.
        self._run(binaries, "pg_ctl", "start", "-s", "-w", "-t", str(_START_SECONDS), "-D", "data", "-l", self.log.name)

    def stop(self, binaries: Binaries) -> None:
        """Close every connection, write everything down and end the server."""
        for mode in ("fast", "immediate"):
            try:
                self._run(binaries, "pg_ctl", "stop", "-s", "-w", "-t", str(_STOP_SECONDS), "-m", mode, "-D", "data")
            except SetupError:
                if self.read_running() is None:
                    return
                if mode == "immediate":
                    raise
            else:
                return

    def read_running(self) -> Running | None:
        """The living server of this cluster, or None."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            pid, started = int(lines[0]), int(lines[2])
        except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
            return None
        if not _is_postgres(pid, self.data):
            return None
        sockets = Path(lines[4]) if len(lines) > 4 else Path()  # noqa: PLR2004 - the file's fifth line
        ready = len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 - its eighth
        return Running(pid, started, sockets, ready)

    def _clear_remains(self, sockets: Path) -> None:
        """End orphaned backends of a killed postmaster and remove its lock files; no postmaster may be alive."""
        deadline = time.monotonic() + 10
        while orphans := _find_processes(self.data):
            for pid in orphans:
                _signal(pid, signal.SIGQUIT if time.monotonic() < deadline else signal.SIGKILL)
            if time.monotonic() > deadline + 5:
                raise SetupError(f"Processes of a killed PostgreSQL do not end: {', '.join(map(str, orphans))}")
            time.sleep(0.1)
        # PostgreSQL would take a zombie, or a stranger that got the number since, for the postmaster named in these.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (sockets / name).unlink(missing_ok=True)

    def _make_socket_folder(self) -> Path:
        own = self.folder / "run"
        if _is_fit_for_socket(own):
            own.mkdir(mode=0o700, exist_ok=True)
        else:
            digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
            # A fixed place, not $TMPDIR: two processes with different environments must agree on it.
            own = Path("/tmp") / f"geoserver-{os.getuid()}-{digest}"  # noqa: S108 - checked below for who made it
            own.mkdir(mode=0o700, exist_ok=True)
            found = own.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.getuid(), self._account.uid):
                raise SetupError(f"{own} belongs to someone else; remove it, or use a workspace with a shorter path.")
        own.chmod(0o700)
        self._own(own)
        return own

    def _own(self, path: Path) -> None:
        if self._account.uid is not None and self._account.gid is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _run(self, binaries: Binaries, program: str, *arguments: str) -> None:
        """Run a PostgreSQL program in the cluster's folder, as its account; raises SetupError in its words."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        groups: list[int] | None = None if self._account.uid is None else []
        seen = self.log.stat().st_size if self.log.exists() else 0
        try:
            done = subprocess.run(  # noqa: S603 - a program that we found ourselves, without a shell
                [binaries.folder / program, *arguments],
                cwd=self.folder,
                env=environment | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                start_new_session=True,  # Ctrl-C in a terminal is for us, who then stop PostgreSQL in good order
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=groups,
            )
        except OSError as error:
            raise SetupError(f"{binaries.folder / program} cannot run: {error}") from error
        if done.returncode:
            raise SetupError(f"{program} failed: {self._explain(done.stdout, seen)} (log: {self.log})")

    def _explain(self, output: str, seen: int) -> str:
        """The line that explains a failure: of what the program printed, or of what the log got after `seen` bytes."""
        text = output
        if self.log.exists():
            with self.log.open("rb") as file:
                file.seek(seen)
                text += "\n" + file.read(100_000).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        telling = [line for line in lines if "FATAL:" in line or "error:" in line]
        return (telling or lines or ["it printed nothing"])[-1]


def _find_ctype() -> str:
    """A locale whose character types are Unicode's, so that lower() knows more than ASCII."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"


def _is_fit_for_socket(folder: Path) -> bool:
    """Whether PostgreSQL can bind there and libpq, which reads a comma as the start of another host, can be told so."""
    path = os.fsencode(folder / f".s.PGSQL.{PORT}")
    longest = _LONGEST_SOCKET if sys.platform == "linux" else 103
    return len(path) <= longest and not set(path) & set(b',"\\\n')


def _is_postgres(pid: int, data: Path) -> bool:
    """Whether that process lives and is a PostgreSQL server of this cluster; a number may have a new bearer."""
    if Path("/proc/self/stat").exists():
        return pid in _find_processes(data, [pid])
    done = subprocess.run(["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603,S607 - fixed words and a number
    state, _, command = done.stdout.strip().partition(" ")
    return bool(state) and not state.startswith("Z") and "postgres" in command


def _find_processes(data: Path, candidates: list[int] | None = None) -> list[int]:
    """Living PostgreSQL processes whose working folder is the cluster's (Linux; elsewhere none are found)."""
    if candidates is None:
        proc = Path("/proc")
        candidates = [int(item.name) for item in proc.iterdir() if item.name.isdigit()] if proc.is_dir() else []
    wanted = os.path.realpath(data)
    found = []
    for pid in candidates:
        try:
            # A zombie has no working folder, which is as it should be: it holds nothing.
            if os.readlink(f"/proc/{pid}/cwd") == wanted and "postgres" in Path(f"/proc/{pid}/comm").read_text():  # noqa: PTH115 - the text of the link, not a path to follow
                found.append(pid)
        except OSError:
            continue
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
