"""Rows that cannot be served: kept with line and reason, counted, and written in the load's transaction."""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import TYPE_CHECKING

from psycopg.sql import SQL

from geoserver.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import psycopg
    import pyarrow as pa

    from geoserver.sources import Broken

__all__ = ["Rejects"]

_IN_MEMORY = 1 << 22
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})


class Rejects:
    """Collects rejected rows, on disk when they are many; `reasons` counts them."""

    def __init__(self, layer_id: str) -> None:
        self.reasons: Counter[str] = Counter()
        self._layer = layer_id
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, mode="w+b")  # noqa: SIM115 - closed by `close`

    def __len__(self) -> int:
        return self.reasons.total()

    def close(self) -> None:
        self._file.close()

    def add(self, line: int, reason: str, raw: str) -> None:
        self.reasons[reason] += 1
        cells = (self._layer, str(line), reason, shorten(raw, 500))
        self._file.write(("\t".join(cell.translate(_ESCAPES) for cell in cells) + "\n").encode())

    def add_broken(self, rows: list[Broken]) -> None:
        for row in rows:
            self.add(row.line, row.reason, row.raw)

    def add_rows(self, reasons: np.ndarray, lines: np.ndarray, columns: Mapping[str, pa.Array]) -> None:
        """Rows of a batch by index, `reasons` holding None for those that stay."""
        for index in (reasons != None).nonzero()[0]:  # noqa: E711 - compares element by element
            cells = ((name, column[int(index)].as_py()) for name, column in columns.items())
            raw = "; ".join(f"{name}={value}" for name, value in cells if value is not None)
            self.add(int(lines[index]), str(reasons[index]), raw)

    def write(self, connection: psycopg.Connection) -> None:
        """Replace the layer's rejected rows."""
        connection.execute(SQL("DELETE FROM geoserver.rejects WHERE layer = %s"), [self._layer])
        self._file.seek(0)
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY geoserver.rejects (layer, line, reason, raw) FROM STDIN") as copy,
        ):
            while block := self._file.read(1 << 16):
                copy.write(block)
