"""Runs the app by uvicorn: in this process, or in several on one socket, watched over by this one."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from geoserver.addresses import ROOT
from geoserver.api.connections import Guard, Limits
from geoserver.api.metrics import Board
from geoserver.api.protocol import build_protocol
from geoserver.api.tile_headers import render_lines
from geoserver.app import create_app
from geoserver.database import private
from geoserver.database.limits import check_connections
from geoserver.errors import SetupError, hide_keys
from geoserver.settings import parse_prefix

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from geoserver.settings import Settings

__all__ = ["build_config", "listen", "run"]

log = logging.getLogger("geoserver")

_SWITCH = 0.0005  # seconds after which a thread (OGC API has some) gives way to the event loop
_GRACE = 3  # seconds for requests in progress when the server ends
_PATIENCE = 10.0  # seconds for a worker to end before it is killed
_YOUNG = 10.0  # seconds; when a worker dies younger than that, the next one waits
_LONGEST_PAUSE = 30.0  # seconds
_FILES = 128  # open files besides connections of clients and of the database: watches, archives, those being refused
_FEWEST = 8  # connections


def listen(settings: Settings) -> socket.socket:
    """A listening socket, before anything that takes time; raises SetupError when the port is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise SetupError(f"Cannot listen on {where} ({error.strerror}); choose another --port") from error
    return listener


