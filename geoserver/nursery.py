"""A process that has libraries at hand and forks a new one for each piece of work: a start costs milliseconds.

    parent ──order──> nursery ──fork──> worker ──bytes──> parent

The worker may die of its work: of the file that it reads, or because nobody wants any more what it writes. The nursery
hears of its end, tells the parent how it ended and what it left in the file `told` of its folder, removes that folder,
and ends the worker when the parent lets go of it or is gone. Started by `geoserver.sources.apart`; it stands alone, so
that it begins small: what it holds, all that it forks hold too.

An order begins with a line of modules to have at hand. The first of them does the work, by
`work(order, pipe, folder)`, and its `prepare()`, if it has one, is called once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import importlib
import json
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
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TOLD"]

TOLD = "told"  # file in which a worker leaves words for the parent
_FDS = 2
_MOST_TOLD = 1 << 16
_PREFIX = "geoserver-work-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEFT = 3600  # seconds after which a folder that nobody holds is nobody's


class _Without:
    """Stops libraries from importing others that they can use but need not: unused here, large, and slow to import."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, name: str, *_: object) -> None:
        if name in self._names:
            raise ModuleNotFoundError(name)


def _have(names: list[str], without: Iterable[str]) -> Any:
    """Import what an order needs, before the fork and only in this process; gives the module that does the work."""
    new = names[0] not in sys.modules
    unwanted = _Without(without)
    sys.meta_path.insert(0, unwanted)
    try:
        first, *_ = [importlib.import_module(name) for name in names]
    finally:
        sys.meta_path.remove(unwanted)  # who is forked may have it
    if new:
        getattr(first, "prepare", lambda: None)()
    gc.collect()
    gc.freeze()  # what is at hand is shared with those that are forked, as long as nobody looks through it
    return first


@dataclass
class _Worker:
    """One that is at work: who hears how it ends, and what is left behind then."""

    pid: int
    parent: socket.socket
    folder: Path

    def end(self, code: int) -> None:
        """Tell how it ended, and remove what it left."""
        words = b""
        with contextlib.suppress(OSError), (self.folder / TOLD).open("rb") as file:
            words = file.read(_MOST_TOLD)
        shutil.rmtree(self.folder, ignore_errors=True)
        with self.parent, contextlib.suppress(OSError):
            self.parent.sendall(struct.pack("<i", os.waitstatus_to_exitcode(code)) + words)


class _Nursery:
    def __init__(self, orders: socket.socket, without: Iterable[str]) -> None:
        self._orders = orders
        self._without = without
        self._workers: dict[int, _Worker] = {}
        self._ended, self._wake = os.pipe()  # where signals leave a byte
        os.set_blocking(self._ended, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until the other end of the orders is closed; then all who are at work end too."""
        try:
            while True:
                by_parent = {worker.parent.fileno(): worker for worker in self._workers.values()}
                poll = select.poll()
                for number in (self._orders.fileno(), self._ended, *by_parent):
                    poll.register(number, select.POLLIN)
                ready = {number for number, _ in poll.poll()}
                for number in ready & by_parent.keys():  # nothing is said there: it was closed
                    os.kill(by_parent[number].pid, signal.SIGKILL)  # its end is heard of below
                    os.waitid(os.P_PID, by_parent[number].pid, os.WEXITED | os.WNOWAIT)
                self._reap()
                if self._orders.fileno() in ready and not self._take():
                    return
        finally:
            for worker in self._workers.values():
                os.kill(worker.pid, signal.SIGKILL)
                worker.end(os.waitpid(worker.pid, 0)[1])

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._ended, _MOST_TOLD)
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self._workers.pop(found[0]).end(found[1])

    def _take(self) -> bool:
        """Fork one for the next order; False when there will be none any more."""
        head, fds, _flags, _address = socket.recv_fds(self._orders, 4, _FDS)
        if len(head) < 4 or len(fds) < _FDS:  # noqa: PLR2004 - the length of what follows
            return False
        size = struct.unpack("<I", head)[0]
        order = b""
        while len(order) < size and (part := self._orders.recv(size - len(order))):
            order += part
        with socket.socket(fileno=fds[1]) as parent:
            try:
                self._start(order, fds[0], parent)
            except Exception as error:  # of this order; others are at work
                if getattr(error, "errno", 0) in _FULL:
                    words = json.dumps({"full": tempfile.gettempdir()}).encode()
                    with contextlib.suppress(OSError):
                        parent.sendall(struct.pack("<i", 1) + words)
                else:
                    traceback.print_exc()  # nothing is told of it
            finally:
                os.close(fds[0])
        return True

    def _start(self, order: bytes, pipe: int, parent: socket.socket) -> None:
        names, _, content = order.partition(b"\n")
        module = _have(names.decode().split(), self._without)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)  # until the worker has ended, who outlives this process if that is killed
        pid = os.fork()
        if pid == 0:
            self._forget(parent)
            _work(module, content, pipe, folder)
        os.close(held)
        self._workers[pid] = _Worker(pid, parent.dup(), folder)

    def _forget(self, parent: socket.socket) -> None:
        """In a worker: have nothing open of the nursery's and of other workers."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in (self._orders, parent, *(worker.parent for worker in self._workers.values())):
            one.close()
        os.close(self._ended)
        os.close(self._wake)


def main(number: int, *without: str) -> None:
    """Serve requests from a socket until its other end is closed; nothing `without` is had at hand."""
    sys.meta_path.insert(0, _Without(("geopandas", "pandas")))
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)  # sent to all, it reaches the loader too, which closes the socket
    _sweep()
    with socket.socket(fileno=number) as orders:
        _Nursery(orders, without).serve()


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


def _work(module: Any, order: bytes, pipe: int, folder: Path) -> NoReturn:
    """The worker: nothing of the nursery's is open in it but the pipe that its bytes go to."""
    status = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        module.work(pickle.loads(order), pipe, folder)  # noqa: S301 - from the parent, which started us
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
