"""What is installed: the wheel carries everything, a checkout copies nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from geoserver import assets
from geoserver.database import private
from geoserver.settings import Settings

ROOT = Path(__file__).parent.parent


def test_a_checkout_uses_its_own_files_and_holds_no_copy() -> None:
    for kind in ("layers", "tiles", "styles", "data-samples"):
        assert assets.root(kind) == ROOT / kind
    assert assets.root("web") == ROOT / "web" / "dist"
    assert not (ROOT / "geoserver" / "_assets").exists()


def test_locks_name_no_download_address() -> None:
    for path in [*(ROOT / "requirements").glob("*.txt"), ROOT / "web" / "package-lock.json"]:
        text = path.read_text()
        assert "files.pythonhosted" not in text
        assert "registry.npmjs" not in text
        assert not re.search(r'^--|"resolved": "http|@ https?://', text, re.MULTILINE)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("run", []), ("setup", ["setup"]), ("test", ["setup", "test"]), ("bench", ["setup", "test", "bench"])],
)
def test_a_lock_holds_every_dependency_with_its_hash(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [name for extra in extras for name in project["optional-dependencies"][extra]]
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))
    assert {canonicalize_name(Requirement(line).name) for line in wanted} <= locked, "run: make lock"
    assert len(re.findall(r"^[a-z0-9.-]+==.*\\\n    --hash=", text, re.MULTILINE)) == len(locked)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout with the packages that are installed here."""
    if not (ROOT / "web" / "dist" / "index.html").is_file():
        pytest.skip("the viewer is not built: make web")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_every_asset(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    same = {kind: kind for kind in ("layers", "tiles", "styles", "data-samples")}
    for source, kind in (same | {"web/src/messages": "messages"}).items():
        tracked = subprocess.run(
            ["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert tracked
        missing = [path for path in tracked if f"geoserver/_assets/{kind}{path.removeprefix(source)}" not in names]
        assert not missing
    assert "geoserver/_assets/web/index.html" in names
    assert any(name.startswith("geoserver/database/migrations/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


@pytest.mark.slow
def test_the_installed_wheel_shows_the_city_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    folder = tmp_path / "empty"
    folder.mkdir()
    uv = Path(sys.executable).with_name("uv")
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("GEOSERVER_", "DATABASE_URL"))
    }
    subprocess.run([uv, "venv", "--python", sys.executable, environment], check=True, capture_output=True)
    install = [
        uv,
        "pip",
        "install",
        "--python",
        environment / "bin" / "python",
        "-c",
        ROOT / "requirements" / "run.txt",
    ]
    subprocess.run([*install, wheel], check=True, capture_output=True)
    command = [environment / "bin" / "geoserver", "demo", "--port", "0"]
    try:
        with subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            said = ""
            for line in process.stderr:
                said += line
                if found := re.match(r"(http://\S+)", line):
                    break
            else:
                raise AssertionError(said)
            for path in ("/", "/tiles/crime.json", "/styles/light.json", "/ogc/collections/crime/items?f=json&limit=1"):
                with urllib.request.urlopen(found[1] + path, timeout=60) as answer:
                    assert answer.status == 200
                    assert answer.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        assert [path.name for path in folder.iterdir()] == [".geoserver"]
    finally:
        settings = Settings(workspace=folder, database_url=None)
        private.stop(settings, force=True)
        private.remove(settings)
