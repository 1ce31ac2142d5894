"""Workbooks as Excel writes them, by hand: sheets, hidden ones, numbers that are shown as days."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HIDDEN = ' state="hidden"'
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def write_sheets(
    sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: Sequence[str] = (), dates: Sequence[int] = ()
) -> bytes:
    """An XLSX; numbers in the columns `dates` (from 0) have the style of a date with a time."""
    out = io.BytesIO()
    names = list(sheets)
    with zipfile.ZipFile(out, "w") as book:
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_SHEET}.worksheet+xml"/>'
            for n in range(1, len(names) + 1)
        )
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="application/'
            'vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET}.sheet.main+xml"/>{parts}</Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"{_HIDDEN * (name in hidden)}/>'
            for n, name in enumerate(names, 1)
        )
        book.writestr(
            "xl/workbook.xml", f'<workbook {_MAIN} xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(names) + 1)
        )
        links += f'<Relationship Id="rId99" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
        book.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
        )
        book.writestr(
            "xl/styles.xml",
            f'<styleSheet {_MAIN}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
        )
        for number, rows in enumerate(sheets.values(), 1):
            cells = "".join(_render_row(at, row, dates) for at, row in enumerate(rows, 1))
            book.writestr(
                f"xl/worksheets/sheet{number}.xml", f"<worksheet {_MAIN}><sheetData>{cells}</sheetData></worksheet>"
            )
    return out.getvalue()


def _render_row(number: int, row: Sequence[Any], dates: Sequence[int]) -> str:
    cells = ""
    for at, value in enumerate(row):
        place = f"{chr(65 + at)}{number}"
        if isinstance(value, str) and value:
            cells += f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        elif value not in ("", None):
            style = ' s="1"' if at in dates else ""
            cells += f'<c r="{place}"{style}><v>{value}</v></c>'
    return f'<row r="{number}">{cells}</row>'
