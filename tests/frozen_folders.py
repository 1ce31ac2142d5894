"""Frozen maps as folders: frozen by the real server, with the page beside them, as any web server can give them out."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from fastapi.testclient import TestClient
from proxies import find_port

from geoserver import assets
from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["freeze", "open_server", "pack", "serve_plainly"]

PATIENCE = 120  # seconds
BUSY = 503  # the database takes too long on a busy machine


@contextlib.contextmanager
def open_server(workspace: Path, database: str) -> Iterator[TestClient]:
    """A server that freezes for everybody."""
    app = create_app(Settings(workspace=workspace, database_url=None, samples=True, freeze="anyone"), database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as running:
        yield running


def freeze(client: TestClient, workspace: Path, link: str, title: str) -> Path:
    """Freeze what a link shows; gives the folder that the server keeps of it."""
    deadline = time.monotonic() + PATIENCE
    while (answer := client.post("/frozen", json={"link": link, "title": title})).status_code == BUSY:
        assert time.monotonic() < deadline, answer.text
        time.sleep(1)
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    while told["state"] != "done":
        assert told["state"] != "failed", told
        assert time.monotonic() < deadline, told
        time.sleep(0.05)
        told = client.get(f"/frozen/{told['id']}/status.json").json()
    return workspace / ".geoserver" / "frozen" / "kept" / str(told["id"]) / "public"


def pack(kept: Path, folder: Path) -> Path:
    """The same with the page and its letters beside it, as the built viewer lists them."""
    shutil.copytree(kept, folder)
    built = assets.root("web")
    for files in json.loads((built / "frozen-files.json").read_text()).values():
        for name, place in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(built / place, folder / name)
    return folder


@contextlib.contextmanager
def serve_plainly(folder: Path) -> Iterator[str]:
    """By Python's own web server, which knows no byte ranges; gives its address."""
    port = find_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            origin = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{origin}/manifest.json"):
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield origin
        finally:
            server.terminate()
