"""What a slow reader does not take waits on the disk, and not in memory."""

from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from geoserver.formats import target as target_module
from geoserver.formats.target import Target

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = bytes(range(256)) * 256


@pytest.mark.parametrize("taken", [0, 1 << 12])
def test_memory_stays_flat_however_little_a_reader_takes(tmp_path: Path, taken: int) -> None:
    reader, writer = os.pipe()
    target = Target(writer, tmp_path)
    target.write(BLOCK)
    tracemalloc.start()
    for _ in range(1000):
        target.write(BLOCK)
        assert len(os.read(reader, taken)) == taken
    # Of this alone: threads that other tests left behind have memory, too.
    mine = [tracemalloc.Filter(True, path) for path in (__file__, target_module.__file__)]
    held = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(mine).traces)
    tracemalloc.stop()
    target._file().close()
    os.close(reader)
    os.close(writer)
    assert held < 1 << 20
