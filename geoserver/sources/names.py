"""Names that were written and names that are there: which one is likely meant, and tables by their names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from geoserver.catalog.names import clean_name, find_likely
from geoserver.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.sources.base import Request

__all__ = ["fail_for_columns", "has_name", "match_names", "parse_table", "suggest"]

_MOST = 40  # names in a message
_SHOWN = 100  # characters of each
_PART = r'(?:"(?:[^"]|"")+"|[^\s"./][^"./]*)'
_TABLE = re.compile(rf"({_PART})\.({_PART})")


def match_names(request: Request, names: Sequence[str]) -> Request:
    """The request with the source's own spelling of names that look the same: other blanks, letters taken apart."""
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(clean_name(name), name)

    def match(wanted: str) -> str:
        return wanted if not wanted or wanted in names else seen.get(clean_name(wanted), wanted)

    csv = request.csv
    csv = replace(csv, x=match(csv.x), y=match(csv.y), point=match(csv.point), geometry=match(csv.geometry))
    return replace(request, columns=tuple(map(match, request.columns)), csv=csv)


def has_name(name: str, names: Sequence[str]) -> bool:
    """Whether a name is there, or one that looks the same."""
    return name in names or clean_name(name) in map(clean_name, names)


def fail_for_columns(request: Request, wanted: Sequence[str], names: Sequence[str], what: str = "column") -> None:
    """Raise LoadError for a wanted name that is not there, with the one that is likely meant."""
    for name in wanted:
        if name not in names:
            raise request.fail(f"has no {what} {name!r}{suggest(name, names)}")


def suggest(name: str, names: Sequence[str]) -> str:
    """The end of a message about a name that is not there."""
    shown = ", ".join(shorten(item, _SHOWN) for item in names[:_MOST]) + (
        f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    )
    if likely := find_likely(name, names):
        return f"; did you mean {shorten(likely, _SHOWN)!r}? There are {shown}"
    return f"; there are {shown}" if names else ""


def parse_table(source: str) -> tuple[str, str] | None:
    """Schema and name of a table as a layer file writes them, `schema.table` or `"schema"."my table"`; else None."""
    found = _TABLE.fullmatch(source.strip())
    if not found:
        return None
    schema, table = (part[1:-1].replace('""', '"') if part.startswith('"') else part for part in found.groups())
    return schema, table
