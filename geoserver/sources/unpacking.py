"""What is packed, unpacked into the reading process's own folder, within limits."""

from __future__ import annotations

import gzip
import shutil
import stat
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["BROKEN", "Bounded", "is_link", "write_unpacked"]

_PIECE = 1 << 20
_FREE = 1 << 30  # bytes that may come out of anything
_RATIO = 200  # beyond them: at most so many times what went in; text gives 5 to 30, a bomb 1,000
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError)
_SPARE = 1 << 29  # bytes that stay free on the disk


class Bounded:
    """Counts what comes out of a packed file, and raises LoadError when it is out of all proportion."""

    def __init__(self, request: Request, packed: int) -> None:
        self._request = request
        self._most = max(_FREE, _RATIO * packed)
        self._count = 0

    def add(self, size: int) -> None:
        self._count += size
        if self._count > self._most:
            raise self._request.fail(f"unpacks to more than {self._most >> 20:,} MB, {_RATIO} times its size")


def write_unpacked(request: Request, source: IO[bytes] | gzip.GzipFile, target: Path, bound: Bounded) -> None:
    """Copy an open packed stream to a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        while piece := source.read(_PIECE):
            bound.add(len(piece))
            if shutil.disk_usage(target.parent).free < _SPARE:
                raise request.fail("there is no room to unpack it; set TMPDIR to a folder with more")
            out.write(piece)


def is_link(member: zipfile.ZipInfo) -> bool:
    """Whether a member of a zip stands for a link to elsewhere."""
    return stat.S_ISLNK(member.external_attr >> 16)
