"""What runs in a process of its own for one file: confine it, open the file by its ending's kind, send its rows."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from geoserver.errors import LoadError
from geoserver.sources import open_here, read_kinds
from geoserver.sources.frames import write_batch, write_frame
from geoserver.sources.sandbox import confine, find_memory, limit_memory

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["prepare", "work"]


def prepare() -> None:
    """Have every kind of source at hand."""
    read_kinds()


def work(order: tuple[object, ...], pipe: int, folder: Path) -> None:
    """Send what the request asks for, or why it cannot be had, as frames."""
    request, parts = cast("tuple[Request, list[Path]]", order)
    memory = request.limits.memory or find_memory()
    try:
        request = replace(request, path=_link(parts, folder), folder=folder)
        os.chdir(folder)
        os.environ["TMPDIR"] = str(folder)
        limit_memory(memory)
        pa.set_memory_pool(pa.system_memory_pool())  # others map more than they use, which counts
        confine([part.resolve() for part in parts], folder)
        _send(request, pipe)
    except BrokenPipeError:
        return
    except (MemoryError, pa.ArrowMemoryError):
        _fail(pipe, request, f"needs more than {memory >> 20:,} MB of memory to be read")
    except LoadError as error:
        write_frame(pipe, {"kind": "error", "message": str(error)})
    except Exception as error:
        text = str(error).split("\n", maxsplit=1)[0].replace(f"{folder}/", "")
        _fail(pipe, request, f"cannot be read: {type(error).__name__}: {text}")


def _link(parts: list[Path], folder: Path) -> Path:
    """The files by their own names in the private folder, where nothing else lies beside them."""
    for part in parts:
        (folder / part.name).symlink_to(part.resolve())
    return folder / parts[0].name


def _send(request: Request, pipe: int) -> None:
    opened = open_here(request)
    header: dict[str, Any] = {
        "kind": "opened",
        "crs": opened.crs,
        "assume_lonlat": opened.assume_lonlat,
        "total": opened.total,
        "decimal": opened.decimal,
        "samples": dict(opened.samples),
        "guessed": opened.guessed,
        "columns": list(opened.columns),
    }
    write_frame(pipe, header)
    for batch in opened.batches:
        write_batch(pipe, batch)
    write_frame(pipe, {"kind": "end"})


def _fail(pipe: int, request: Request, why: str) -> None:
    write_frame(pipe, {"kind": "error", "message": str(request.fail(why))})
