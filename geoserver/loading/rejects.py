"""Rows that cannot be served: kept with line and reason, counted, and written in the load's transaction.

Of a row's values only those of declared fields are kept, and none where it cannot be told which column a value is of.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import TYPE_CHECKING

import orjson
from psycopg.sql import SQL

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import psycopg
    import pyarrow as pa

    from geoserver.sources import Broken

__all__ = ["Rejects"]

_IN_MEMORY = 1 << 22
_LONGEST = 500  # characters of a row's values in all
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

    def add(self, line: int, reason: str, values: Mapping[str, object]) -> None:
        """One row with its values by the names of declared fields."""
        self.reasons[reason] += 1
        cells = (self._layer, str(line), reason, orjson.dumps(_shorten(values)).decode())
        self._file.write(("\t".join(cell.translate(_ESCAPES) for cell in cells) + "\n").encode())

    def add_broken(self, rows: list[Broken]) -> None:
        """Rows that could not be taken apart: which of their text is a declared field's cannot be told."""
        for row in rows:
            self.add(row.line, row.reason, {})

    def add_rows(self, reasons: np.ndarray, lines: np.ndarray, columns: Mapping[str, pa.Array]) -> None:
        """Rows of a batch by index, `reasons` holding None for those that stay; columns by names of declared fields."""
        for index in (reasons != None).nonzero()[0]:  # noqa: E711 - compares element by element
            values = {name: column[int(index)].as_py() for name, column in columns.items()}
            self.add(int(lines[index]), str(reasons[index]), values)

    def write(self, connection: psycopg.Connection) -> None:
        """Replace the layer's rejected rows."""
        connection.execute(SQL("DELETE FROM geoserver.rejects WHERE layer = %s"), [self._layer])
        self._file.seek(0)
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY geoserver.rejects (layer, line, reason, fields) FROM STDIN") as copy,
        ):
            while block := self._file.read(1 << 16):
                copy.write(block)


def _shorten(values: Mapping[str, object]) -> dict[str, str]:
    """Values as texts, cut where they are long in all."""
    texts: dict[str, str] = {}
    room = _LONGEST
    for name, value in values.items():
        if value is None:
            continue
        if room <= 0:
            break
        text = str(value).replace("\0", "")
        texts[name] = text if len(text) <= room else text[: room - 1] + "…"
        room -= len(text)
    return texts
