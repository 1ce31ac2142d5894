"""What plain tables (CSV, XLSX) have in common: blanks, wanted columns, positions out of texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from geoserver.sources.base import Batch, Broken
from geoserver.sources.names import fail_for_columns, match_names
from geoserver.sources.positions import (
    PositionColumns,
    find_positions,
    latitude_comes_first,
    parse_numbers,
    parse_pairs,
    parse_shapes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from geoserver.sources.base import Request

__all__ = ["NULLS", "TableReader", "find_decimal"]

NULLS = ["", "None", "NONE", "NULL", "null", "NaN", "nan", "N/A", "n/a", "#N/A", "<null>"]
_MANY = 4096  # samples per column are plenty


@dataclass(frozen=True, slots=True)
class TableReader:
    """Turns text columns into batches. `codes` are columns in which NA is a code of two letters and not a blank."""

    request: Request
    positions: PositionColumns
    decimal: str
    codes: frozenset[str]

    @classmethod
    def plan(
        cls, request: Request, header: Sequence[str], samples: Mapping[str, list[str]], separator: str
    ) -> TableReader:
        """Decide by header and samples; raises LoadError for a wanted column that is not there."""
        request = match_names(request, header)
        fail_for_columns(request, request.columns, header)
        positions = find_positions(request, header, samples) if request.positions else PositionColumns()
        decimal = request.csv.decimal or find_decimal(samples, separator)
        codes = frozenset(name for name, values in samples.items() if _are_codes(values))
        return cls(request, positions, decimal, codes)

    @property
    def names(self) -> list[str]:
        """Columns that must be read, each once."""
        return list(dict.fromkeys((*self.request.columns, *self.positions.names)))

    def build_batch(self, lines: np.ndarray, texts: Mapping[str, pa.Array], broken: list[Broken]) -> Batch:
        """Rows with their positions read."""
        texts = {name: self._without_na(name, column) for name, column in texts.items()}
        batch = Batch(lines, {name: texts[name] for name in self.request.columns}, broken=broken)
        self._add_positions(batch, texts)
        return batch

    def _without_na(self, name: str, column: pa.Array) -> pa.Array:
        if name in self.codes:
            return column
        isna = pc.equal(column, "NA")
        return pc.if_else(isna, None, column) if pc.any(isna).as_py() else column

    def _add_positions(self, batch: Batch, texts: Mapping[str, pa.Array]) -> None:
        where = self.positions
        if where.x:
            x, bad_x = parse_numbers(texts[where.x], self.decimal)
            y, bad_y = parse_numbers(texts[where.y], self.decimal)
            batch.points, batch.unreadable = (x, y), bad_x | bad_y
        elif where.point:
            batch.points, batch.unreadable = parse_pairs(
                texts[where.point], latitude_first=latitude_comes_first(where.point)
            )
        elif where.shape:
            batch.wkb, batch.unreadable = parse_shapes(texts[where.shape])


def find_decimal(samples: Mapping[str, list[str]], separator: str) -> str:
    """A comma where the separator is another sign and more values look like 1,5 than like 1.5."""
    if separator == ",":
        return "."
    values = [value.strip() for column in samples.values() for value in column[:_MANY]]
    commas = sum(bool(re.fullmatch(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+", value)) for value in values)
    points = sum(bool(re.fullmatch(r"[-+]?(\d+|\d{1,3}(,\d{3})+)\.\d+", value)) for value in values)
    return "," if commas > points else "."


def _are_codes(values: list[str]) -> bool:
    filled = [value for value in values[:_MANY] if value and value not in NULLS]
    return len(set(filled)) > 5 and all(re.fullmatch(r"[A-Z]{2}", value) for value in filled)  # noqa: PLR2004 - a list of codes, not a yes-no column
