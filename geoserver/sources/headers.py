"""Where the header of a plain table is: below titles, `sep=;` and comments, or nowhere."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver.catalog.names import clean_name

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterable, Sequence

    from geoserver.sources.base import Request

__all__ = ["Header", "find_header", "look_like_data", "name_columns", "pick_header", "read_cells"]

_ABOVE = 30  # rows among which a header is looked for
_COMMENT = "#"
_DATA = re.compile(r"\s*([-+]?\d+[.,]\d+|\d{4}-\d\d-\d\d([T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*)\s*")


@dataclass(slots=True)
class Header:
    """The cells of the header, the number of lines up to its end, and the rows below it that were looked at."""

    cells: Sequence[str]
    line: int
    rows: list[list[str]]
    ends: list[int]  # the number of lines up to the end of each of these rows
    comment: str = ""


def find_header(lines: list[str], separator: str, request: Request) -> Header:
    """The header in the first lines of a text; all of it can be said under [csv] instead."""
    given = request.csv
    skipped = given.skip_lines or 0
    if given.skip_lines is None and re.match(r"sep=.\s*$", lines[0], re.IGNORECASE):
        skipped = 1
    comment = given.comment
    if not comment and given.skip_lines is None and lines[skipped:] and lines[skipped].startswith(_COMMENT):
        comment = _COMMENT
    rows: list[list[str]] = []
    ends: list[int] = []  # the number of lines up to the end of each row
    numbers = [number for number in range(skipped, len(lines)) if not (comment and lines[number].startswith(comment))]
    numbers = numbers or list(range(skipped, len(lines)))
    reader = read_cells((lines[number] for number in numbers), separator, given.quote)
    try:
        for row in reader:
            if row:
                rows.append(row)
                ends.append(numbers[reader.line_num - 1] + 1)
    except csv.Error:
        pass  # what is broken further down is the reader's to tell
    if not rows:
        raise request.fail("has no rows")
    if comment and not given.comment and (found := _commented_header(lines[: ends[0]], rows, separator)):
        return Header(found, ends[0] - 1 if ends[0] > 1 else 1, rows, ends, comment)
    if not given.header:
        return Header([""] * _find_width(rows), numbers[0], rows, ends, comment)
    index = 0 if given.skip_lines is not None else pick_header(rows, request.columns)
    return Header(rows[index], ends[index], rows[index + 1 :], ends[index + 1 :], comment)


def pick_header(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> int:
    """Which row is the header: the first with every wanted name, else the first that is no title above a table."""
    first = rows[:_ABOVE]
    if wanted:
        for index, row in enumerate(first):
            if set(map(clean_name, row)) >= set(map(clean_name, wanted)):
                return index
    width = _find_width(rows)
    for index, row in enumerate(first):
        if 2 * sum(bool(cell.strip()) for cell in row) >= width:
            return index
    return 0


def read_cells(lines: Iterable[str], separator: str, quote: str) -> Reader:
    """Rows of cells out of lines, as the standard library reads them; an empty `quote` is none."""
    if not quote:
        return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=separator, quotechar=quote)


def look_like_data(cells: Sequence[str]) -> bool:
    """Whether a header's cells are no names: a decimal number or a date stands among them."""
    return any(_DATA.fullmatch(cell) for cell in cells)


def name_columns(row: Sequence[str]) -> tuple[str, ...]:
    """Header cells as unique names: blanks and repeats get the number of their column."""
    names: list[str] = []
    for number, cell in enumerate(row, 1):
        name = " ".join(cell.lstrip("\ufeff").split())
        names.append(f"column {number}" if not name else f"{name} {number}" if name in names else name)
    return tuple(names)


def _find_width(rows: Sequence[Sequence[str]]) -> int:
    """How many cells most rows have, without the blank ones that all of them end with."""
    width = Counter(map(len, rows)).most_common(1)[0][0]
    below = [row for row in rows if len(row) == width]
    while width > 1 and not any(row[width - 1].strip() for row in below):
        width -= 1
    return width


def _commented_header(above: list[str], rows: list[list[str]], separator: str) -> list[str] | None:
    """A header that begins with the sign of comments, as `#id,lon,lat`: right above data, and as wide."""
    last = next((line for line in reversed(above[:-1]) if line.startswith(_COMMENT)), "")
    cells = next(csv.reader([last.lstrip(_COMMENT).strip()], delimiter=separator), [])
    width = _find_width(rows)
    return cells if len(cells) == width > 1 and look_like_data(rows[0]) else None
