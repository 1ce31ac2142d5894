"""The frame that every benchmark shares: one database, one data set, one server, and rows of ratios at the end."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from benchmarks.city import BIG, CITY, POINTS
from benchmarks.drive import pin
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings
from geoserver.database.migrate import apply_migrations
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geoserver.model import Layer

__all__ = ["Context", "Row", "Server", "Table", "describe_machine", "make_database", "write_results"]

_COLD = {"GEOSERVER_TILE_CACHE_MB": "0"}
_LIBRARIES = ("fastapi", "uvicorn", "psycopg", "pygeoapi", "pyogrio", "pyarrow", "shapely")


ZOOMS = (0, 6, 9, 10, 11, 12, 13, 14, 15, 16)  # of tiles that are measured


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of ours and, where there is something to divide by, that of a reference.

    `at_least` and `at_most` are what is to be reached: by the ratio ours/reference, or by our figure without reference.
    """

    part: str
    name: str
    ours: float
    unit: str
    reference: float | None = None
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.reference if self.reference else None

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}" if self.at_most is not None else ""

    @property
    def met(self) -> bool | None:
        figure = self.ratio if self.reference else self.ours
        if figure is None or not self.target:
            return None
        least = float("-inf") if self.at_least is None else self.at_least
        return least <= figure <= (float("inf") if self.at_most is None else self.at_most)


@dataclass(frozen=True)
class Server:
    """A running server of ours: where it answers and which process it is (for its memory)."""

    url: str
    pid: int


@dataclass(frozen=True)
class Table:
    """Figures behind the ratios: a table of texts below the one of ratios."""

    title: str
    header: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]


@dataclass
class Context:
    """What a part may use. `database_url` is a database of our own, `folder` is scratch space and a workspace."""

    database_url: str
    folder: Path
    rows: int = 1_000_000
    seconds: float = 5.0
    concurrency: int = 8
    big: bool = False  # also ten times as many points
    zooms: tuple[int, ...] = ZOOMS
    different_tiles: int = 100_000  # that the part `memory` asks for
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)  # of peers that took part
    _loaded: set[str] = field(default_factory=set)

    def note(self, text: str) -> None:
        """Say something on the terminal and below the table."""
        print(f"  {text}", flush=True)
        self.notes.append(text)

    @contextlib.contextmanager
    def step(self, part: str, what: str) -> Iterator[None]:
        """Say how long it took, or what went wrong; the rest goes on."""
        start = time.monotonic()
        try:
            yield
            print(f"  {what}: {time.monotonic() - start:.0f} s", flush=True)
        except Exception as error:
            self.note(f"{part}: {what} failed: {type(error).__name__}: {error}")

    @property
    def layers(self) -> list[str]:
        """The generated layers of this run."""
        return [name for name in CITY if self.big or name != BIG]

    def rows_of(self, name: str) -> int:
        return max(1, round(self.rows * CITY[name].share))

    def source(self, name: str = POINTS) -> Path:
        """The generated file of a layer; made on first use, the same bytes every time."""
        return CITY[name].write(self.folder / "data" / CITY[name].file, self.rows_of(name))

    def layer(self, name: str = POINTS) -> Layer:
        """A layer over generated rows, from a layer file in the workspace `folder`."""
        self.source(name)
        file = self.folder / "layers" / f"{name}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not (file.is_file() and file.read_text(encoding="utf-8").startswith(CITY[name].layer_file)):
            file.write_text(CITY[name].layer_file, encoding="utf-8")
        return read_catalog(read_settings(self.folder)).layers[name]

    def load(self, name: str = POINTS) -> Layer:
        """The layer, loaded into its table in `layers` once in a run."""
        layer = self.layer(name)
        if name not in self._loaded:
            report = load(layer, self.database_url, force=True)  # prepared by the code that is measured
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                connection.execute(SQL("VACUUM ANALYZE {}").format(Identifier("layers", layer.table)))
            print(f"  {name}: {report.rows:,} rows, loaded in {report.seconds:.0f} s", flush=True)
            self._loaded.add(name)
        return layer

    @contextlib.contextmanager
    def serve(self, *names: str, cold: bool = False, cores: str = "") -> Iterator[Server]:
        """Our server over the named layers (or the points), in a process of its own, as `geoserver serve` runs it.

        `cold`: it keeps no tiles. `cores`: the processor cores that it may use, as taskset writes them.
        """
        for name in names or (POINTS,):
            self.load(name)
        with self._run("serve", self.folder, cores, _COLD if cold else {}) as server:
            yield server

    @contextlib.contextmanager
    def serve_samples(self, *, cold: bool = False, environment: dict[str, str] | None = None) -> Iterator[Server]:
        """Our server over the sample city in a database of its own, loaded first, as `geoserver demo` runs it."""
        workspace = self.folder / "samples"
        workspace.mkdir(exist_ok=True)
        url = make_database(self.database_url, f"{conninfo_to_dict(self.database_url)['dbname']}_samples")
        given = {"DATABASE_URL": url} | (_COLD if cold else {}) | (environment or {})
        with self._run("demo", workspace, environment=given) as server:
            yield server

    @contextlib.contextmanager
    def serve_workspace(
        self,
        workspace: Path,
        url: str,
        environment: dict[str, str] | None = None,
        *,
        cores: str = "",
        cold: bool = False,
    ) -> Iterator[Server]:
        """Our server over another workspace, loaded into the database at `url`."""
        given = {"DATABASE_URL": url} | (_COLD if cold else {}) | (environment or {})
        with self._run("serve", workspace, cores, given) as server:
            yield server

    @contextlib.contextmanager
    def _run(
        self, what: str, workspace: Path, cores: str = "", environment: dict[str, str] | None = None
    ) -> Iterator[Server]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [*pin(cores), sys.executable, "-m", "geoserver", what, "--workspace", str(workspace)]
        command += ["--port", str(port)]
        ours = {"DATABASE_URL": self.database_url, "GEOSERVER_LOG_LEVEL": "warning"} | (environment or {})
        with (self.folder / "server.log").open("w") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | ours, start_new_session=True
            )
            server = Server(f"http://127.0.0.1:{port}", process.pid)
            try:
                _wait_until_ready(server, process)
                yield server
            finally:
                process.terminate()
                process.wait(timeout=30)


