"""A kind of source of another package, whose files say what the process that reads them shall try."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_MODULE = """
import ctypes, os, pathlib, signal, socket, subprocess, time
import numpy as np, pyarrow as pa
from geoserver.sources import Batch, Opened

def crash(_): ctypes.string_at(0)
def abort(_): os.abort()
def leave(_): os._exit(7)
def hang(_): time.sleep(1000)
def grow(_): return [bytearray(1 << 26) for _ in range(100)]
def read(text): return pathlib.Path(text).read_text()
def listing(text): return os.listdir(text)
def write(text): pathlib.Path(text).write_text("x")
def run(text): return subprocess.run([text], check=True)
def stop(text): os.kill(int(text), signal.SIGTERM)
def connect(text): socket.create_connection(("127.0.0.1", int(text)), timeout=5)
def ask(text): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int(text)))
def nothing(_): pass

class Probe:
    name, suffixes = "probe", (".probe",)
    def open(self, request):
        when, what, text = request.path.read_text().split(" ", 2)
        if when == "first":
            self.attempt(what, text)
        return Opened(self.batches(when, what, text), total=2)
    def batches(self, when, what, text):
        for number in (1, 2):
            yield Batch(np.array([number]), {}, wkb=pa.array([None], pa.binary()))
            if when == "later":
                self.attempt(what, text)
    def attempt(self, what, text):
        globals()[what](text)

KIND = Probe()
"""

_SCRIPT = """
import json, sys
from pathlib import Path
from geoserver.errors import LoadError
from geoserver.sources import Limits, Request, open_source
done = {}
for name, text in json.loads(sys.argv[2]).items():
    path = Path(sys.argv[1]) / f"{name}.probe"
    path.write_text(text)
    rows = 0
    try:
        limits = Limits(1 << 30, 2.0 if " hang " in text else 300.0)
        for batch in open_source(Request(path.name, path, (), limits=limits)).batches:
            rows += len(batch)
        done[name] = f"{rows} rows"
    except LoadError as error:
        done[name] = str(error)
print(json.dumps(done))
"""


def try_in_reader(folder: Path, attempts: dict[str, str]) -> dict[str, Any]:
    """What came of each attempt, `first|later action argument`, one file each, all by one loader."""
    about = folder / "probe-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[geoserver.sources]\nprobe = probe:KIND\n")
    (folder / "probe.py").write_text(_MODULE)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder), json.dumps(attempts)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
