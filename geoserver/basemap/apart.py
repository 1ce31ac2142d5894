"""The processes that read an extract, seen from the one that asked for it: rows come while they are still reading.

The one that is started becomes two, each with a pipe to this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geoserver.catalog.languages import page_languages
from geoserver.errors import LoadError, shorten
from geoserver.sources.frames import Torn, read_frame
from geoserver.sources.sandbox import list_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

__all__ = ["Reader"]

_MEMORY = 2 << 30  # bytes that the reading process may take
_PATIENCE = 300.0  # seconds without a word
_AHEAD = 8  # batches of some 8,000 rows that may wait to be loaded
_END = 5.0  # seconds for a process that said something senseless to end by itself
_LITTLE_MEMORY = {  # osmium reads no further ahead than it has to, and what is free is given back
    "OSMIUM_MAX_INPUT_QUEUE_SIZE": "2",
    "OSMIUM_MAX_WORK_QUEUE_SIZE": "2",
    "OSMIUM_MAX_OSMDATA_QUEUE_SIZE": "2",
    "OSMIUM_POOL_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(256 << 10),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 20),
}

type _Frame = tuple[dict[str, Any], pa.Buffer]


def _find_fault(extract: Path) -> str:
    """Why a path leads to nothing that can be read here; empty where it may."""
    try:
        mode = extract.stat().st_mode
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:  # links in a circle, no way in, too long a name
        return f"cannot be reached: {error.strerror}"
    if stat.S_ISDIR(mode):
        return "is a folder"
    if not stat.S_ISREG(mode):
        return "is no file that can be read several times; save it as one first"
    return "" if os.access(extract, os.R_OK) else "cannot be read by this user"


class Reader:
    """Reads an extract in other processes, as a context. Raises LoadError that says what is wrong with it."""

    def __init__(self, extract: Path, folder: Path, reading: Callable[[str, int], None]) -> None:
        if fault := _find_fault(extract):
            raise LoadError(f"{extract}: {fault}")
        self.notes: dict[str, int] = {}
        self._extract = extract
        self.reading = reading
        self._frames: queue.Queue[_Frame | LoadError] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._streets, streets = os.pipe()
        order = {
            "path": str(extract.resolve()),
            "folder": str(folder.resolve()),
            "memory": _MEMORY,
            "parent": os.getpid(),
            "languages": page_languages(),
            "streets": streets,
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this Python
                [sys.executable, "-P", "-m", "geoserver.basemap.child", json.dumps(order)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[streets],
                env=list_variables() | _LITTLE_MEMORY,
                bufsize=0,
                start_new_session=True,  # an interrupt is for the command, which ends them
            )
        finally:
            os.close(streets)
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        self._threads = [
            threading.Thread(target=self._listen, args=[pipe], name="geoserver-basemap-reader", daemon=True)
            for pipe in (self._process.stdout.fileno(), self._streets)
        ]

    def __enter__(self) -> Reader:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._kill()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._process.wait()
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        self._process.stdout.close()
        os.close(self._streets)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self, pipe: int) -> None:
        """Read ahead, as far as there is room."""

        def wait() -> None:
            if not select.select([pipe], [], [], _PATIENCE)[0]:
                raise LoadError(f"{self._extract}: nothing came of reading it for {_PATIENCE:.0f} seconds")

        kind = ""
        while kind not in ("end", "error") and not self._closed.is_set():
            found: _Frame | LoadError
            try:
                found = read_frame(pipe, wait)
                kind = str(found[0]["kind"])
            except LoadError as error:
                found, kind = error, "error"
            except (Torn, OSError, ValueError, KeyError, MemoryError, pa.ArrowException):
                found, kind = self._explain(), "error"
            if kind == "behind":
                self._threads[1].join()  # what comes now stands behind all of the other pipe
                continue
            while not self._closed.is_set():
                try:
                    self._frames.put(found, timeout=0.1)
                except queue.Full:
                    continue
                break
            if kind == "found":
                self._threads[1].start()  # and what comes of the other pipe behind this

    def _explain(self) -> LoadError:
        """How the process ended, which it must."""
        try:
            code = self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._kill()
            code = self._process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return LoadError(f"{self._extract}: it is broken, or too large: the process that read it ended {how}")

    def read_languages(self) -> list[str]:
        """In which names are beside the local ones, the most common first; they are told before any row."""
        header, _ = self._take("found")
        return [str(language) for language in header["languages"]]

    def iterate(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Rows, each with the name of their sheet; at the end `notes` says what was repaired or left out."""
        working = 2
        while working:
            header, body = self._take("rows", "end")
            if header["kind"] == "end":
                working -= 1
                for what, count in header["notes"].items():
                    self.notes[str(what)] = self.notes.get(str(what), 0) + int(count)
                continue
            try:
                rows = pa.ipc.open_stream(body).read_next_batch()
                rows.validate(full=True)
            except pa.ArrowException as error:
                raise LoadError(f"{self._extract}: the process that reads it sent no rows: {error}") from error
            yield str(header["layer"]), rows

    def _take(self, *kinds: str) -> _Frame:
        while True:
            found = self._frames.get()
            if isinstance(found, LoadError):
                raise found
            header, body = found
            if header["kind"] == "progress":
                self.reading(str(header["phase"]), int(header["done"]))
            elif header["kind"] == "error":
                raise LoadError(f"{self._extract}: {shorten(str(header['message']), 500)}")
            elif header["kind"] in kinds:
                return header, body
            else:
                raise LoadError(f"{self._extract}: the process that reads it is not to be understood")
