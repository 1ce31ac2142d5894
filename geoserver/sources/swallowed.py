"""Rows that vanished inside a value, behind a quotation mark that nothing closes where it should be closed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geoserver.sources.base import Request

__all__ = ["MANY", "fail_for_swallowed"]

MANY = 3  # lines like rows inside one value, which no text has by chance
_NUMBER = re.compile(r'\s*"?[-+]?\d[\d.,]*([eE][-+]?\d+)?"?\s*')


def fail_for_swallowed(
    request: Request, rows: Iterable[tuple[int, Sequence[str]]], separator: str, samples: Mapping[str, list[str]]
) -> None:
    """Raise LoadError for a row, given with the line it begins on, with a value that holds lines like rows.

    Such lines have as many values as the header, and numbers where the samples have them: a text of several lines,
    such as opening hours, an address or a shape, has not.
    """
    numbers = [index for index, values in enumerate(samples.values()) if _are_numbers(values)]
    if not numbers and any(samples.values()):
        return
    for line, row in rows:
        for cell in row:
            if cell.count("\n") + cell.count("\r") < MANY:
                continue
            inside = [text.split(separator) for text in cell.splitlines()[1:]]
            count = sum(
                len(cells) == len(samples) > 1 and all(_NUMBER.fullmatch(cells[index]) for index in numbers)
                for cells in inside
            )
            if count >= MANY and 2 * count > len(inside):
                raise request.fail(
                    f"a quotation mark in line {line:,} is not closed there, so that {count:,} lines like rows stand in"
                    ' one value; close it, or set quote = "" under [csv] if quotation marks mean nothing in it'
                )


def _are_numbers(values: list[str]) -> bool:
    return bool(values) and sum(bool(_NUMBER.fullmatch(value)) for value in values) > 0.9 * len(values)
