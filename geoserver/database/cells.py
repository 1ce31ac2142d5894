"""How one value of a row is written: for Arrow, for people who read text, in a table's cell, in JSON and in XML.

What no file can hold is empty in all of them alike: numbers that are not finite, times outside the years 1 to 9999.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Identifier, Literal

from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from geoserver.fieldtypes import FieldType

__all__ = [
    "FORMULA",
    "Way",
    "as_cell",
    "as_data",
    "as_json",
    "as_text",
    "as_value",
    "as_xml",
    "name_column",
    "with_comma",
    "within_years",
]

# Signs that begin a formula in some spreadsheet, the wide ones of East Asia too; see docs/downloads.md.
FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
_UNWRITABLE = "".join(map(chr, [*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]))  # in XML 1.0


@dataclass(frozen=True, slots=True)
class Way:
    """How a table is written as text."""

    separator: str = ","
    decimal: str = "."
    guarded: bool = True  # against spreadsheets that would run a text
    marked: bool = False  # begins with a byte order mark, by which spreadsheets know UTF-8
    header: tuple[str, ...] = ()


def name_column(name: str) -> Identifier:
    return Identifier("t", name)


def as_json(name: str, kind: FieldType) -> Composable:
    return SQL(FIELD_TYPES[kind].json).format(name_column(name))


def within_years(column: Composable, kind: FieldType, shown: Composable) -> Composable:
    """Times that every format and library can hold."""
    if FIELD_TYPES[kind].kind != "time":
        return shown
    return SQL("CASE WHEN {0} >= '0001-01-01' AND {0} < '10000-01-01' THEN {1} END").format(column, shown)


def as_value(column: Composable, kind: FieldType) -> Composable:
    """A column as COPY writes it and Arrow reads it."""
    if FIELD_TYPES[kind].kind == "number":
        return SQL(FIELD_TYPES[kind].json).format(column)
    return within_years(column, kind, column)


def as_text(column: Composable, kind: FieldType) -> Composable:
    """A value for people and programs that read text: true and false, times as ISO 8601 has them, in UTC."""
    if FIELD_TYPES[kind].kind == "boolean":
        return SQL("{}::text").format(column)
    if kind == "timestamp":
        shown = SQL("replace(({} AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'").format(column)
        return within_years(column, kind, shown)
    return as_value(column, kind)


def as_cell(column: Composable, kind: FieldType, way: Way) -> Composable:
    if FIELD_TYPES[kind].kind != "text":
        if kind == "timestamp" and way.marked:  # as spreadsheets take it for a time
            return within_years(column, kind, SQL("{} AT TIME ZONE 'UTC'").format(column))
        shown = as_text(column, kind)
        return with_comma(shown, way) if FIELD_TYPES[kind].kind == "number" else shown
    if not way.guarded:
        return column
    signs = SQL(", ").join(Literal(ord(sign)) for sign in [*FORMULA, "'"])
    return SQL("CASE WHEN ascii({0}) IN ({1}) AND strpos({2}, left(ltrim({0}, ''''), 1)) > 0 AND ltrim({0}, '''') <> ''"
               " THEN '''' || {0} ELSE {0} END").format(column, signs, Literal(FORMULA))  # fmt: skip


def with_comma(number: Composable, way: Way) -> Composable:
    return number if way.decimal == "." else SQL("replace(({})::text, '.', {})").format(number, Literal(way.decimal))


def as_xml(name: str, kind: FieldType, *, breaks: bool = True) -> Composable:
    """A value between tags; in one line, so that COPY leaves it as it is, with line breaks as references or blanks."""
    shown = as_text(name_column(name), kind)
    if FIELD_TYPES[kind].kind != "text":
        return SQL("({})::text").format(shown)
    lines = (("\n", "&#10;"), ("\r", "&#13;")) if breaks else (("\r\n", " "), ("\n", " "), ("\r", " "))
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), *lines):
        shown = SQL("replace({}, {}, {})").format(shown, Literal(sign), Literal(written))
    return SQL("translate({}, {}, '')").format(shown, Literal(_UNWRITABLE))


def as_data(name: str, kind: FieldType) -> Composable:
    """The same for KML: booleans are 1 and 0, because many programs take `true` for 0."""
    if FIELD_TYPES[kind].kind == "boolean":
        return SQL("{}::integer::text").format(name_column(name))
    return as_xml(name, kind)
