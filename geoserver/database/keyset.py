"""Paging by key: the next page begins behind the last row of this one, however many rows come and go meanwhile.

Order is total: the sort keys, nulls last in both directions, then the feature id.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from psycopg.sql import SQL, Composable, Identifier, Placeholder

from geoserver.errors import BadParameterError
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.model import Field

__all__ = [
    "INT64",
    "LONGEST_CURSOR",
    "Position",
    "SortKey",
    "bind_position",
    "build_condition",
    "build_order",
    "build_parts",
    "may_have_index",
    "parse_cursor",
    "parse_sortby",
    "render_cursor",
    "select_key",
    "select_keys",
    "sign",
]

INT64 = 2**63
LONGEST_CURSOR = 4_000  # characters: texts to sort by may be of any length, addresses may not
MAX_SORT_KEYS = 8
_EXPECTED = "the cursor of a `next` link of this collection, unchanged and with the same sortby"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field to sort by."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the values of the sort keys, as PostgreSQL writes them, and the feature id."""

    fid: int
    values: tuple[str | None, ...] = ()


def parse_sortby(text: str, fields: Mapping[str, Field]) -> tuple[SortKey, ...]:
    """`+name,-other` to sort keys; raises BadParameterError for a name that is not a field, or one named twice."""
    keys: dict[str, SortKey] = {}
    for part in text.split(","):
        # A `+` in a query string may arrive as the blank that it encodes.
        name = part.strip().removeprefix("+") if not part.startswith("-") else part[1:]
        if name not in fields or name in keys:
            raise BadParameterError("sortby", text, "distinct fields, each with + or - before it: " + ", ".join(fields))
        keys[name] = SortKey(fields[name], part.startswith("-"))
    if len(keys) > MAX_SORT_KEYS:
        raise BadParameterError("sortby", text, f"at most {MAX_SORT_KEYS} fields")
    return tuple(keys.values())


def render_cursor(position: Position, layer_id: str, sort: Sequence[SortKey]) -> str:
    """An opaque token for a URL."""
    packed = orjson.dumps([position.fid, _signature(layer_id, sort), *position.values])
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def parse_cursor(text: str, layer_id: str, sort: Sequence[SortKey]) -> Position:
    """The position in a token; raises BadParameterError for one that we did not make for this layer and order.

    A token is not signed, and anyone may write one: its values must look as PostgreSQL writes them.
    """
    try:
        fid, signature, *values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        position = Position(fid, tuple(values))
        fits = type(fid) is int and -INT64 <= fid < INT64 and signature == _signature(layer_id, sort)
        sound = fits and all(
            value is None or FIELD_TYPES[key.field.type].cursor.fullmatch(value)
            for key, value in zip(sort, values, strict=True)
        )
        if sound and render_cursor(position, layer_id, sort) == text:
            return position
    except (binascii.Error, ValueError, TypeError):
        pass
    raise BadParameterError("cursor", text, _EXPECTED)


def build_order(sort: Sequence[SortKey]) -> Composable:
    """What follows ORDER BY; the table is called `t`, so that no column of an answer is taken for a field."""
    parts: list[Composable] = [
        SQL("{} {} NULLS LAST").format(Identifier("t", key.field.name), SQL("DESC" if key.descending else "ASC"))
        for key in sort
    ]
    return SQL(", ").join([*parts, Identifier("t", "fid")])


def bind_position(position: Position) -> dict[str, object]:
    """The values of a position, by the names that they have in `build_condition` and `build_parts`."""
    held = {f"k{index}": value for index, value in enumerate(position.values) if value is not None}
    return {"kfid": position.fid, **held}


def build_condition(position: Position, sort: Sequence[SortKey], begin: int = 0) -> Composable:
    """The rows behind the position, as a boolean expression over the values of `bind_position`.

    With `begin` the sort keys before that one are left out: it is for rows that are equal in them.
    """
    condition: Composable = SQL("{} > %(kfid)s").format(Identifier("fid"))
    for index in reversed(range(begin, len(sort))):
        column = Identifier(sort[index].field.name)
        if position.values[index] is None:
            condition = SQL("({} IS NULL AND {})").format(column, condition)
            continue
        bound, beyond = _bind(index, sort[index])
        condition = SQL("({0} {1} {2} OR {0} IS NULL OR ({0} = {2} AND {3}))").format(column, beyond, bound, condition)
    return condition


def build_parts(position: Position, sort: Sequence[SortKey]) -> list[Composable]:
    """The rows behind the position in parts, each before the next one; a row is in one of them at most.

    An index leads PostgreSQL into the middle of its order by a plain comparison alone, and not by one with OR: without
    parts it walks along the index through all the rows before.
    """
    if not sort or position.values[0] is None:
        return [build_condition(position, sort)]
    column = Identifier(sort[0].field.name)
    bound, beyond = _bind(0, sort[0])
    rest = build_condition(position, sort, 1)
    without = SQL("{} IS NULL").format(column)
    if not may_have_index(sort[0].field):  # each part costs a look at every row
        return [SQL("({0} {1}= {2} AND ({0} {1} {2} OR {3}))").format(column, beyond, bound, rest), without]
    equal = SQL("({} = {} AND {})").format(column, bound, rest)
    return [equal, SQL("{} {} {}").format(column, beyond, bound), without]


def _bind(index: int, key: SortKey) -> tuple[Composable, SQL]:
    """The value of a sort key at a position, and the sign of what lies behind it."""
    bound = SQL("{}::{}").format(Placeholder(f"k{index}"), SQL(FIELD_TYPES[key.field.type].column))
    return bound, SQL("<" if key.descending else ">")


def may_have_index(item: Field) -> bool:
    """Whether a load makes one on the field, as far as the field itself tells."""
    return item.filter in ("choice", "range") or FIELD_TYPES[item.type].kind == "time"


def select_key(key: SortKey, column: Composable) -> Composable:
    """A sort key's value as text that is the same value again: one of a narrower type in the type of the field."""
    return SQL("{}::{}::text").format(column, SQL(FIELD_TYPES[key.field.type].column))


def select_keys(sort: Sequence[SortKey]) -> list[Composable]:
    """Columns `k0`, `k1`, ... with the values of the sort keys as text."""
    return [
        SQL("{} AS {}").format(select_key(key, Identifier(key.field.name)), Identifier(f"k{index}"))
        for index, key in enumerate(sort)
    ]


def sign(sort: Sequence[SortKey]) -> list[str]:
    """The order, in words of a `sortby`."""
    return [("-" if key.descending else "+") + key.field.name for key in sort]


def _signature(layer_id: str, sort: Sequence[SortKey]) -> str:
    return ",".join([layer_id, *sign(sort)])
