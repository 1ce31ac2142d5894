"""Where this machine keeps PostgreSQL's programs, and whether PostGIS came with them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from geoserver.errors import SetupError

__all__ = ["Binaries", "explain_install", "find_binaries", "search_binaries"]

MINIMUM_POSTGRESQL = 15
MINIMUM_POSTGIS = (3, 3)

_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # packages of the PostgreSQL project for Red Hat and SUSE
    "/usr/lib/postgresql*/bin",  # openSUSE, Alpine (/usr/libexec has its newer ones)
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
    "/usr/bin",
)
_PACKAGES = {
    "debian": "apt-get install postgresql-postgis",
    "fedora": "dnf install postgresql-server postgis",
    "rhel": "dnf install postgresql-server postgis",
    "suse": "zypper install postgresql-server postgis",
    "arch": "pacman -S postgresql postgis",
    "alpine": "apk add postgresql postgis",
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Programs of one PostgreSQL that has PostGIS; `major` is PostgreSQL's."""

    folder: Path
    major: int
    postgis: tuple[int, ...]


def find_binaries(major: int | None = None) -> Binaries:
    """The newest PostgreSQL >= 15 with PostGIS >= 3.3, or that of the given major version; raises SetupError."""
    found = [item for item in search_binaries() if item.postgis >= MINIMUM_POSTGIS]
    if major is not None:
        found = [item for item in found if item.major == major]
    if not found:
        raise SetupError(explain_install(major))
    return max(found, key=lambda item: item.major)


def search_binaries() -> list[Binaries]:
    """Every PostgreSQL >= 15 with a PostGIS that is installed here."""
    places = [path for pattern in _PLACES for path in sorted(Path("/").glob(pattern.removeprefix("/")))]
    if on_path := shutil.which("postgres"):
        places.insert(0, Path(on_path).resolve().parent)
    found = [_read_binaries(folder) for folder in dict.fromkeys(places)]
    return [item for item in found if item]


def explain_install(major: int | None = None) -> str:
    """One line that says what to install on this system."""
    command = _PACKAGES.get(_read_family(), "install PostgreSQL 15 or newer with PostGIS 3.3 or newer")
    if sys.platform == "darwin":
        command = "brew install postgis"
    if major is not None:
        command = command.replace("postgresql-postgis", f"postgresql-{major}-postgis-3")
        return f"This workspace's database was made by PostgreSQL {major}, which is not here with PostGIS: {command}"
    return f"PostGIS is not installed: {command} (or set DATABASE_URL to a PostGIS elsewhere)"


def _read_binaries(folder: Path) -> Binaries | None:
    if not all((folder / name).is_file() for name in ("postgres", "initdb", "pg_ctl")):
        return None
    version = re.search(r"\d+", _run(folder / "postgres", "--version"))
    if not version or int(version[0]) < MINIMUM_POSTGRESQL:
        return None
    major = int(version[0])
    control = _find_control(folder, major)
    if control is None:
        return None
    match = re.search(r"default_version\s*=\s*'(\d+)\.(\d+)", control.read_text(encoding="utf-8"))
    return Binaries(folder, major, tuple(int(part) for part in match.groups())) if match else None


def _find_control(folder: Path, major: int) -> Path | None:
    """PostGIS's control file, which lies where PostgreSQL looks for extensions."""
    shares = [Path(f"/usr/share/postgresql/{major}"), Path("/usr/share/postgresql"), Path("/usr/share/pgsql")]
    if (folder / "pg_config").is_file() and (told := _run(folder / "pg_config", "--sharedir")):
        shares = [Path(told)]
    found = [share / "extension" / "postgis.control" for share in shares]
    return next((path for path in found if path.is_file()), None)


def _read_family() -> str:
    """`debian`, `fedora`, ...: the distribution, or the one that it descends from."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    names = re.findall(r'^ID(?:_LIKE)?="?([^"\n]*)"?$', text, re.MULTILINE)
    words = " ".join(names).split()
    return next((word for word in words if word in _PACKAGES), "")


def _run(program: Path, argument: str) -> str:
    try:
        done = subprocess.run([program, argument], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 - a program that we found ourselves
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
