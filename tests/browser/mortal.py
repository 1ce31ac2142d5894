"""A server that tests may kill and start again."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx

ROOT = Path(__file__).parent.parent.parent
# In the middle of the map.
INSERT = """INSERT INTO layers.crime (fid, source_key, incident, category, reported_at, district, geom)
SELECT (SELECT max(fid) FROM layers.crime) + n, 'new ' || clock_timestamp(), 'new', 'burglary',
       '2024-05-05T12:00:00Z', 'Vrá', ST_SetSRID(ST_MakePoint(-28.6 + n / 20000.0, 45.2), 4326)
FROM generate_series(1, %s) AS n"""


class Mortal:
    """`geoserver serve` over the sample city, always on the same port."""

    def __init__(self, workspace: Path, database_url: str) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))
        }
        self._environment = kept | {"DATABASE_URL": database_url, "GEOSERVER_SAMPLES": "true"}
        self._workspace = workspace
        self.database_url = database_url
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        place = ["--workspace", str(self._workspace), "--port", str(self.port)]
        command = [sys.executable, "-m", "geoserver", "serve", *place]
        log = self._workspace / "server.log"
        with log.open("w") as said:  # a pipe that nobody reads would fill up
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stderr=said)
        deadline = time.monotonic() + 60
        while not re.search(r"^http://\S+", log.read_text(encoding="utf-8"), re.MULTILINE):
            assert self._process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "it did not start"
            time.sleep(0.05)

    def declare(self, layer: str, more: str) -> None:
        """Have a sample layer declared with something more, and wait until that is served."""
        file, before = self._workspace / "layers" / f"{layer}.toml", self._ask(layer)
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{(ROOT / 'layers' / file.name).read_text(encoding='utf-8')}\n{more}", encoding="utf-8")
        deadline = time.monotonic() + 30
        while self._ask(layer) == before:
            assert time.monotonic() < deadline, "it is served as before"
            time.sleep(0.1)

    def _ask(self, layer: str) -> str:
        return httpx.get(f"{self.url}/api/layers/{layer}").text

    def close(self) -> None:
        """Kill it; `start` starts another."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
