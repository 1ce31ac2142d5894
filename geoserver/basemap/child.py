"""The processes that read an extract: what a broken or hostile file does there ends them, and no other.

Started by `geoserver.basemap.apart` with an order in JSON, it sends frames: how far it is, rows of
layers as soon as there are many, and what came of it. It looks at the file and reads the nodes; then there are two of
it, with the nodes' positions in memory that they share. The second reads streets and has a pipe of its own; the first
reads the rest, and ends with what has to know of both halves.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geoserver.basemap.nodes import read_nodes
from geoserver.basemap.reading import read_most
from geoserver.basemap.streets import LAYERS, Ways, read_streets
from geoserver.basemap.survey import survey
from geoserver.basemap.writing import Writer
from geoserver.sources.frames import read_frame, write_frame
from geoserver.sources.sandbox import confine, end_with, limit_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.basemap.survey import Survey

__all__: list[str] = []

_IN_MEMORY = 400 << 20  # bytes of a file whose nodes' positions are held in memory
_WORD = 20.0  # seconds of waiting, after which it says that it is still there


def main() -> None:
    order = json.loads(sys.argv[1])
    end_with(order["parent"])
    path, folder = Path(order["path"]), Path(order["folder"])
    gc.disable()  # millions of small tuples, none of them in a circle
    limit_memory(order["memory"])
    confine([path], folder)
    half = _Half(path, folder, sys.stdout.fileno())
    half.work(lambda: half.read(order["languages"], _Half(path, folder, order["streets"])))


class _Half:
    """One of the two, with where it is sent."""

    def __init__(self, path: Path, folder: Path, pipe: int) -> None:
        self.path = path
        self.folder = folder
        self.pipe = pipe
        self.notes: Counter[str] = Counter()

    def work(self, read: Callable[[], None]) -> None:
        """Do it, and tell how that ended."""
        try:
            read()
        except MemoryError:
            self.fail("takes more memory than it may")
        except RuntimeError as error:  # of osmium
            self.fail(f"ends too early, or is broken ({error}); download it again")
        except UnicodeDecodeError:  # osmium tells of a fault and repeats letters that it cut apart
            self.fail("is broken; download it again")
        except (ValueError, OSError) as error:
            self.fail(str(error))
        except Exception as error:  # of a library, about what no real extract holds
            self.fail(f"holds what cannot be read ({type(error).__name__}: {error})")
        else:
            self.send("end", notes=dict(+self.notes))

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

    def read(self, spoken: list[str], other: _Half) -> None:
        """All of it, with the other half beside this one from when the nodes are read."""
        found = survey(self.path, self.tell, spoken)
        self.send("found", languages=found.languages)
        held = _Held(self.folder)

        def give(layer: str, rows: pa.RecordBatch) -> None:
            (held.give if layer in LAYERS else self.give)(layer, rows)

        writer = Writer(give, found.languages, self.notes, found.edge)
        streets = Writer(other.give, found.languages, other.notes, found.edge)
        placing = read_nodes(found, self.choose_storage(), self.tell, streets, writer)
        seen = _begin_beside(
            lambda pipe: other.work(lambda: other.read_streets(found, streets, placing, pipe)), self.pipe
        )
        os.close(other.pipe)

        def wait_for_others() -> Ways:
            header, body = read_frame(seen, lambda: self._wait(seen))
            writer.add_seen(header["boxes"], np.frombuffer(body).reshape(-1, 2))
            return Ways(*header["ways"])

        read_most(found, writer, self.tell, placing, wait_for_others)
        self.send("behind")
        for layer, rows in held.iterate():
            self.give(layer, rows)

    def read_streets(self, found: Survey, writer: Writer, placing: list[Any], pipe: int) -> None:
        """The other half; what this one has to know of it goes to the pipe."""
        ways = read_streets(found, writer, self.tell, placing)
        evidence = np.concatenate([np.empty((0, 2)), *writer.evidence])
        write_frame(pipe, {"boxes": writer.seen, "ways": [ways.read, ways.lost]}, pa.py_buffer(evidence.tobytes()))

    def _wait(self, pipe: int) -> None:
        while not select.select([pipe], [], [], _WORD)[0]:
            self.tell("joining", 0)


def _begin_beside(work: Callable[[int], None], own: int) -> int:
    """Let a copy of this process do the work; gives a pipe, whose other end it has. `own` stays with this process.

    Where the copy is ended, this process ends as it did.
    """

    def follow(*_: object) -> None:
        code = os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1])
        if code < 0:
            os.kill(os.getpid(), -code)
        elif code:
            os._exit(code)

    signal.signal(signal.SIGCHLD, follow)
    here = os.getpid()
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        return ours
    try:
        end_with(here)
        os.close(ours)
        os.close(own)
        work(theirs)
    except BaseException:
        os._exit(1)
    os._exit(0)


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
