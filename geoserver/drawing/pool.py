"""Processes that draw, one order at a time; one that crashes, hangs or has grown gives place to another.

An order is a picklable object, and `kind` names the module of this package that draws it, by `draw(order, folder)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from geoserver.errors import UnavailableError
from geoserver.sources.sandbox import list_variables
from geoserver.turns import Turns, outlast

__all__ = ["Pool"]

log = logging.getLogger("geoserver")

DEADLINE = 30.0  # seconds for one picture
_WAIT = 30.0  # seconds that an order waits for its turn; with the drawing it is less than proxies wait
_MOST_WAITING = 32
_MOST_WAITING_EACH = 16  # of one client: half of the places are left for others
_MOST_DRAWN = 200  # pictures after which a process has grown enough
_IDLE = 300.0  # seconds without an order after which the processes end
_COMMAND = "import sys; from geoserver.drawing.child import serve; serve(*map(int, sys.argv[1:]))"
_PREFIX = "geoserver-work-"  # of folders, which `geoserver.nursery` sweeps where nobody is left to do it
_LENGTH = struct.Struct("!I")
_LEAVE = 1.0  # seconds in which a process ends by itself, and whatever it has started
_MISSES, _NO_DISK = 2, 3  # answers, as `geoserver.drawing.child` gives them
_GL = "/usr/share/glvnd/egl_vendor.d/50_mesa.json"
_GRAPHICS = {
    "EGL_PLATFORM": "surfaceless",  # no screen
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "LP_NUM_THREADS": "2",  # of a process for every two cores, which gives way to what answers requests
    "OPENBLAS_NUM_THREADS": "1",
}
_MISSING = (
    "Pictures cannot be drawn: the server lacks the libraries that draw maps; on Debian or Ubuntu:"
    " apt-get install libegl1 libgles2 libgl1-mesa-dri"
)


class _BrokenError(Exception):
    """The process did not answer as it should; the text says how."""


@dataclass(eq=False, slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    folder: Path
    drawn: int = 0

    async def draw(self, kind: str, order: object) -> tuple[int, bytes]:
        """Status and content of its answer. Raises _BrokenError."""
        message = await asyncio.to_thread(pickle.dumps, (kind, order), pickle.HIGHEST_PROTOCOL)  # megabytes of tiles
        try:
            self.writer.write(_LENGTH.pack(len(message)) + message)
            await self.writer.drain()
            status, length = struct.unpack("!BI", await self.reader.readexactly(5))
            content = await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _BrokenError("it ended") from error
        self.drawn += 1
        return status, content

    async def end(self) -> int:
        """End it and remove what it leaves; gives its status. One that draws still is not waited for."""
        self.writer.close()
        status = await asyncio.to_thread(self._wait)
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        return status

    def _wait(self) -> int:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(_LEAVE)
        self.process.kill()
        return self.process.wait()


class Pool:
    """So many processes at most, started when they are needed."""

    def __init__(self, workers: int = 2, *, deadline: float = DEADLINE, most_drawn: int = _MOST_DRAWN) -> None:
        self._turns = Turns(workers, most=_MOST_WAITING, most_each=_MOST_WAITING_EACH, patience=_WAIT)
        self._deadline = deadline
        self._most_drawn = most_drawn
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._sleeping: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[object]] = set()
        self._stopped = False
        self.problem = ""  # why nothing can be drawn; empty where that is not known

    @property
    def pids(self) -> list[int]:
        """Of the processes that there are."""
        return [worker.process.pid for worker in (*self._busy, *self._idle)]

    async def draw(self, kind: str, order: object, *, client: str = "") -> bytes:
        """What `geoserver.drawing.KIND` makes of the order, in turn.

        Raises UnavailableError: when too many wait, when the process ends, hangs or cannot draw this, and where
        libraries are missing.
        """
        async with self._turns.turn(client):
            # To its end, also where nobody waits for it any more: a process that is ended takes seconds to replace.
            status, content = await outlast(self._draw(kind, order))
        if status:
            return self._fail(status, content.decode(errors="replace"))
        self.problem = ""
        return content

    async def _draw(self, kind: str, order: object) -> tuple[int, bytes]:
        self._stay()
        worker = self._find_idle() or await _start()
        self._busy.add(worker)
        try:
            answer = await self._have_drawn(worker, kind, order)
        except BaseException:
            self._drop(worker)
            raise
        if answer[0] == _NO_DISK:
            self._drop(worker)  # for what it holds of the disk to be free
            return answer
        self._busy.discard(worker)
        self._keep(worker)
        return answer

    async def stop(self) -> None:
        """End all processes."""
        self._stopped = True
        self._sleep()
        for worker in list(self._busy):
            self._drop(worker)
        await asyncio.gather(*self._endings, return_exceptions=True)

    def _find_idle(self) -> _Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.poll() is None:
                return worker
            self._drop(worker)  # it was ended from outside
        return None

    async def _have_drawn(self, worker: _Worker, kind: str, order: object) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._deadline):
                return await worker.draw(kind, order)
        except TimeoutError:
            how = f"it was not done after {self._deadline:g} s"
        except _BrokenError:
            how = f"its process ended with status {await worker.end()}"
        log.error("A picture could not be drawn (%s): %s", kind, how)
        raise UnavailableError("This picture could not be drawn; try again in a few seconds.")

    def _fail(self, status: int, words: str) -> bytes:
        if status == _MISSES:
            if not self.problem:
                log.error("%s (%s)", _MISSING, words)
            self.problem = _MISSING
            raise UnavailableError(_MISSING + ".", retry_after=60)
        log.error("A picture could not be drawn: %s", words)
        if status == _NO_DISK:
            raise UnavailableError("The server has no room on its disk for this picture; try again later.", 60)
        raise UnavailableError("This picture could not be drawn; the log of the server says why.")

    def _keep(self, worker: _Worker) -> None:
        if worker.drawn >= self._most_drawn or self._stopped:
            self._drop(worker)
            return
        self._idle.append(worker)
        self._stay()

    def _drop(self, worker: _Worker) -> None:
        self._busy.discard(worker)
        ending = asyncio.ensure_future(worker.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    def _stay(self) -> None:
        """Let the idle ones wait for an order anew."""
        if self._sleeping is not None:
            self._sleeping.cancel()
        self._sleeping = asyncio.get_running_loop().call_later(_IDLE, self._sleep)

    def _sleep(self) -> None:
        if self._sleeping is not None:
            self._sleeping.cancel()
        idle, self._idle = self._idle, []
        for worker in idle:
            self._drop(worker)


async def _start() -> _Worker:
    ours, its = socket.socketpair()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with its:
            process = await asyncio.to_thread(_run, its.fileno(), folder)
    except BaseException:
        ours.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    reader, writer = await asyncio.open_connection(sock=ours)
    return _Worker(process, reader, writer, folder)


def _run(descriptor: int, folder: Path) -> subprocess.Popen[bytes]:
    environment = list_variables() | _GRAPHICS | {"HOME": str(folder), "TMPDIR": str(folder)}
    environment["MESA_SHADER_CACHE_DIR"] = str(folder)  # else each picture costs a second
    if Path(_GL).is_file():
        environment["__EGL_VENDOR_LIBRARY_FILENAMES"] = _GL  # no folder has to be looked through
    command = [sys.executable, "-P", "-c", _COMMAND, str(descriptor)]
    return subprocess.Popen(  # noqa: S603 - this Python
        command, stdin=subprocess.DEVNULL, pass_fds=[descriptor], cwd=folder, env=environment, start_new_session=True
    )
