"""A process that has libraries at hand and forks a new one for each piece of work: a start costs milliseconds.

    parent ──order──> nursery ──fork──> warden ──fork──> worker ──bytes──> parent

The worker may die of its work: of the file that it reads, or because nobody wants any more what it writes. The warden
waits for it, tells the parent how it ended and what it left in the file `told` of its folder, removes that folder, and
ends the worker when the parent is gone. Started by `geoserver.sources.apart`.

An order begins with a line of modules to have at hand. The first of them does the work, by
`work(order, pipe, folder)`, and its `prepare()`, if it has one, is called once.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import pickle
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["TOLD"]

TOLD = "told"  # file in which a worker leaves words for the parent
_FDS = 2
_MOST_TOLD = 1 << 16
_PREFIX = "geoserver-work-"
_LEFT = 3600  # seconds after which a folder that nobody holds is nobody's


class _Without:
    """Stops pyogrio and pyarrow from importing pandas and geopandas: unused here, and slow to import."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name in ("geopandas", "pandas"):
            raise ModuleNotFoundError(name)


def main(number: int) -> None:
    """Serve requests from a socket until its other end is closed."""
    sys.meta_path.insert(0, _Without())
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)  # sent to all, it reaches the loader too, which closes the socket
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # wardens need no one to wait for them
    _sweep()
    with socket.socket(fileno=number) as orders:
        while True:
            head, fds, _flags, _address = socket.recv_fds(orders, 4, _FDS)
            if len(head) < 4 or len(fds) < _FDS:  # noqa: PLR2004 - the length of what follows
                return
            size = struct.unpack("<I", head)[0]
            order = b""
            while len(order) < size and (part := orders.recv(size - len(order))):
                order += part
            names, _, content = order.partition(b"\n")
            module = _have(names.decode().split())
            if os.fork() == 0:
                orders.close()
                with contextlib.suppress(BaseException):
                    _guard(module, pickle.loads(content), *fds)  # noqa: S301 - from the parent, which started us
                os._exit(0)
            for fd in fds:
                os.close(fd)


def _sweep() -> None:
    """Remove the folders of those that were killed before they could do it."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                state = os.fstat(number)
                if state.st_uid == os.geteuid() and time.time() - state.st_mtime > _LEFT:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)
            finally:
                os.close(number)


def _have(names: list[str]) -> Any:
    """Import what an order needs, before the fork and only in this process; gives the module that does the work."""
    new = names[0] not in sys.modules
    first, *_ = [importlib.import_module(name) for name in names]
    if new:
        getattr(first, "prepare", lambda: None)()
    gc.collect()
    gc.freeze()  # what is at hand is shared with those that are forked, as long as nobody looks through it
    return first


def _guard(module: Any, order: object, rows: int, parent: int) -> None:
    """Fork a worker, wait for its end or the parent's, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX)  # until this process and the worker have ended
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(tell)
    try:
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in (told, tell, parent):
                os.close(number)
            _work(module, order, rows, folder)
        os.close(rows)
        with socket.socket(fileno=parent) as status:
            ended, _, _ = select.select([told, status.fileno()], [], [])
            if told not in ended:
                os.kill(pid, signal.SIGKILL)
            _, code = os.waitpid(pid, 0)
            words = b""
            with contextlib.suppress(OSError), (folder / TOLD).open("rb") as file:
                words = file.read(_MOST_TOLD)
            shutil.rmtree(folder, ignore_errors=True)
            status.sendall(struct.pack("<i", os.waitstatus_to_exitcode(code)) + words)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _work(module: Any, order: object, pipe: int, folder: Path) -> None:
    """The worker: nothing of the nursery's is open in it but the pipe that its bytes go to."""
    status = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        module.work(order, pipe, folder)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
