"""XLSX by XlsxWriter, row after row: sheets of rows, and one with the README."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from geoserver.formats.base import Format
from geoserver.formats.delimited import position_columns
from geoserver.formats.readme import render_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Target
    from geoserver.model import Field, Layer

__all__ = ["FORMAT", "MOST_ROWS", "Sheet"]

MOST_ROWS = 1_048_575  # below the header
_MOST_TEXT = 32_767  # letters of a cell
_EXACT = 10**15  # whole numbers from here on lose digits in a spreadsheet
_FIRST = dt.date(1900, 3, 1)  # before, spreadsheets disagree about the days, or have none
_WIDTHS = {"text": 24, "timestamp": 20}
_UNNAMED = re.compile(r"[\[\]:*?/\\']")  # what the name of a sheet may not have
_LIMITS = (
    "Whole numbers of 16 and more digits, and days before March 1900, are texts: spreadsheets have no others.",
    "Times are in UTC, to the millisecond; numbers have 15 digits or a little more; texts end after 32,767 letters.",
)
_MANY = "More than 1,048,575 rows are in several sheets."
_LONG = "Shapes whose WKT has more than 32,767 letters are left out; other formats have them."


class Sheet(Format):
    """A workbook is an archive, which is made first and sent when it is whole."""

    id = "xlsx"
    title = "Excel (XLSX)"
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    order = 20
    streams = False
    needs = ("xlsxwriter", "pyarrow.csv", "geoserver.formats.columns")

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:  # noqa: ARG002
        shapes = () if status.geometry_type.upper() in ("", "POINT") else (_LONG,)
        return (*_LIMITS, *shapes, *((_MANY,) if status.rows > MOST_ROWS else ()))

    def estimate(self, widths: Mapping[str, float]) -> float:
        return 0.35 * sum(width + 12 for width in widths.values())

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        import xlsxwriter  # noqa: PLC0415 - at hand in the process that this runs in, and in no other

        path = target.folder / f"{extract.id}.xlsx"
        # Texts are texts: nothing that looks like a formula, a number or an address becomes one.
        options = {"constant_memory": True, "tmpdir": str(target.folder), "default_date_format": "yyyy-mm-dd"}
        with xlsxwriter.Workbook(str(path), options) as book:
            book.use_zip64()
            readme = extract.readme
            about = {"title": readme.title, "author": readme.source, "comments": readme.license}
            moment = readme.updated.replace(tzinfo=None) if readme.updated else dt.datetime(1970, 1, 1)
            book.set_properties({**about, "created": moment})
            count = _Writer(book, extract).write(rows)
            sheet = book.add_worksheet("README")
            for number, line in enumerate(render_text(extract, count).splitlines()):
                sheet.write_string(number, 0, line[:_MOST_TEXT])
            sheet.set_column(0, 0, 120)
        target.send(path)


FORMAT = Sheet()


class _Writer:
    """Writes rows into one sheet after the other."""

    def __init__(self, book: Any, extract: Extract) -> None:
        self._book = book
        self._extract = extract
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._bold = book.add_format({"bold": True})
        self._sheet: Any = None
        self._number = 0
        self._row = 0

    def write(self, rows: Rows) -> int:
        """Write all rows; gives how many."""
        from geoserver.formats.columns import read_batches  # noqa: PLC0415 - brings pyarrow

        self._begin()
        place = {0: "", 1: "wkt", 2: "xy"}[len(position_columns(self._extract))]
        for batch in read_batches(self._extract, rows, place):
            columns = [column.to_pylist() for column in batch.columns]
            if place == "wkt":
                columns[-1] = [text if len(text or "") <= _MOST_TEXT else None for text in columns[-1]]
            for values in zip(*columns, strict=True):
                if self._row > MOST_ROWS:
                    self._begin()
                for column, value in enumerate(values):
                    if value is not None:
                        self._write_cell(column, value)
                self._row += 1
        return rows.count

    def _begin(self) -> None:
        """A new sheet, with a header whose notes say what the fields mean."""
        self._number += 1
        title = " ".join(_UNNAMED.sub(" ", self._extract.readme.title).split())[:25] or self._extract.id[:25]
        title = f"{title}_" if title.lower() in ("readme", "history") else title
        self._sheet = self._book.add_worksheet(title if self._number == 1 else f"{title} {self._number}")
        self._sheet.freeze_panes(1, 0)
        fields: list[Field | str] = ["fid", *self._extract.fields, *position_columns(self._extract)]
        for number, item in enumerate(fields):
            name = item if isinstance(item, str) else item.name
            self._sheet.set_column(number, number, 12 if isinstance(item, str) else _WIDTHS.get(item.type, 14))
            self._sheet.write_string(0, number, name, self._bold)
            if not isinstance(item, str) and (note := _describe(item)):
                self._sheet.write_comment(0, number, note)
        self._row = 1

    def _write_cell(self, column: int, value: object) -> None:
        match value:
            case bool():
                self._sheet.write_boolean(self._row, column, value)
            case int() if abs(value) >= _EXACT:
                self._sheet.write_string(self._row, column, str(value))
            case int() | float():
                self._sheet.write_number(self._row, column, value)
            case str():
                self._sheet.write_string(self._row, column, value[:_MOST_TEXT])
            case dt.datetime() if value.date() >= _FIRST:
                self._sheet.write_datetime(self._row, column, value.replace(tzinfo=None), self._time)
            case dt.datetime():
                self._sheet.write_string(self._row, column, value.isoformat().replace("+00:00", "Z"))
            case dt.date() if value >= _FIRST:
                self._sheet.write_datetime(self._row, column, value, self._day)
            case dt.date():
                self._sheet.write_string(self._row, column, value.isoformat())


def _describe(item: Field) -> str:
    unit = f" ({item.unit})" if item.unit else ""
    labels = "\n".join(f"{value} = {label}" for value, label in item.labels.items() if value != label)
    return "\n".join(part for part in (f"{item.title}{unit}", item.description, labels) if part)[:_MOST_TEXT]
