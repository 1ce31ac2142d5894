"""The process that reads an extract: what a broken or hostile file does there ends it, and no other.

Started by `geoserver.basemap.making`, it takes an order as a line of JSON, and tells in such lines how far it is and
what came of it.
"""

from __future__ import annotations

import gc
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from geoserver.sources.sandbox import confine, limit_memory

__all__: list[str] = []

_IN_MEMORY = 400 << 20  # bytes of a file whose nodes' positions are held in memory


def main() -> None:
    order = json.loads(sys.stdin.readline())
    path, folder = Path(order["path"]), Path(order["folder"])
    # Loaded before the walls are up.
    from geoserver.basemap.afar import write_afar  # noqa: PLC0415
    from geoserver.basemap.reading import read_extract, survey  # noqa: PLC0415
    from geoserver.basemap.writing import Writer  # noqa: PLC0415

    gc.disable()  # millions of small tuples, none of them in a circle
    limit_memory(order["memory"])
    confine([path], folder)
    notes: Counter[str] = Counter()
    try:
        found = survey(path, _tell, order["languages"])
        writer = Writer(folder, found.languages, notes)
        storage = "flex_mem" if path.stat().st_size < _IN_MEMORY else f"sparse_file_array,{folder / 'positions'}"
        read_extract(path, found, writer, _tell, storage)
        writer.close()
        if rows := write_afar(folder, _tell):
            writer.counts["afar"] = rows
    except MemoryError:
        _say({"error": "takes more memory than it may"})
    except RuntimeError as error:  # of osmium
        _say({"error": f"is no extract in the PBF format, or ends too early ({error}); download it again"})
    except (ValueError, OSError) as error:
        _say({"error": str(error)})
    else:
        (folder / "positions").unlink(missing_ok=True)
        _say({"counts": dict(writer.counts), "notes": dict(+notes), "languages": list(found.languages)})


def _tell(phase: str, done: int) -> None:
    _say({"phase": phase, "done": done})


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
