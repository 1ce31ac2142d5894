"""What runs in a process of its own for one export: its own connection, one snapshot, bytes into a pipe."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import psycopg

from geoserver.database.exports import open_rows
from geoserver.database.pool import explain
from geoserver.errors import BadParameterError, OvertakenError, UnavailableError
from geoserver.formats import read_formats
from geoserver.formats.base import Target
from geoserver.sources.nursery import TOLD

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.formats.base import Extract

__all__ = ["prepare", "work"]

_FEW = 500  # characters of an error that nobody foresaw


def prepare() -> None:
    """Have every format at hand."""
    read_formats()


def work(order: tuple[str, str, Extract], pipe: int, folder: Path) -> None:
    """Write the extract in the format of this id; leaves word of how many rows there were, or of what went wrong."""
    url, name, extract = order
    os.environ["TMPDIR"] = str(folder)
    try:
        with open_rows(url) as rows:
            read_formats()[name].write(extract, rows, Target(pipe, folder))
            told: dict[str, object] = {"rows": rows.count}
    except BrokenPipeError:
        return
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
