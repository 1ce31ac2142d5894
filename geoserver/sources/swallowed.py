"""Rows that vanished inside a value, behind a quotation mark that nothing closes where it should be closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geoserver.sources.base import Request

__all__ = ["MANY", "fail_for_swallowed"]

MANY = 3  # lines like rows inside one value, which no text has by chance


def fail_for_swallowed(request: Request, rows: Iterable[tuple[int, Sequence[str]]], separator: str, width: int) -> None:
    """Raise LoadError for a row, given with the line it begins on, with a value that holds lines as wide as rows."""
    for line, row in rows:
        for cell in row:
            if cell.count("\n") + cell.count("\r") < MANY:
                continue
            inside = cell.splitlines()[1:]
            count = sum(text.count(separator) == width - 1 for text in inside)
            if width > 1 and count >= MANY and 2 * count > len(inside):
                raise request.fail(
                    f"a quotation mark in line {line:,} is not closed there, so that {count:,} lines like rows stand in"
                    ' one value; close it, or set quote = "" under [csv] if quotation marks mean nothing in it'
                )
