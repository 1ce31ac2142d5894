"""What runs in a process of its own for one export: its own connection, one snapshot, bytes into a pipe."""

from __future__ import annotations

import contextlib
import json
import os
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
    target = Target(pipe, folder, kept, turn.give_back)
    try:
        with open_rows(url, extract.id, extract.version, extract.selection, turn.pass_on) as rows:
            chosen.write(extract, rows, target)
            told: dict[str, object] = {"rows": rows.count}
        turn.give_back()
        if place and kept:
            with contextlib.suppress(OSError):  # it goes out all the same
                put(place, kept)
        target.finish()
    except BrokenPipeError:
        return
    except OvertakenError as error:
        told = {"overtaken": str(error)}
    except (psycopg.Error, OSError, ValueError, RuntimeError) as error:
        told = _explain(error)
    (folder / TOLD).write_text(json.dumps(told), encoding="utf-8")


def _explain(error: Exception) -> dict[str, object]:
    known = explain(error) if isinstance(error, psycopg.Error) else None
    match known:
        case BadParameterError():
            return {"bad": [known.parameter, known.value, known.expected]}
        case OvertakenError():
            return {"overtaken": str(known)}
        case UnavailableError():
            return {"unavailable": str(known)}
    return {"failed": f"{type(error).__name__}: {error}"[:_FEW]}
