"""A real nginx in front of a server, as the documentation tells to set it up."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

NGINX = shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if Path(path).is_file()), None)
MISSING = "nginx is not installed: apt-get install nginx-light"
DOCUMENTED = Path(__file__).parent.parent / "docs" / "operate.md"

CONFIG = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    {places}
    server {{
        listen 127.0.0.1:{port};
{snippet}
    }}
}}
"""
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def find_snippet(location: str) -> str:
    """The block of the documentation that has nginx answer at this location."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", DOCUMENTED.read_text(encoding="utf-8"), re.MULTILINE)
    (found,) = [block for block in blocks if f"location {location} {{" in block]
    return str(found)


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def run_nginx(port: int, server: str, *, keep_path: bool = False) -> Iterator[str]:
    """The address of nginx, which hands what is under /maps/ to `server`, with the path or, as documented, without."""
    documented = "http://127.0.0.1:8000/;"
    snippet = find_snippet("/maps/")
    assert documented in snippet
    snippet = snippet.replace(documented, f"http://{urlsplit(server).netloc}{'' if keep_path else '/'};")
    folder = Path(tempfile.mkdtemp(prefix="geoserver-nginx-"))
    places = " ".join(f"{name}_temp_path {folder}/{name};" for name in FOLDERS)
    (folder / "conf").write_text(CONFIG.format(folder=folder, places=places, port=port, snippet=snippet), "utf-8")
    assert NGINX
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "conf")]
    process = subprocess.Popen(command)
    try:
        _wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "nginx ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "nginx did not start"
            time.sleep(0.05)
        else:
            return
