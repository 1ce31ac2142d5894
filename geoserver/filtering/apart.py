"""Reads filters in a process of its own: costly ones hold nobody up, and one that ends a process ends this one.

The process is started by the first such filter, loads what filters need and no more, and ends when its parent does, or
after minutes without a question. Messages are pickles behind their length, over a pair of sockets.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import pickle
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from psycopg.sql import SQL

from geoserver.errors import BadParameterError, UnavailableError
from geoserver.filtering.build import Where, build
from geoserver.filtering.split import fields_in
from geoserver.filtering.syntax import Call, Feature, Node, Property, UnknownFeaturesError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.filtering.build import Stored
    from geoserver.model import Layer

__all__ = ["Apart", "serve"]

log = logging.getLogger("geoserver")

LONG = 1_000  # characters of a canonical filter beyond which its digest stands for it
LONGEST_READING = 10.0  # seconds for one filter; the longest that is allowed takes a tenth of one
IDLE = 300.0  # seconds without a question after which the process ends
_NICE = 5  # it gives way to the one that answers
_LENGTH = struct.Struct("!I")
_UNSPLIT = Property("geometry")  # stands for a tree that `split` cannot split
_COMMAND = "import sys; from geoserver.filtering.apart import serve; serve(int(sys.argv[1]))"

type Arguments = Mapping[str, Any]  # of `build`, but for the first two
type Reply = (
    tuple[Literal["where"], Where]
    | tuple[Literal["unknown"], tuple[Feature, ...]]
    | tuple[Literal["wrong", "failed"], tuple[str, ...]]
)


@dataclass(frozen=True, slots=True)
class _Stored:
    """All that `build` wants to know of what is loaded."""

    srid: int


class _DiedError(Exception):
    """The process ended instead of answering."""


@dataclass(slots=True)
class _Process:
    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    layers: dict[str, Layer]  # those that it knows

    async def ask(self, layer: Layer, srid: int, arguments: Arguments) -> Reply:
        known = self.layers.get(layer.id) is layer
        message = pickle.dumps((layer.id, None if known else layer, srid, dict(arguments)), pickle.HIGHEST_PROTOCOL)
        try:
            self.writer.write(_LENGTH.pack(len(message)) + message)
            await self.writer.drain()
            (length,) = _LENGTH.unpack(await self.reader.readexactly(_LENGTH.size))
            answer = await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _DiedError from error
        self.layers[layer.id] = layer
        reply: Reply = pickle.loads(answer)  # noqa: S301 - from our own process
        return reply

    async def end(self) -> None:
        self.writer.close()
        self.process.kill()
        await asyncio.to_thread(self.process.wait)


class Apart:
    """Asks that process, one question at a time: whoever calls sees to that."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._sleeping: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.process.pid if self._process else None

    async def build(self, layer: Layer, status: Stored, arguments: Arguments) -> Where:
        """The same as `filtering.build`, with a digest as `canonical` of long filters.

        Raises BadParameterError, also for a filter that ends the process twice, UnknownFeaturesError, and
        UnavailableError after LONGEST_READING.
        """
        if self._sleeping is not None:
            self._sleeping.cancel()
        try:
            async with asyncio.timeout(LONGEST_READING):
                reply = await self._ask_twice(layer, status.srid, arguments)
        except TimeoutError as error:
            await self._end()
            raise UnavailableError(f"The filter could not be read within {LONGEST_READING:g} s; shorten it.") from error
        except asyncio.CancelledError:
            await self._end()  # whatever it answers now would be taken for the next answer
            raise
        self._sleeping = asyncio.get_running_loop().call_later(IDLE, self._sleep)
        if reply[0] == "where":
            return reply[1]
        if reply[0] == "unknown":
            raise UnknownFeaturesError(reply[1])
        if reply[0] == "wrong":
            raise BadParameterError(*reply[1])
        raise RuntimeError(reply[1][0])

    async def stop(self) -> None:
        """End the process, if there is one."""
        if self._sleeping is not None:
            self._sleeping.cancel()
        await self._end()
        await asyncio.gather(*self._endings)

    async def _ask_twice(self, layer: Layer, srid: int, arguments: Arguments) -> Reply:
        """Once more where the process ended: that may have had another reason than the question."""
        for _ in range(2):
            if self._process is None:
                self._process = await _start()
            try:
                return await self._process.ask(layer, srid, arguments)
            except _DiedError:
                await self._end()
        text = str(arguments.get("filter") or "")
        log.error("Layer %s: a filter ended the process that reads filters, twice: %.2000s", layer.id, text)
        return "wrong", ("filter", text, "a filter that can be read; this one cannot")

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.end()

    def _sleep(self) -> None:
        ending = asyncio.ensure_future(self._end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)


async def _start() -> _Process:
    ours, its = socket.socketpair()
    with its:
        command = [sys.executable, "-P", "-c", _COMMAND, str(its.fileno())]
        # A session of its own: no signal from the terminal ends it before us, and its work is not counted as ours where
        # processor time is shared out by session.
        process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            start_new_session=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
    reader, writer = await asyncio.open_connection(sock=ours)
    return _Process(process, reader, writer, {})


def serve(descriptor: int) -> None:
    """The life of the process: answer until the other side closes."""
    os.nice(_NICE)
    layers: dict[str, Layer] = {}
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
        while head := stream.read(_LENGTH.size):
            message = stream.read(_LENGTH.unpack(head)[0])
            layer_id, layer, srid, arguments = pickle.loads(message)  # noqa: S301 - from our own parent
            if layer is not None:
                layers[layer_id] = layer
            answer = pickle.dumps(_answer(layers[layer_id], srid, arguments), pickle.HIGHEST_PROTOCOL)
            stream.write(_LENGTH.pack(len(answer)) + answer)
            stream.flush()


def _answer(layer: Layer, srid: int, arguments: Arguments) -> Reply:
    try:
        return "where", _pack(build(layer, _Stored(srid), **arguments))
    except UnknownFeaturesError as error:
        return "unknown", error.features
    except BadParameterError as error:
        return "wrong", (error.parameter, error.value, error.expected)
    except Exception as error:
        return "failed", (f"{type(error).__name__}: {error}",)


def _pack(where: Where) -> Where:
    """The same in little: SQL as one text, a digest for a long name, and no tree that nobody can make use of."""
    canonical = where.canonical
    if len(canonical) > LONG:
        canonical = "#" + hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
    text = SQL(where.sql.as_string(None))  # made of identifiers and placeholders alone
    return replace(where, sql=text, canonical=canonical, tree=_trim(where.tree))


def _trim(tree: Node | None) -> Node | None:
    if tree is None:
        return None
    parts = tree.args if isinstance(tree, Call) and tree.op == "and" else (tree,)
    return tree if all(len(fields_in(part)) == 1 for part in parts) else _UNSPLIT
