"""Whole layers as files on disk, within a budget: made once per version, and had again without the database.

Any number of processes use the same folder: a file appears there whole or not at all, and its name says all that it was
made of. What was not asked for the longest goes first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["Place", "Shelf", "put"]

_PARTIAL = "."  # begins the names of files that are not whole
_FORGOTTEN = 3600  # seconds after which nobody writes such a one any more


@dataclass(frozen=True, slots=True)
class Place:
    """Where one file is to be kept, and how many bytes all of them may have together."""

    folder: Path
    name: str
    budget: int


class Shelf:
    """The files that are kept; with a budget of 0 there are none."""

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = folder
        self._budget = budget

    def place(self, layer_id: str, version: str, etag: str) -> Place | None:
        """Where the file with this tag is kept, of a layer's rows of this version."""
        name = f"{layer_id}~{version}~{etag}".replace('"', "")
        return Place(self._folder, name, self._budget) if self._budget else None

    def find(self, place: Place | None) -> BinaryIO | None:
        """The file there, which stays readable whatever becomes of the folder; it counts as used now."""
        if place is None:
            return None
        with contextlib.suppress(OSError):
            file = (place.folder / place.name).open("rb")
            os.utime(file.fileno(), ns=(time.time_ns(), os.fstat(file.fileno()).st_mtime_ns))
            return file
        return None

    def sweep(self, current: Collection[tuple[str, str]]) -> None:
        """Remove the files of all layers and versions but these."""
        for path in _list(self._folder):
            layer_id, _, rest = path.name.partition("~")
            if (layer_id, rest.partition("~")[0]) not in current and not _is_written(path):
                with contextlib.suppress(OSError):
                    path.unlink()


def put(place: Place, made: Path) -> None:
    """Move a whole file to its place, and make room for it first. Raises OSError."""
    size = made.stat().st_size
    if size > place.budget:
        return
    place.folder.mkdir(parents=True, exist_ok=True)
    _make_room(place, place.budget - size)
    partial = place.folder / f"{_PARTIAL}{place.name}.{os.getpid()}"
    try:
        shutil.move(made, partial)  # from another disk, perhaps
        partial.replace(place.folder / place.name)
    finally:
        partial.unlink(missing_ok=True)


def _make_room(place: Place, most: int) -> None:
    """Leave so many bytes of other files, those that were asked for last."""
    found = []
    for path in _list(place.folder):
        with contextlib.suppress(FileNotFoundError):
            if path.name != place.name and not _is_written(path):
                found.append((path.stat().st_atime_ns, path.stat().st_size, path))
    for _, size, path in sorted(found, reverse=True):
        most -= size
        if most < 0 or path.name.startswith(_PARTIAL):
            path.unlink(missing_ok=True)


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_written(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.name.startswith(_PARTIAL) and time.time() - path.stat().st_mtime < _FORGOTTEN
    return False
