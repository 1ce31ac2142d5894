"""Packages that only slow tests need, as npm of this machine has them; kept beside the viewer's own."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "web" / "node_modules" / ".cache" / "for-tests"
# Its own program brings the rules from the network at run time; this package has them within it.
RULES = ("next@15.5.3", "package/dist/compiled/amphtml-validator/validator_wasm.js")


def _run(*words: str, folder: Path) -> None:
    """Skips where the registry is not reached."""
    program = shutil.which("npm")
    if program is None or not (ROOT / "web" / "node_modules").is_dir():
        pytest.skip("npm and the viewer's packages are not here")
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"not to be had: npm {' '.join(words)}: {done.stderr[-300:]}")


def install(*packages: str) -> Path:
    """The folder whose `node_modules` has these, such as "vue@3.5.22"; installed once."""
    folder = KEPT / "+".join(packages).replace("/", "_")
    if not folder.is_dir():
        KEPT.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=KEPT))
        (making / "package.json").write_text('{"private": true}')
        _run("install", "--ignore-scripts", "--no-audit", "--no-fund", *packages, folder=making)
        _place(making, folder)
    return folder


def bring_amp_rules() -> Path:
    """The rules of AMP as the file that its validator takes."""
    package, member = RULES
    folder = KEPT / package
    if not folder.is_dir():
        KEPT.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=KEPT))
        _run("pack", package, "--silent", folder=making)
        (packed,) = making.glob("*.tgz")
        with tarfile.open(packed) as archive:
            found = archive.extractfile(member)
            assert found
            (making / Path(member).name).write_bytes(found.read())
        packed.unlink()
        _place(making, folder)
    return folder / Path(member).name


def _place(made: Path, folder: Path) -> None:
    """Whole, or not at all; another process may have been first."""
    try:
        made.replace(folder)
    except OSError:
        shutil.rmtree(made)
