"""Times in sheets: whatever the cell looks like, day and time of day arrive; a duration or a bare number is no time."""

from __future__ import annotations

import io
import zipfile

import pytest
from load_workspace import Workspace

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
NOON = 45443.5513888888889  # 2024-05-31 13:14, in days since the end of 1899
BUILT_IN = {"14": 14, "22": 22}  # formats that have a number of their own


def write_cells(cells: list[tuple[str, str]], *, since_1904: bool = False) -> bytes:
    """A sheet with a position and one cell a row: its format, and its XML without the opening of its tag."""
    formats = [look for look, _ in cells if look not in BUILT_IN]
    codes = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{look}"/>' for n, look in enumerate(formats))
    numbers = [BUILT_IN.get(look, 164 + formats.index(look) if look in formats else 0) for look, _ in cells]
    styles = "".join(f'<xf numFmtId="{number}" applyNumberFormat="1"/>' for number in [0, *numbers])
    rows = '<row r="1">' + "".join(
        _text(f"{column}1", name) for column, name in zip("ABC", ("lon", "lat", "at"), strict=True)
    )
    for row, (_, cell) in enumerate(cells, 2):
        rows += f'</row><row r="{row}"><c r="A{row}"><v>13.4</v></c><c r="B{row}"><v>52.5</v></c>'
        rows += f'<c r="C{row}" s="{row - 1}"{cell}</c>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels"'
            ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        book.writestr("_rels/.rels", _relations(f'Id="r1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"'))
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            _relations(
                f'Id="r1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"',
                f'Id="r2" Type="{RELATIONS}/styles" Target="styles.xml"',
            ),
        )
        flag = ' date1904="1"' if since_1904 else ""
        book.writestr(
            "xl/workbook.xml",
            f'<workbook {MAIN} xmlns:r="{RELATIONS}"><workbookPr{flag}/><sheets>'
            '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        book.writestr(
            "xl/styles.xml", f"<styleSheet {MAIN}><numFmts>{codes}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>"
        )
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {MAIN}><sheetData>{rows}</row></sheetData></worksheet>")
    return out.getvalue()


def _text(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def _relations(*entries: str) -> str:
    listed = "".join(f"<Relationship {entry}/>" for entry in entries)
    return f'<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'


LOOKS = ["14", "22", "yyyy\\-mm\\-dd", "dd/mm/yyyy\\ hh:mm", "[$-409]m/d/yy\\ h:mm\\ AM/PM;@", "mmm\\-yy", "hh:mm"]


@pytest.mark.parametrize("since_1904", [False, True])
def test_the_time_of_day_arrives_whatever_a_cell_looks_like(workspace: Workspace, since_1904: bool) -> None:
    days = NOON - 1462 if since_1904 else NOON
    content = write_cells([(look, f"><v>{days!r}</v>") for look in LOOKS], since_1904=since_1904)
    report = workspace.load(workspace.write("a.xlsx", content), fields={"at": "timestamp"})
    assert [at for (at,) in workspace.rows("at::text")] == ["2024-05-31 13:14:00+00"] * len(LOOKS)
    assert report.notes == {}
    workspace.load("a.xlsx", fields={"at": "date"})
    assert [at for (at,) in workspace.rows("at::text")] == ["2024-05-31"] * len(LOOKS)


def test_texts_and_iso_cells_are_times_and_durations_and_bare_numbers_are_none(workspace: Workspace) -> None:
    cells = [
        ("yyyy", ' t="inlineStr"><is><t>31/05/2024 13:14</t></is>'),
        ("yy", ' t="d"><v>2024-05-31T13:14:00</v>'),
        ("[h]:mm", f"><v>{NOON!r}</v>"),
        ("0.00", f"><v>{NOON!r}</v>"),
        ("General", "><v>1987</v>"),
    ]
    report = workspace.load(workspace.write("a.xlsx", write_cells(cells)), fields={"at": "timestamp"})
    assert [at for (at,) in workspace.rows("at::text")] == ["2024-05-31 13:14:00+00"] * 2 + [None] * 3
    assert sum(report.notes.values()) == 3
    assert any("a number is no time" in note for note in report.notes)
