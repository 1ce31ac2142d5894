"""Files of the catalogue as they really lie there: pipes, folders with a file's name, other encodings, too large."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from geoserver.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["LARGEST", "is_file", "is_folder", "list_files", "read_bytes", "read_signature", "read_text", "sign"]

LARGEST = 8 << 20  # bytes; the largest style of a basemap has some hundred thousand
_SUFFIXES = (".toml", ".json", ".sql")


def is_file(path: Path) -> bool:
    """Whether there is one, as far as this user can tell; pathlib raises for closed folders and too long names."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """The same of a folder."""
    try:
        return path.is_dir()
    except OSError:
        return False


def list_files(folder: Path, suffix: str, problems: list[CatalogError]) -> list[Path]:
    """Paths in the folder that end so, in order; a folder that cannot be read is a problem and has none."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(suffix)]
    except OSError as error:
        problems.append(CatalogError(str(folder), "", f"a readable folder: {error.strerror}"))
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def read_bytes(path: Path) -> bytes:
    """What is in a file, up to a byte more than it may have, without waiting; raises CatalogError for what is none."""
    try:
        # Without waiting: who opens a pipe waits for someone to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CatalogError(str(path), "", "a file; it is a folder, a pipe or a device")
            return file.read(LARGEST + 1)
    except OSError as error:
        raise CatalogError(str(path), "", f"a readable file: {error.strerror}") from error


def read_text(path: Path) -> str:
    """The file's text; raises CatalogError for what is no readable file of text in UTF-8."""
    content = read_bytes(path)
    if len(content) > LARGEST:
        raise CatalogError(str(path), "", f"at most {LARGEST >> 20} MiB")
    if b"\0" in content:
        raise CatalogError(str(path), "", "text in UTF-8, without zero bytes")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")  # some editors begin with a byte order mark
    except UnicodeDecodeError as error:
        raise CatalogError(str(path), "", f"text in UTF-8; byte {error.start} is none") from error


def read_signature(
    find_folders: Callable[[], Iterable[Path]], find_files: Callable[[], Iterable[Path]] = tuple
) -> object:
    """Something that is another when a folder, one of the catalogue's files in it or a single file changes or goes."""
    found: list[object] = [(path, sign(path)) for path in find_files()]
    for folder in find_folders():
        found.append((folder, sign(folder)))
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(_SUFFIXES))
        except OSError as error:
            found.append(error.errno)
            continue
        found += [(name, sign(folder / name)) for name in names]
    return found


def sign(path: Path) -> object:
    """Something that is another when the file or folder at a path is another."""
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    # Of a folder only which one it is: its time changes with files that are none of ours.
    which = (status.st_dev, status.st_ino, status.st_mode)
    return which if stat.S_ISDIR(status.st_mode) else (*which, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
