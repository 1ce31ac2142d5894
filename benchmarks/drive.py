"""Clients that measure: a small one of our own for latency, and `wrk` where the server is quicker than Python.

Both ask for the same paths in turn on keep-alive connections and read every byte.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import uvloop

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Client", "Timing", "ask_each", "fetch_all", "find_wrk", "measure", "measure_by_wrk", "pin"]

_PATIENCE = 60.0  # seconds for one answer


@dataclass
class Timing:
    """What one measurement saw. Latencies in milliseconds, sizes in bytes as they came over the wire."""

    samples: list[float] = field(default_factory=list)
    seconds: float = 0.0
    count: int = 0
    largest: int = 0
    failed: int = 0
    known: tuple[float, float] | None = None  # p50 and p95 where a tool gives those alone

    @property
    def mean(self) -> float:
        return sum(self.samples) / len(self.samples) if self.samples else float("nan")

    @property
    def p50(self) -> float:
        return self._percentile(50, 0)

    @property
    def p95(self) -> float:
        return self._percentile(95, 1)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.count / self.seconds if self.seconds else 0.0

    def _percentile(self, share: int, index: int) -> float:
        if self.known:
            return self.known[index]
        return float(np.percentile(self.samples, share)) if self.samples else float("nan")

    def __add__(self, other: Timing) -> Timing:
        """Two rounds as one."""
        return Timing(
            self.samples + other.samples,
            self.seconds + other.seconds,
            self.count + other.count,
            max(self.largest, other.largest),
            self.failed + other.failed,
        )


def measure(
    url: str,
    paths: list[str],
    *,
    connections: int = 1,
    seconds: float = 1.0,
    encoding: str = "",
    least: int = 3,
    key: str = "",
    pause: float = 0.0,
) -> Timing:
    """Ask for the paths in turn for that long, and for `least` answers per connection at least.

    Each client looks for `pause` seconds at what it got.
    """

    async def run() -> Timing:
        timing = Timing()
        start = time.perf_counter()
        step = max(1, len(paths) // connections)
        parts = [
            paths[number * step % len(paths) :] + paths[: number * step % len(paths)] for number in range(connections)
        ]
        ends = start + seconds
        await asyncio.gather(
            *(
                _work(Client(url, encoding, key=key), part, timing, ends=ends, least=least, pause=pause)
                for part in parts
            )
        )
        timing.seconds = time.perf_counter() - start
        return timing

    return uvloop.run(run())


async def _work(client: Client, paths: Sequence[str], timing: Timing, *, ends: float, least: int, pause: float) -> None:
    """Ask on one connection until then, and note every answer."""
    done = 0
    try:
        while time.perf_counter() < ends or done < least:
            start = time.perf_counter()
            try:
                async with asyncio.timeout(_PATIENCE):
                    status, body = await client.ask(paths[done % len(paths)])
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                status, body = 0, b""
                client.close()
            done += 1
            timing.failed += status not in (200, 204)
            timing.largest = max(timing.largest, len(body))
            timing.samples.append((time.perf_counter() - start) * 1000)
            timing.count += 1
            if pause:
                await asyncio.sleep(pause)
    finally:
        client.close()


class Client:
    """One keep-alive connection with as little client as can be."""

    def __init__(self, url: str, encoding: str, own: str = "", key: str = "") -> None:
        """`own` is the address to ask from, `key` what is shown."""
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._accept = f"Accept-Encoding: {encoding}\r\n" if encoding else ""
        self._accept += f"Authorization: Bearer {key}\r\n" if key else ""
        self._own = (own, 0) if own else None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str) -> tuple[int, bytes]:
        """Status and body as it came over the wire."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**24, local_addr=self._own)
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n{self._accept}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in head:
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0))
        if b"connection: close" in head:
            self.close()
        return status, body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


def fetch_all(url: str, paths: Sequence[str], encoding: str = "") -> list[bytes]:
    """Each path's body once, in order; raises RuntimeError where one is refused."""

    async def run() -> list[bytes]:
        client = Client(url, encoding)
        bodies = []
        for path in paths:
            status, body = await client.ask(path)
            if status not in (200, 204):
                raise RuntimeError(f"{path}: status {status}: {body[:200]!r}")
            bodies.append(body)
        client.close()
        return bodies

    return uvloop.run(run())


def ask_each(url: str, paths: Sequence[str], *, connections: int, encoding: str = "") -> int:
    """Ask for each path once over so many connections; gives how many were refused."""
    left = iter(paths)

    async def work() -> int:
        client = Client(url, encoding)
        refused = 0
        for path in left:
            status, _ = await client.ask(path)
            refused += status not in (200, 204)
        client.close()
        return refused

    async def run() -> int:
        return sum(await asyncio.gather(*(work() for _ in range(connections))))

    return uvloop.run(run())


def pin(cores: str) -> list[str]:
    """The beginning of a command that may use those processor cores alone; nothing where that cannot be had."""
    return ["taskset", "-c", cores] if cores and shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


_SHOWN = 'wrk.headers["Authorization"] = "Bearer %s"\n'
_SCRIPT = """\
local paths = {%(paths)s}
local requests, count = {}, 0
wrk.headers["Accept-Encoding"] = "%(encoding)s"
init = function()
  for index, path in ipairs(paths) do requests[index] = wrk.format("GET", path) end
end
request = function()
  count = count %% #requests + 1
  return requests[count]
end
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\\nfigures %%d %%d %%d %%d %%d\\n",
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(95)))
end
"""


def find_wrk() -> str | None:
    return shutil.which("wrk")


def measure_by_wrk(
    url: str,
    paths: Sequence[str],
    *,
    connections: int,
    seconds: float,
    encoding: str = "",
    cores: str = "",
    key: str = "",
) -> Timing:
    """The same by `wrk` in one thread, on those cores; the length of bodies is not seen."""
    quoted = ",".join(f'"{path}"' for path in paths)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "paths.lua"
        shown = _SHOWN % key if key else ""
        script.write_text(shown + _SCRIPT % {"paths": quoted, "encoding": encoding}, encoding="ascii")
        whole = max(1, round(seconds))
        command = [
            *pin(cores),
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{whole}s",
            "--timeout",
            "10s",
            "-s",
            str(script),
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=whole + 60)
    line = next(line for line in done.stdout.splitlines() if line.startswith("figures "))
    requests, duration, failed, p50, p95 = (int(part) for part in line.split()[1:])
    return Timing(seconds=duration / 1e6, count=requests, failed=failed, known=(p50 / 1000, p95 / 1000))