def run(settings: Settings, url: str, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is called when requests are answered."""
    needed = settings.pool_size + 2 * settings.ogc_threads + settings.downloads + 2
    check_connections(url, settings.workers, needed)
    if settings.workers == 1:
        _serve(settings, url, listener, announce)
    else:
        _Crew(settings, url, listener).run(announce)


def build_config(
    app: Any, *, limits: Limits | None = None, log_level: str = "warning", access_log: bool = False
) -> uvicorn.Config:
    """How uvicorn runs what `create_app` gives: with the short way for hot tiles, which an access log closes.

    `limits` of connections follow from the settings where none are given.
    """
    settings, tiles = app.state.settings, app.state.tiles
    lines = render_lines(tiles.headers.everywhere)
    app.state.guard = Guard(limits or build_limits(settings), lines)
    proxies = settings.trusted_proxies
    for name in ("geoserver", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(_HIDING)
    logging.getLogger("uvicorn.error").addFilter(_SHORTENING)
    return uvicorn.Config(
        Forwarded(app, proxies) if proxies else app,
        http=build_protocol(tiles, app.state.hosts, app.state.guard, app.state.gate),
        log_level=log_level,
        access_log=access_log,
        ws="none",
        proxy_headers=False,  # `Forwarded` reads them
        timeout_graceful_shutdown=_GRACE,
    )


def build_limits(settings: Settings) -> Limits:
    """What connections may ask; as many of them as there may be open files, which are made as many as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + settings.pool_size + 2 * settings.ogc_threads + 3 * settings.downloads + _FILES
    if soft < wanted and soft != resource.RLIM_INFINITY:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    most = settings.max_connections
    if soft < wanted and soft != resource.RLIM_INFINITY:
        most = max(_FEWEST, settings.max_connections - (wanted - soft))
        log.warning("At most %d connections, for only %d files may be open at once (ulimit -n)", most, soft)
    return Limits(connections=most, request_time=settings.request_timeout)


def _serve(
    settings: Settings,
    url: str,
    listener: socket.socket,
    ready: Callable[[], None],
    *,
    board: Board | None = None,
    worker: int = 0,
) -> None:
    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                # What stands until the end need not be looked through again and again: that held all up for 80 ms.
                gc.collect()
                gc.freeze()
                ready()
                application.state.studio.begin()

    sys.setswitchinterval(_SWITCH)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("geoserver").setLevel(settings.log_level.upper())
    revive = None if settings.database_url else lambda: private.ensure(settings)
    application = create_app(settings, url, revive, board=board, worker=worker)
    debug = settings.log_level == "debug"
    config = build_config(application, log_level="info" if debug else "warning", access_log=debug)
    Server(config).run(sockets=[listener])


def _work(
    settings: Settings, url: str, listener: socket.socket, *, board: Board, worker: int, ready: Connection
) -> None:
    """The life of one worker process; it ends with its parent, even when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until uvicorn takes over; the parent tells us when to end
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow_parent() -> None:
        if parent is not None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

    def say_ready() -> None:
        with contextlib.suppress(OSError):  # nobody waits for one that takes the place of another
            ready.send(True)

    threading.Thread(target=follow_parent, daemon=True).start()
    _serve(settings, url, listener, say_ready, board=board, worker=worker)


def _await_ready(end: Connection) -> None:
    try:
        end.recv()
    except EOFError:
        raise SetupError("A worker ended while it was starting") from None


class _HideKeys(logging.Filter):
    """Takes keys out of what is logged: people paste them into paths, where no address of ours has a place for one."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = hide_keys(record.msg) if isinstance(record.msg, str) else record.msg
        if isinstance(record.args, tuple):
            record.args = tuple(hide_keys(item) if isinstance(item, str) else item for item in record.args)
        return True


_HIDING = _HideKeys()


class _CutShort(logging.Filter):
    """Says in a line that the end of the server ended a request, which is no fault to look for."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            record.msg, record.args, record.exc_info = "A request was cut off, for the server ends", (), None
        return True


_SHORTENING = _CutShort()


class Forwarded(ProxyHeadersMiddleware):
    """Reads headers of trusted proxies: client and scheme, as uvicorn does, and the path prefix they removed."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["client"] and scope["client"][0] in self.trusted_hosts:
            told = [value for name, value in scope["headers"] if name == b"x-forwarded-prefix"]
            with contextlib.suppress(ValueError):
                scope[ROOT] = parse_prefix(told[0].decode("ascii")) if len(told) == 1 else ""
        await super().__call__(scope, receive, send)


class _Crew:
    """The workers of a server and the process that replaces those that die."""

    def __init__(self, settings: Settings, url: str, listener: socket.socket) -> None:
        self._settings = settings
        self._url = url
        self._listener = listener
        self._board = Board(settings.workers)
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[BaseProcess] = []
        self._started: list[float] = []
        self._pause = 0.0

    def run(self, announce: Callable[[], None]) -> None:
        """Start all, replace what dies, and end all when this process is told to end."""
        try:
            ends = [self._start(worker) for worker in range(self._settings.workers)]
            for end in ends:
                with contextlib.closing(end):
                    _await_ready(end)
            announce()
            while True:
                wait([process.sentinel for process in self._processes])
                self._replace()
        finally:
            self._stop()

    def _start(self, worker: int) -> Connection:
        """Make a worker process; gives the end of a pipe that says when it answers requests."""
        end, its_end = self._context.Pipe(duplex=False)
        arguments = (self._settings, self._url, self._listener)
        named = {"board": self._board, "worker": worker, "ready": its_end}
        process = self._context.Process(target=_work, args=arguments, kwargs=named, name=f"geoserver-{worker + 1}")
        process.start()
        its_end.close()
        self._processes[worker : worker + 1] = [process]
        self._started[worker : worker + 1] = [time.monotonic()]
        return end

    def _replace(self) -> None:
        for worker, process in enumerate(self._processes):
            if process.exitcode is not None:
                log.error("Worker %d ended with status %s; starting another", worker + 1, process.exitcode)
                young = time.monotonic() - self._started[worker] < _YOUNG
                self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE) if young else 0.0
                time.sleep(self._pause)
                self._start(worker).close()

    def _stop(self) -> None:
        """End every worker in order; a second signal meanwhile changes nothing."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for process in self._processes:
                process.terminate()
            deadline = time.monotonic() + _PATIENCE
            for process in self._processes:
                process.join(max(0.0, deadline - time.monotonic()))
                if process.exitcode is None:
                    process.kill()
                    process.join()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
