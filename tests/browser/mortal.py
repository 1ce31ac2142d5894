"""A server that tests may kill and start again."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Mortal:
    """`geoserver serve` over the sample city, always on the same port."""

    def __init__(self, workspace: Path, database_url: str) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))
        }
        self._environment = kept | {"DATABASE_URL": database_url, "GEOSERVER_SAMPLES": "true"}
        self._workspace = workspace
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        place = ["--workspace", str(self._workspace), "--port", str(self.port)]
        command = [sys.executable, "-m", "geoserver", "serve", *place]
        pipe = {"stderr": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, **pipe)  # type: ignore[call-overload]
        assert self._process
        assert self._process.stderr
        assert any(re.match(r"http://\S+", line) for line in self._process.stderr), "it did not start"

    def close(self) -> None:
        """Kill it; `start` starts another."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None
