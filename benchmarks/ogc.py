"""OGC API Features over HTTP: ours beside pygeoapi's own PostgreSQL provider behind the same library and server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import orjson
import psycopg
import uvloop

from benchmarks.frame import Context, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]

_ITEMS = "/ogc/collections/points/items"
_NEEDED = ("sqlalchemy", "psycopg2", "geoalchemy2")
_ROUNDS = 3  # ours and the reference take turns, so that a busy moment of the machine hits both
_AGAINST = "pygeoapi's PostgreSQL provider"


def run(context: Context) -> list[Row]:
    """Requests per second, all bytes read, answers checked to say the same."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        context.note(f"ogc: left out the reference, which needs {', '.join(missing)} (the extra `bench`)")
    with context.serve() as server, _serve_peer(context, skip=bool(missing)) as peer:
        return uvloop.run(_run(context, server.url, peer))


async def _run(context: Context, ours: str, peer: str | None) -> list[Row]:
    with psycopg.connect(context.database_url) as connection:
        row = connection.execute("SELECT fid FROM layers.points ORDER BY fid OFFSET 1000 LIMIT 1").fetchone()
        assert row
    questions = {
        "items?limit=100": (f"{_ITEMS}?f=json&limit=100", 10),
        "items?limit=100 of one category": (f"{_ITEMS}?f=json&limit=100&category=burglary", None),
        "items?limit=100 in a box": (f"{_ITEMS}?f=json&limit=100&bbox=-28.61,45.19,-28.6,45.2", None),
        "one item": (f"{_ITEMS}/{row[0]}?f=json", None),
    }
    rows = []
    for name, (path, least) in questions.items():
        rates: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(_ROUNDS):
            rates["ours"].append(await _measure(ours, path, context))
            if peer:
                rates["peer"].append(await _measure(peer, path, context))
        if peer:
            await _compare(ours, peer, path)
        reference = _median(rates["peer"]) if peer else None
        target = least if peer else None
        rows.append(Row("ogc", name, _median(rates["ours"]), "requests/s", reference, _AGAINST, at_least=target))
    return rows


async def _measure(url: str, path: str, context: Context) -> float:
    """Requests per second over all connections, after a short warm-up."""
    for seconds in (0.5, context.seconds / _ROUNDS):
        start = time.perf_counter()
        counts = await asyncio.gather(*(_drive(url, path, start + seconds) for _ in range(context.concurrency)))
        rate = sum(counts) / (time.perf_counter() - start)
    return rate


async def _drive(url: str, path: str, end: float) -> int:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**22)
    count = 0
    try:
        while time.perf_counter() < end:
            await _ask(reader, writer, path)
            count += 1
    finally:
        writer.close()
    return count


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    """One request on a keep-alive connection, with as little client as can be."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{path}: {head.decode()}")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
    return await reader.readexactly(length)


async def _compare(ours: str, peer: str, path: str) -> None:
    """Both must say the same number of matching rows, or the comparison means nothing."""
    said = []
    for url in (ours, peer):
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**22)
        said.append(orjson.loads(await _ask(reader, writer, path)))
        writer.close()
    for key in ("numberMatched", "numberReturned", "id"):
        values = {str(answer.get(key)) for answer in said}
        if len(values) > 1:
            raise RuntimeError(f"{path}: {key} differs: {values}")


@contextlib.contextmanager
def _serve_peer(context: Context, *, skip: bool) -> Iterator[str | None]:
    if skip:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.ogc_peer", context.database_url, str(port)]
    with (context.folder / "ogc_peer.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the reference server ended; see ogc_peer.log in the scratch folder")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError("the reference server did not start within a minute")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
