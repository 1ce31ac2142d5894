"""The frame that every benchmark shares: one database, one data set, one server, and rows of ratios at the end."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import statistics
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

from benchmarks import data
from geoserver.catalog import read_layer
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.model import Layer

__all__ = ["Context", "Row", "Server", "describe_machine", "median_seconds", "write_results"]

LAYER = "points"
_LIBRARIES = ("fastapi", "uvicorn", "psycopg", "pygeoapi", "pyogrio", "pyarrow", "shapely")


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
        return figure >= (self.at_least or float("-inf")) and figure <= (self.at_most or float("inf"))


@dataclass(frozen=True)
class Server:
    """A running server of ours: where it answers and which process it is (for its memory)."""

    url: str
    pid: int


@dataclass
class Context:
    """What a part may use. `database_url` is a database of our own, `folder` is scratch space and a workspace."""

    database_url: str
    folder: Path
    rows: int = 1_000_000
    seconds: float = 5.0
    concurrency: int = 8
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say something on the terminal and below the table."""
        print(f"  {text}", flush=True)
        self.notes.append(text)

    def points_csv(self) -> Path:
        """The generated points as CSV; made on first use, the same bytes every time."""
        return data.write_points(self.folder / "data" / "points.csv", self.rows)

    def layer(self) -> Layer:
        """The layer over the generated points, from a layer file in the workspace `folder`."""
        self.points_csv()
        return read_layer(data.write_layer_file(self.folder / "layers" / f"{LAYER}.toml"))

    def load(self) -> Layer:
        """The layer, loaded into `layers.points` (nothing is done when it already is)."""
        layer = self.layer()
        load(layer, self.database_url)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE layers.points")
        return layer

    @contextlib.contextmanager
    def serve(self) -> Iterator[Server]:
        """Our server over the loaded points, in a process of its own, as `geoserver serve` runs it."""
        self.load()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "geoserver", "serve", "--workspace", str(self.folder), "--port", str(port)]
        log = (self.folder / "server.log").open("w")
        environment = os.environ | {"DATABASE_URL": self.database_url, "GEOSERVER_LOG_LEVEL": "warning"}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        server = Server(f"http://127.0.0.1:{port}", process.pid)
        try:
            _wait_until_ready(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)
            log.close()


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}; see server.log in the scratch folder")
        with contextlib.suppress(URLError, ConnectionError), urllib.request.urlopen(f"{server.url}/readyz"):
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not become ready within a minute")


def median_seconds(call: Callable[[], object], times: int = 3) -> float:
    """Median wall time of a few calls."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def describe_machine(database_url: str) -> dict[str, Any]:
    """Commit, cores, memory and versions, so that a table can be judged later."""
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
        "versions": versions | {name: version(name) for name in _LIBRARIES},
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def write_results(folder: Path, machine: dict[str, Any], rows: list[Row], notes: list[str]) -> Path:
    """Write `<date>-<commit>.md` and `.json` into the folder; gives the path of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{machine['date']}-{machine['commit']}.md"
    path.write_text(build_report(machine, rows, notes), encoding="utf-8")
    body = machine | {"rows": [asdict(row) | {"ratio": row.ratio, "met": row.met} for row in rows], "notes": notes}
    path.with_suffix(".json").write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def build_report(machine: dict[str, Any], rows: list[Row], notes: list[str]) -> str:
    """The table in Markdown."""
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
        ratio = f"{row.ratio:.2f}" if row.ratio else ""
        verdict = {True: "met", False: "**not met**", None: ""}[row.met]
        cells = (row.part, row.name, f"{row.ours:,.4g} {row.unit}", reference, ratio, row.target, verdict)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]).rstrip() + "\n"
