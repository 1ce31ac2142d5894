"""HTTP by hand: what is sent are bytes, and what comes back is read until the server closes."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
CLOSE = b"Connection: close\r\n\r\n"


@dataclass(frozen=True)
class Reply:
    """One answer on a connection."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        assert found["detail"]
        return found


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes; a connection that is reset has no more to say either."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := client.recv(65_536):
            got += data
    return got


def exchange(url: str, pieces: bytes | Iterable[bytes]) -> list[Reply]:
    """Send it all, as far as the server takes it, and give the answers; fails when the server does not close."""
    with connect(url) as client:
        with contextlib.suppress(ConnectionError):
            for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                client.sendall(piece)
        return parse(read_all(client))


def parse(data: bytes) -> list[Reply]:
    """The answers in a row, without those to HEAD."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", lines[0])[1])  # type: ignore[index]
        length = int(headers.get("content-length", 0))
        found.append(Reply(status, headers, data[:length]))
        data = data[length:]
    return found


def statuses(url: str, pieces: bytes | Iterable[bytes]) -> list[int]:
    return [reply.status for reply in exchange(url, pieces)]


def read_memory() -> int:
    """Bytes that this process, which is the server's too, holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4_096
