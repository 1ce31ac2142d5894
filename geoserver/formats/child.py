"""What runs in a process of its own for one export: its own connection, one snapshot, bytes into a pipe."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from typing import TYPE_CHECKING

import psycopg

from geoserver.database.exports import open_rows
from geoserver.database.pool import explain
from geoserver.errors import BadParameterError, OvertakenError, UnavailableError
from geoserver.formats import turns
from geoserver.formats.kept import put
from geoserver.formats.target import Target
from geoserver.nursery import TOLD

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.formats.base import Extract, Format
    from geoserver.formats.kept import Place

__all__ = ["prepare", "work"]

_FEW = 500  # characters of an error that nobody foresaw
_NICE = 10  # tiles come first
_WORDS = 4096  # bytes that are set apart for what is told: when it is of a full disk, there is no room for more
_NO_ROOM = 1 << 20  # bytes of a disk that is full


def prepare() -> None:
    """Have the turns at hand that those who work take."""
    turns.prepare()


def work(order: tuple[str, Format, Extract, Place | None], pipe: int, folder: Path) -> None:
    """Write the extract in this format; leaves word of how many rows there were, or of what went wrong.

    Where the file has a place among those that are kept, it is there as soon as it is whole.
    """
    url, chosen, extract, place = order
    os.nice(_NICE)
    os.environ["TMPDIR"] = str(folder)
    kept = folder / "kept" if place else None
    turn = turns.Turn()
    told: dict[str, object] = {}
    _tell(folder, told)
    target = Target(pipe, folder, kept, turn.give_back)
    try:
        with open_rows(url, extract.id, extract.version, extract.selection, turn.pass_on) as rows:
            chosen.write(extract, rows, target)
            told = {"rows": rows.count}
        turn.give_back()
        if place and kept and target.is_kept:
            with contextlib.suppress(OSError):  # it goes out all the same
                put(place, kept)
        target.finish()
    except BrokenPipeError:
        return
    except OvertakenError as error:
        told = {"overtaken": str(error)}
    except Exception as error:  # libraries have errors of their own, and somebody is to hear of each
        is_full = shutil.disk_usage(folder).free < _NO_ROOM or getattr(error, "errno", 0) == errno.ENOSPC
        told = {"full": str(folder.parent)} if is_full else _explain(error, extract)
    _tell(folder, told)


def _tell(folder: Path, told: dict[str, object]) -> None:
    """Leave word, in the room that was taken by the first."""
    words = json.dumps(told).encode().ljust(_WORDS)
    number = os.open(folder / TOLD, os.O_WRONLY | os.O_CREAT, 0o600)
    os.pwrite(number, words, 0)
    os.close(number)


def _explain(error: Exception, extract: Extract) -> dict[str, object]:
    known = explain(error) if isinstance(error, psycopg.Error) else None
    match known:
        case BadParameterError() if isinstance(error, psycopg.errors.InternalError_) and extract.is_moved:
            return {"bad": ["crs", extract.crs, "a CRS that reaches all rows that are asked for; see its area of use"]}
        case BadParameterError():
            return {"bad": [known.parameter, known.value, known.expected]}
        case OvertakenError():
            return {"overtaken": str(known)}
        case UnavailableError():
            return {"unavailable": str(known)}
    return {"failed": f"{type(error).__name__}: {error}"[:_FEW]}
