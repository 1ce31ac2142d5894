"""A process that has the reading libraries at hand and forks a new one for each file: a start costs milliseconds.

    loader ──request──> nursery ──fork──> warden ──fork──> reader ──rows──> loader

The reader is confined and may die of its file. The warden waits for it, tells the loader how it ended, removes its
folder, and ends it when the loader is gone. Started by `geoserver.sources.apart`.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
from pathlib import Path

__all__: list[str] = []

_FDS = 2


class _Without:
    """Stops pyogrio and pyarrow from importing pandas and geopandas: unused here, and slow to import."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name in ("geopandas", "pandas"):
            raise ModuleNotFoundError(name)


def main(number: int) -> None:
    """Serve requests from a socket until its other end is closed."""
    sys.meta_path.insert(0, _Without())
    # Loaded before the first fork, and only in this process: a server that can load stays small.
    import pyogrio  # noqa: F401, PLC0415

    from geoserver.sources import read_kinds  # noqa: PLC0415
    from geoserver.sources import reader as _  # noqa: F401, PLC0415

    read_kinds()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)  # sent to all, it reaches the loader too, which closes the socket
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # wardens need no one to wait for them
    with socket.socket(fileno=number) as orders:
        while True:
            head, fds, _flags, _address = socket.recv_fds(orders, 4, _FDS)
            if len(head) < 4 or len(fds) < _FDS:  # noqa: PLR2004 - the length of what follows
                return
            size = struct.unpack("<I", head)[0]
            order = b""
            while len(order) < size and (part := orders.recv(size - len(order))):
                order += part
            if os.fork() == 0:
                orders.close()
                with contextlib.suppress(BaseException):
                    _guard(pickle.loads(order), *fds)  # noqa: S301 - from the loader, which started us
                os._exit(0)
            for fd in fds:
                os.close(fd)


def _guard(order: tuple[object, ...], rows: int, loader: int) -> None:
    """Fork a reader, wait for its end or the loader's, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="geoserver-read-"))
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(tell)
    try:
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in (told, tell, loader):
                os.close(number)
            _read(order, rows, folder)
        os.close(rows)
        with socket.socket(fileno=loader) as status:
            ended, _, _ = select.select([told, status.fileno()], [], [])
            if told not in ended:
                os.kill(pid, signal.SIGKILL)
            _, code = os.waitpid(pid, 0)
            shutil.rmtree(folder, ignore_errors=True)
            status.sendall(struct.pack("<i", os.waitstatus_to_exitcode(code)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(order: tuple[object, ...], rows: int, folder: Path) -> None:
    """The reader: nothing of the nursery's is open in it but the pipe that its rows go to."""
    status = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        from geoserver.sources.reader import read  # noqa: PLC0415 - loaded already

        read(order, rows, folder)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
