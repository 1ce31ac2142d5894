"""Files are read in a process of their own: what a hostile or broken file does there ends that process and no other."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from geoserver.errors import LoadError
from geoserver.sources.base import Opened, read_parts
from geoserver.sources.frames import Torn, read_batch, read_frame
from geoserver.sources.sandbox import find_memory, list_variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.sources.base import Batch, Request

__all__ = ["Nursery", "open_apart"]

_PIPE = 1 << 20
_NEEDED = ("geoserver.sources.reader", "pyogrio")
_MEMORY = {  # one thread, so that it can fork, and memory that is kept for the next batch
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 26),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 27),
}
_FLAT = {  # one thread, and memory that is given back
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 18),  # a set one does not grow by itself
    "MALLOC_TRIM_THRESHOLD_": str(1 << 20),
}


def open_apart(request: Request) -> Opened:
    """Open a file in a new process; raises LoadError that says which file and why not, or how the process ended."""
    rows = _Rows(request)
    header = rows.take()
    if header["kind"] != "opened":
        raise rows.explain()
    del header["kind"]
    header["columns"] = tuple(header["columns"])
    return Opened(rows, **header)


class _Rows:
    """The batches that a reading process sends. When nobody holds this any more, the process is ended."""

    def __init__(self, request: Request) -> None:
        assert request.path is not None  # noqa: S101 - a table is not read apart
        self._request = request
        self._pipe, writer = os.pipe()
        with contextlib.suppress(AttributeError, OSError):  # a wide pipe means fewer turns between the two processes
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE)
        self._status, theirs = socket.socketpair()
        self._close = weakref.finalize(self, _close, self._pipe, self._status)
        order = (replace(request, database_url=""), read_parts(request.path))
        try:
            _NURSERY.send(_NEEDED, order, [writer, theirs.fileno()])
        finally:
            os.close(writer)
            theirs.close()
        self._body: Any = None

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> Batch:
        if not self._close.alive:
            raise StopIteration
        header = self.take()
        if header["kind"] == "end":
            self._close()
            raise StopIteration
        return read_batch(header, self._body)

    def take(self) -> dict[str, Any]:
        """The next header; raises LoadError for one that tells of an error, or when the process has ended."""
        try:
            header, self._body = read_frame(self._pipe, self._wait)
        except Torn:
            raise self.explain() from None
        if header["kind"] == "error":
            self._close()
            raise LoadError(header["message"])
        return header

    def close(self) -> None:
        """End the process; there are no more rows."""
        self._close()

    def explain(self) -> LoadError:
        """How the process ended."""
        with contextlib.suppress(OSError):
            self._status.settimeout(5)
            told = self._status.recv(4)
            code = struct.unpack("<i", told)[0] if len(told) == 4 else 1  # noqa: PLR2004 - as the nursery packs it
        memory = (self._request.limits.memory or find_memory()) >> 20
        self._close()
        if code == -signal.SIGABRT:
            return self._request.fail(f"cannot be read: it is broken, or needs more than {memory:,} MB of memory")
        if code == -signal.SIGKILL:
            return self._request.fail("cannot be read: the system ended the process that read it (out of memory?)")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return self._request.fail(f"cannot be read: it is broken, and ended the process that read it {how}")

    def _wait(self) -> None:
        patience = self._request.limits.patience
        if not select.select([self._pipe], [], [], patience)[0]:
            self._close()
            raise self._request.fail(f"cannot be read: nothing came of it for {patience:.0f} seconds")


def _close(pipe: int, status: socket.socket) -> None:
    os.close(pipe)
    status.close()


class Nursery:
    """The process that forks others which do a piece of work; started when it is first needed, ended with this one."""

    def __init__(self, *, trusted: bool = False, without: Iterable[str] = ()) -> None:
        """`trusted` work may know passwords, for it is not done on foreign files; `without` names libraries that
        others can use but need not, and that are not imported for them.
        """
        self._trusted = trusted
        self._without = tuple(without)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._owner = 0

    def send(self, modules: Iterable[str], order: object, fds: list[int]) -> None:
        """Have a process started that does this by the first of these modules, and gets these descriptors."""
        content = " ".join(modules).encode() + b"\n" + pickle.dumps(order)
        with self._lock:
            for _ in range(2):
                orders = self._connect()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    socket.send_fds(orders, [struct.pack("<I", len(content))], fds)
                    orders.sendall(content)
                    return
                self._stop()
        raise LoadError("the process that reads and writes files could not be started")

    def _connect(self) -> socket.socket:
        if self._orders is None or self._owner != os.getpid():
            self._orders, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-P", "-m", "geoserver.nursery", str(theirs.fileno()), *self._without]
                environment = dict(os.environ) | _FLAT if self._trusted else list_variables() | _MEMORY
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)  # noqa: S603 - this Python
            self._owner = os.getpid()
        return self._orders

    def _stop(self) -> None:
        if self._orders and self._owner == os.getpid():
            self._orders.close()
            if self._process:
                self._process.wait()
        self._orders = self._process = None

    def close(self) -> None:
        """End it; what it started ends with whoever wanted it."""
        with self._lock:
            self._stop()


_NURSERY = Nursery()
atexit.register(_NURSERY.close)
