"""The processes that read an extract: what a broken or hostile file does there ends them, and no other.

Started by `geoserver.basemap.apart`, each takes an order as a line of JSON, and sends frames: how far it is, rows of
layers as soon as there are many, and what came of it. There are two of them, each with a half of the extract. The one
without streets looks at the file first, and ends with what has to know of both halves.
"""

from __future__ import annotations

import gc
import json
import os
import select
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geoserver.basemap.reading import read_most
from geoserver.basemap.streets import LAYERS, Ways, read_streets
from geoserver.basemap.survey import Survey, survey
from geoserver.basemap.writing import Writer
from geoserver.sources.frames import read_frame, write_frame
from geoserver.sources.sandbox import confine, end_with, limit_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

_IN_MEMORY = 400 << 20  # bytes of a file whose nodes' positions are held in memory
_WORD = 20.0  # seconds of waiting, after which it says that it is still there


def main() -> None:
    order = json.loads(_read_line())
    end_with(order["parent"])
    path, folder = Path(order["path"]), Path(order["folder"])
    gc.disable()  # millions of small tuples, none of them in a circle
    limit_memory(order["memory"])
    confine([path], folder)
    half = _Half(path, folder, sys.stdout.fileno())
    try:
        if found := order["found"]:
            half.read_streets(Survey(**found | {"path": path, "edge": found["edge"] and tuple(found["edge"])}))
        else:
            half.read_most(order["languages"])
    except MemoryError:
        half.fail("takes more memory than it may")
    except RuntimeError as error:  # of osmium
        half.fail(f"ends too early, or is broken ({error}); download it again")
    except UnicodeDecodeError:  # osmium tells of a fault and repeats letters that it cut apart
        half.fail("is broken; download it again")
    except (ValueError, OSError) as error:
        half.fail(str(error))
    except Exception as error:  # of a library, about what no real extract holds
        half.fail(f"holds what cannot be read ({type(error).__name__}: {error})")
    else:
        half.send("end", notes=dict(+half.notes))


def _read_line() -> bytes:
    """From where frames are read later: nothing is read ahead."""
    line = b""
    while not line.endswith(b"\n") and (more := os.read(sys.stdin.fileno(), 1)):
        line += more
    return line


class _Half:
    """One of the two, with where it is sent."""

    def __init__(self, path: Path, folder: Path, pipe: int) -> None:
        self.path = path
        self.folder = folder
        self.pipe = pipe
        self.notes: Counter[str] = Counter()

    def send(self, kind: str, body: pa.Buffer | None = None, **header: Any) -> None:
        write_frame(self.pipe, {"kind": kind, **header}, body)

    def tell(self, phase: str, done: int) -> None:
        self.send("progress", phase=phase, done=done)

    def fail(self, message: str) -> None:
        self.send("error", message=message)

    def give(self, layer: str, rows: pa.RecordBatch) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_batch(rows)
        self.send("rows", sink.getvalue(), layer=layer)

    def choose_storage(self) -> str:
        """Where positions of nodes are held."""
        if self.path.stat().st_size < _IN_MEMORY:
            return "flex_mem"
        return f"sparse_file_array,{self.folder / f'positions-{os.getpid()}'}"

    def read_streets(self, found: Survey) -> None:
        writer = Writer(self.give, found.languages, self.notes, found.edge)
        ways = read_streets(found, writer, self.tell, self.choose_storage())
        evidence = np.concatenate([np.empty((0, 2)), *writer.evidence])
        self.send("seen", pa.py_buffer(evidence.tobytes()), boxes=writer.seen, ways=[ways.read, ways.lost])

    def read_most(self, spoken: list[str]) -> None:
        found = survey(self.path, self.tell, spoken)
        self.send("found", found=asdict(found) | {"path": ""})
        held = _Held(self.folder)

        def give(layer: str, rows: pa.RecordBatch) -> None:
            (held.give if layer in LAYERS else self.give)(layer, rows)

        writer = Writer(give, found.languages, self.notes, found.edge)

        def wait_for_others() -> Ways:
            header, body = read_frame(sys.stdin.fileno(), self._wait)
            writer.add_seen(header["boxes"], np.frombuffer(body).reshape(-1, 2))
            return Ways(*header["ways"])

        read_most(found, writer, self.tell, self.choose_storage(), wait_for_others)
        for layer, rows in held.iterate():
            self.give(layer, rows)

    def _wait(self) -> None:
        while not select.select([sys.stdin], [], [], _WORD)[0]:
            self.tell("joining", 0)


class _Held:
    """Rows of layers that the other half has, too: behind those, so that the same extract makes the same files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams: dict[str, tuple[Path, pa.ipc.RecordBatchStreamWriter]] = {}

    def give(self, layer: str, rows: pa.RecordBatch) -> None:
        if layer not in self._streams:
            path = self._folder / f"{layer}.arrow"
            self._streams[layer] = path, pa.ipc.new_stream(path, rows.schema)
        self._streams[layer][1].write_batch(rows)

    def iterate(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        for layer, (path, stream) in self._streams.items():
            stream.close()
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as rows:
                for batch in rows:
                    yield layer, batch
            path.unlink()


if __name__ == "__main__":
    main()
