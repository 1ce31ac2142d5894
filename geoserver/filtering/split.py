"""Which part of a filter asks for the main choice field, and which for a stretch of time; most filters ask no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable

from geoserver.filtering.compile import Compiler, Open
from geoserver.filtering.resolve import join
from geoserver.filtering.syntax import TEMPORAL, Call, Interval, Node, Property

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.filtering.compile import End
    from geoserver.model import Field

__all__ = ["Parts", "fields_in", "split"]

_RANGES = TEMPORAL - {"t_disjoint"} | {"=", "<", ">", "<=", ">="}  # operators that leave one stretch of time

_OPEN = {Open.PAST: (">", ">="), Open.FUTURE: ("<", "<=")}  # what all times are

type Moment = datetime | date


@dataclass(frozen=True)
class Parts:
    """A filter as two: `facet` over the main choice field alone (with its values), and times in (after, until].

    `dated` says that time is asked for at all: rows without one are then left out. An open end is None.
    """

    facet: Composable = field(default_factory=lambda: SQL("TRUE"))
    params: dict[str, object] = field(default_factory=dict)
    chosen: bool = False  # the main choice field is asked for
    dated: bool = False
    after: Moment | None = None
    until: Moment | None = None


class _NotSplitError(Exception):
    """Something that is not one stretch of time."""


def split(tree: Node | None, fields: Mapping[str, Field], facet: str, time: str) -> Parts | None:
    """The two parts of a filter; None when it asks for more than those two fields, or for more than one stretch."""
    if tree is None:
        return Parts()
    choices: list[Node] = []
    ranges = _Ranges(fields)
    for condition in tree.args if isinstance(tree, Call) and tree.op == "and" else (tree,):
        names = fields_in(condition)
        if names == {facet}:
            choices.append(condition)
        elif names != {time} or not ranges.take(condition):
            return None
    compiler = Compiler(fields, "c")
    sql = compiler.condition(join("and", choices)) if choices else SQL("TRUE")
    return Parts(sql, compiler.params, bool(choices), ranges.found, ranges.after, ranges.until)


def fields_in(node: Node | None) -> set[str]:
    match node:
        case Property(name):
            return {name}
        case Call(_, args):
            return set().union(*(fields_in(arg) for arg in args))
        case Interval(start, end):
            return fields_in(start) | fields_in(end)
    return set()


class _Ranges(Compiler):
    """Compiles conditions on one time field, and instead of SQL keeps the narrowest stretch that fits all of them."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        super().__init__(fields)
        self.after: Moment | None = None
        self.until: Moment | None = None
        self.found = False

    def take(self, condition: Node) -> bool:
        """Whether the condition is one stretch of time, which then narrows what was found so far."""
        if not (isinstance(condition, Call) and condition.op in _RANGES):
            return False
        try:
            self.condition(condition)
        except _NotSplitError:
            return False
        return True

    def _compare_ends(self, left: End, sign: str, right: End) -> Composable:
        if isinstance(left, Property) == isinstance(right, Property):
            raise _NotSplitError
        return super()._compare_ends(left, sign, right)

    def _compare_day(self, left: Property, sign: str, end: datetime | Open) -> Composable:
        if sign == "=" and isinstance(end, datetime) and end.timetz() != datetime.min.replace(tzinfo=UTC).timetz():
            raise _NotSplitError
        return super()._compare_day(left, sign, end)

    def _bound(self, field: Property, sign: str, end: datetime | Open, kind: SQL) -> Composable:  # noqa: ARG002 - Compiler's
        self.found = True
        if sign not in ("=", "<", ">", "<=", ">="):
            raise _NotSplitError
        if isinstance(end, Open):
            if sign not in _OPEN[end]:
                raise _NotSplitError  # before all times, or after: nothing, which is no stretch
            return SQL("TRUE")
        value: Moment = end.date() if kind == SQL("date") else end
        if sign in (">", ">=", "="):
            after = value if sign == ">" else _step_back(value)
            self.after = after if self.after is None else max(self.after, after)
        if sign in ("<", "<=", "="):
            until = value if sign in ("<=", "=") else _step_back(value)
            self.until = until if self.until is None else min(self.until, until)
        return SQL("TRUE")


def _step_back(value: Moment) -> Moment:
    """The last one before."""
    try:
        return value - (timedelta(microseconds=1) if isinstance(value, datetime) else timedelta(days=1))
    except OverflowError:  # before the first of all years that Python knows
        raise _NotSplitError from None
