"""The life of a process that draws: orders come by a socket, bytes go back. It reaches nobody and no foreign files.

An answer is a status, 0 for bytes, 1 for words about what is wrong with the order, 2 for words about what is missing
here, 3 for words about a disk that is full or broken, and then those behind their length.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import signal
import socket
import struct
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from geoserver import assets
from geoserver.sources.sandbox import confine, limit_memory

__all__ = ["MissingError", "serve"]

_LENGTH = struct.Struct("!I")
_LONGEST = 60  # seconds; who hangs when nobody is left to end it ends so
_MEMORY = 3 << 30
_NICE = 5  # it gives way to those that answer
_READ = (
    "/usr/share/glvnd",
    "/usr/share/drirc.d",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/etc/fonts",
    "/etc/glvnd",
)


class MissingError(Exception):
    """A library that draws is missing, or does not run here."""


def serve(descriptor: int) -> None:
    """Answer until the other side closes."""
    folder = Path.cwd()
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)  # as long as it lives nobody takes its folder for left behind
    cleaner = _leave_nothing(folder, held, descriptor)
    _give_way()
    limit_memory(_MEMORY)
    confine([], folder, folders=[assets.root("web"), *map(Path, _READ)])
    try:
        _answer(descriptor, folder)
    finally:
        fcntl.flock(held, fcntl.LOCK_UN)
        os.waitpid(cleaner, 0)


def _answer(descriptor: int, folder: Path) -> None:
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
        while head := stream.read(_LENGTH.size):
            kind, order = pickle.loads(stream.read(_LENGTH.unpack(head)[0]))  # noqa: S301 - from our own parent
            signal.alarm(_LONGEST)
            status, content = _draw(kind, order, folder)
            signal.alarm(0)
            stream.write(struct.pack("!BI", status, len(content)) + content)
            stream.flush()


def _leave_nothing(folder: Path, held: int, descriptor: int) -> int:
    """Have the folder removed when this process is gone, however it ends: by a small one that waits for its lock, and
    whose number this gives.
    """
    if cleaner := os.fork():
        return cleaner
    for number in (held, descriptor):
        os.close(number)
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)


def _give_way() -> None:
    """Where processor time is shared out by session, a nice value counts within its session alone."""
    os.nice(_NICE)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE), encoding="ascii")


def _draw(kind: str, order: object, folder: Path) -> tuple[int, bytes]:
    try:
        made: bytes = import_module(f"geoserver.drawing.{kind}").draw(order, folder)
    except (ImportError, MissingError) as error:
        return 2, str(error).encode()
    except OSError as error:
        return 3, f"{folder.parent}: {error.strerror}".encode()
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return 1, f"{type(error).__name__}: {error}".encode()
    return 0, made
