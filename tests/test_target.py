"""What a slow reader does not take waits on the disk, and not in memory."""

from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest

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
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    target._file().close()
    os.close(reader)
    os.close(writer)
    assert peak < 1 << 20
