"""An extract of OpenStreetMap becomes the basemap of a workspace: read apart, loaded, and only then put in place."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from geoserver.basemap.files import DATA, find_foreign, is_ours, put_in_place, render_layer_file, staging_folder
from geoserver.basemap.sheets import SHEETS
from geoserver.catalog import read_layer
from geoserver.catalog.languages import page_languages
from geoserver.errors import GeoserverError, LoadError, PreparationError, shorten
from geoserver.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.loading import LoadReport, Progress

__all__ = ["Made", "make_basemap"]

_MEMORY = 2 << 30  # bytes that the reading process may take
_AT_ONCE = 3  # layers that are loaded side by side
_PATIENCE = 300.0  # seconds without a word
_LONGEST = 1 << 20  # bytes of a line that the process says
_SECRET = ("DATABASE_URL", "PG", "PASSWORD", "SECRET", "TOKEN", "KEY")


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it: rows per layer, what was repaired or left out, languages, and layers that are the city's own."""

    reports: list[LoadReport]
    notes: dict[str, int]
    languages: list[str]
    foreign: list[str]
    warnings: list[str] = field(default_factory=list)


type Loading = Callable[[str], contextlib.AbstractContextManager[Progress]]
type Reading = Callable[[str, int], None]


def make_basemap(
    extract: Path, workspace: Path, url: str, *, reading: Reading, loading: Loading, force: bool = False
) -> Made:
    """Make every layer of the basemap anew. Raises LoadError; the basemap that was there then stays in service."""
    foreign = find_foreign(workspace)
    if len(foreign) == len(SHEETS):
        raise LoadError(
            f"{workspace / 'layers'}: every layer of a basemap is there, written by hand; none was replaced"
        )
    with staging_folder(workspace) as staging:
        told = _read_apart(extract, staging / DATA, reading)
        names = [name for name in SHEETS if told["counts"].get(name) and name not in foreign]
        if not set(names) - {"beyond"}:
            raise LoadError(f"{extract}: holds nothing that a basemap draws")
        for name in names:
            text = render_layer_file(SHEETS[name], extract.name, told["languages"])
            (staging / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")
        work = _Work(staging, workspace, url, loading, force=force)
        work.load(names)
        put_in_place(staging, workspace, names)
    return Made(work.reports, told["notes"], told["languages"], foreign, work.warnings)


@dataclass(slots=True)
class _Work:
    """Layers of the staging folder on their way into the database."""

    staging: Path
    workspace: Path
    url: str
    loading: Loading
    force: bool
    reports: list[LoadReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def load(self, names: list[str]) -> None:
        """Load some layers at a time, the large ones first; when one fails, the others get their old rows back."""
        files = {name: self.staging / DATA / f"{name}.parquet" for name in names}
        largest = sorted(names, key=lambda name: -files[name].stat().st_size)
        with ThreadPoolExecutor(_AT_ONCE, "geoserver-basemap") as pool:
            jobs = {name: pool.submit(self._load, name) for name in largest}
            try:
                for job in as_completed(jobs.values()):
                    job.result()
            except BaseException as error:
                for job in jobs.values():
                    job.cancel()
                wait(jobs.values())
                self._take_back([name for name, job in jobs.items() if not job.cancelled() and not job.exception()])
                if isinstance(error, LoadError):
                    why = str(error)
                    for name in names:
                        why = why.replace(f"geoserver load {name} --force", "geoserver basemap EXTRACT --force")
                    raise LoadError(f"The basemap stays as it was. {why}") from error
                raise
        self.reports.sort(key=lambda report: names.index(report.layer_id))

    def _load(self, name: str) -> None:
        layer = read_layer(self.staging / "layers" / f"{name}.toml")
        try:
            with self.loading(name) as progress:
                self.reports.append(load(layer, self.url, progress=progress, force=self.force))
        except PreparationError as error:
            self.warnings.append(f"{name}: loaded, without its tiles prepared: {error}")

    def _take_back(self, names: list[str]) -> None:
        """The rows of before, of layers that had any."""
        for name in names:
            path = self.workspace / "layers" / f"{name}.toml"
            if is_ours(path):
                with contextlib.suppress(GeoserverError), self.loading(name) as progress:
                    load(read_layer(path), self.url, progress=progress, accept_losses=True)


def _read_apart(extract: Path, folder: Path, reading: Reading) -> dict[str, Any]:
    """Have another process read the extract into files; gives what it tells at the end."""
    if not extract.is_file():
        raise LoadError(f"{extract}: {'is a folder' if extract.is_dir() else 'there is no such file'}")
    environment = {
        name: value for name, value in os.environ.items() if not any(word in name.upper() for word in _SECRET)
    }
    command = [sys.executable, "-P", "-m", "geoserver.basemap.child"]
    order = {
        "path": str(extract.resolve()),
        "folder": str(folder.resolve()),
        "memory": _MEMORY,
        "languages": page_languages(),
    }
    with subprocess.Popen(  # noqa: S603 - this Python
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            assert process.stdin is not None  # noqa: S101 - a pipe
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.close()
            return _listen(extract, process, reading)
        except BrokenPipeError:
            raise LoadError(f"{extract}: the process that reads it could not be started") from None
        finally:
            process.kill()


def _listen(extract: Path, process: subprocess.Popen[bytes], reading: Reading) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - a pipe
    while True:
        if not select.select([process.stdout], [], [], _PATIENCE)[0]:
            raise LoadError(f"{extract}: nothing came of reading it for {_PATIENCE:.0f} seconds")
        line = process.stdout.readline(_LONGEST)
        if not line:
            code = process.wait()
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
            raise LoadError(f"{extract}: it is broken, or too large: the process that read it ended {how}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise LoadError(f"{extract}: {shorten(str(told['error']), 500)}")
        if "counts" in told:
            return told
        reading(str(told["phase"]), int(told["done"]))
