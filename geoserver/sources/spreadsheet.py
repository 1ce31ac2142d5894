"""Sheets of XLSX, XLS and ODS by calamine: every cell as text, then read by the same rules as a CSV.

A sheet is held in memory, and nothing of the file but its cells is looked at.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import batched, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geoserver.sources.base import BATCH_ROWS, Batch, Opened, pick_layer
from geoserver.sources.headers import name_columns, pick_header
from geoserver.sources.tables import NULLS, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geoserver.sources.base import Request

__all__ = ["KIND", "Spreadsheet"]

_SAMPLE = 2000
_ABOVE = 100  # rows among which a header is looked for
_VISIBLE = ".Visible"


@dataclass(frozen=True, slots=True)
class Spreadsheet:
    """The header is the first row that is no title; `source_layer` names the sheet where there are several."""

    name: str = "xlsx"
    suffixes: tuple[str, ...] = (".xlsx", ".xlsm", ".xls", ".ods")

    def open(self, request: Request) -> Opened:
        import python_calamine as calamine  # noqa: PLC0415 - only those who read sheets pay for it

        try:
            with calamine.load_workbook(str(request.path)) as book:
                sheet = book.get_sheet_by_name(_pick_sheet(request, book))
        except calamine.PasswordError as error:
            raise request.fail("is protected by a password") from error
        except (calamine.CalamineError, OSError, ValueError) as error:
            raise request.fail(f"cannot be read: {error}") from error
        first = sheet.start[0] + 1 if sheet.start else 1  # the row at which cells begin
        rows = [[_as_text(cell) or "" for cell in row] for row in islice(sheet.iter_rows(), _ABOVE + _SAMPLE)]
        if not any(any(row) for row in rows):
            raise request.fail(f"the sheet {sheet.name!r} is empty")
        index = _find_index(request, rows[:_ABOVE])
        header = name_columns(rows[index] if request.csv.header else [""] * len(rows[index]))
        start = index + 1 if request.csv.header else index
        samples = {name: [row[at] for row in rows[start:]] for at, name in enumerate(header)}
        reader = TableReader.plan(request, header, samples, separator=",")
        below = islice(sheet.iter_rows(), start, None)
        return Opened(
            _read(below, first + start, header, reader),
            assume_lonlat=True,
            total=max(sheet.height - start, 0),
            decimal=reader.decimal,
            samples=samples,
            columns=header,
        )


KIND = Spreadsheet()


def _pick_sheet(request: Request, book: Any) -> str:
    """The sheet that is named, or the only one that is shown and is no chart."""
    if request.layer:
        return pick_layer(request, list(book.sheet_names))
    shown = [
        sheet.name
        for sheet in book.sheets_metadata
        if str(sheet.visible).endswith(_VISIBLE) and "WorkSheet" in str(sheet.typ)
    ]
    filled = [name for name in shown if book.get_sheet_by_name(name).height] if len(shown) > 1 else shown
    return pick_layer(request, filled or shown or list(book.sheet_names))


def _find_index(request: Request, rows: list[list[str]]) -> int:
    """The row of the header, or where there is none, of the first data; 0-based from the first that is not empty."""
    if request.csv.skip_lines is not None:
        return min(request.csv.skip_lines, len(rows) - 1)
    filled = [index for index, row in enumerate(rows) if any(row)]
    if not request.csv.header:
        return filled[0]
    return filled[pick_header([rows[index] for index in filled], request.columns)]


def _read(rows: Iterable[list[Any]], row: int, header: tuple[str, ...], reader: TableReader) -> Iterator[Batch]:
    wanted = [(name, header.index(name)) for name in reader.names]
    for block in batched(rows, BATCH_ROWS):
        lines = np.arange(row, row + len(block), dtype=np.int64)
        row += len(block)
        # A row without a single cell stands for no feature; sheets end with thousands of them.
        keep = [any(cell not in ("", None) for cell in cells) for cells in block]
        kept = [cells for cells, filled in zip(block, keep, strict=True) if filled]
        texts = {
            name: pa.array([None if (text := _as_text(cells[at])) in NULLS else text for cells in kept], pa.string())
            for name, at in wanted
        }
        yield reader.build_batch(lines[np.array(keep, dtype=bool)], texts, [])


def _as_text(cell: Any) -> str | None:
    """A cell as text, as a CSV would have it: numbers to 15 digits as Excel keeps them, times in ISO 8601."""
    match cell:
        case "" | None:
            return None
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.15g}"  # noqa: PLR2004
        case dt.datetime():
            return cell.isoformat(timespec="milliseconds" if cell.microsecond else "seconds")
        case dt.date() | dt.time():
            return cell.isoformat()
    return str(cell)