def make_database(server: str, name: str) -> str:
    """A database of our own on that server; the rows that an earlier run loaded are still there."""
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    url = make_conninfo(server, dbname=name)
    apply_migrations(url)
    return url


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180  # the sample city is loaded within
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}; see server.log in the scratch folder")
        with contextlib.suppress(URLError, ConnectionError), urllib.request.urlopen(f"{server.url}/readyz"):
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not become ready within three minutes")


def describe_machine(database_url: str, peers: dict[str, str]) -> dict[str, Any]:
    """Commit, cores, memory and versions (also of the peers that took part), so that a table can be judged later."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT current_setting('server_version'), postgis_lib_version()").fetchone()
    postgres, postgis = row or ("?", "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {"python": platform.python_version(), "postgresql": str(postgres).split()[0], "postgis": postgis}
    return {
        "commit": _git("rev-parse", "--short=10", "HEAD") or "unknown",
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "versions": versions | {name: version(name) for name in _LIBRARIES} | peers,
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def write_results(folder: Path, machine: dict[str, Any], rows: list[Row], context: Context) -> Path:
    """Write `<date>-<commit>.md` and `.json` into the folder; gives the path of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{machine['date']}-{machine['commit']}.md"
    path.write_text(build_report(machine, rows, context), encoding="utf-8")
    found = [asdict(row) | {"ratio": row.ratio, "met": row.met} for row in rows]
    body = machine | {"rows": found, "notes": context.notes, "tables": [asdict(table) for table in context.tables]}
    path.with_suffix(".json").write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def build_report(machine: dict[str, Any], rows: list[Row], context: Context) -> str:
    """The table of ratios in Markdown, the notes, and the figures behind."""
    state = " with uncommitted changes" if machine["changed"] else ""
    lines = [
        f"# Benchmarks of {machine['date']}, commit {machine['commit']}{state}",
        "",
        f"{machine['system']}; " + ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        "",
        "| part | what | ours | reference | ratio | to reach | |",
        "|---|---|---:|---:|---:|---|---|",
    ]
    for row in rows:
        reference = f"{row.reference:,.4g} {row.unit} ({row.against})" if row.reference else ""
        ratio = _short(row.ratio) if row.ratio is not None else ""
        verdict = {True: "met", False: "**not met**", None: ""}[row.met]
        cells = (row.part, row.name, f"{row.ours:,.4g} {row.unit}", reference, ratio, row.target, verdict)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"- {note}" for note in context.notes)]
    for table in context.tables:
        lines += ["", f"## {table.title}", "", *_draw_table(table)]
    return "\n".join(lines).rstrip() + "\n"


def _short(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.2g}"


def _draw_table(table: Table) -> list[str]:
    rule = "|---" + "|---:" * (len(table.header) - 1) + "|"
    return ["| " + " | ".join(table.header) + " |", rule, *("| " + " | ".join(line) + " |" for line in table.lines)]
