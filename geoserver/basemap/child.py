"""The process that reads an extract: what a broken or hostile file does there ends it, and no other.

Started by `geoserver.basemap.apart`, it takes an order as a line of JSON, and sends frames: how far it is, rows of
layers as soon as there are many, and what came of it.
"""

from __future__ import annotations

import gc
import json
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa

from geoserver.sources.frames import write_frame
from geoserver.sources.sandbox import confine, limit_memory

__all__: list[str] = []

_IN_MEMORY = 400 << 20  # bytes of a file whose nodes' positions are held in memory


def main() -> None:
    order = json.loads(sys.stdin.readline())
    path, folder = Path(order["path"]), Path(order["folder"])
    # Loaded before the walls are up.
    from geoserver.basemap.reading import read_extract  # noqa: PLC0415
    from geoserver.basemap.survey import survey  # noqa: PLC0415
    from geoserver.basemap.writing import Writer  # noqa: PLC0415

    gc.disable()  # millions of small tuples, none of them in a circle
    limit_memory(order["memory"])
    confine([path], folder)
    notes: Counter[str] = Counter()
    pipe = sys.stdout.fileno()

    def tell(phase: str, done: int) -> None:
        write_frame(pipe, {"kind": "progress", "phase": phase, "done": done})

    def give(layer: str, rows: pa.RecordBatch) -> None:
        write_frame(pipe, {"kind": "rows", "layer": layer}, _as_stream(rows))

    def fail(message: str) -> None:
        write_frame(pipe, {"kind": "error", "message": message})

    try:
        found = survey(path, tell, order["languages"])
        write_frame(pipe, {"kind": "languages", "languages": found.languages})
        storage = "flex_mem" if path.stat().st_size < _IN_MEMORY else f"sparse_file_array,{folder / 'positions'}"
        read_extract(found, Writer(give, found.languages, notes, found.edge), tell, storage)
    except MemoryError:
        fail("takes more memory than it may")
    except RuntimeError as error:  # of osmium
        fail(f"ends too early, or is broken ({error}); download it again")
    except (ValueError, OSError) as error:
        fail(str(error))
    else:
        write_frame(pipe, {"kind": "end", "notes": dict(+notes)})


def _as_stream(rows: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_batch(rows)
    return sink.getvalue()


if __name__ == "__main__":
    main()
