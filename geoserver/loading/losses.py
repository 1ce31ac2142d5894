"""Loads that would lose much: refused unless they are insisted upon, because mostly it is an export that went wrong.

Refused is a load that rejects more than half of its rows, that cannot read more than half of a field's values, that
finds a field mostly empty which was mostly filled before, or that shrinks a layer or its readings by more than a tenth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from psycopg.sql import SQL
from psycopg.types.json import Json

from geoserver.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg

    from geoserver.loading.columns import Columns
    from geoserver.loading.rejects import Rejects
    from geoserver.loading.report import Notes
    from geoserver.model import Layer

__all__ = ["Figures", "check_losses", "write_notes"]

_SHRINK = 0.1


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of one source: rows read, rejected and stored, and how many were in service before (None: nothing)."""

    what: str  # rows or readings
    read: int
    rejected: int
    stored: int
    before: int | None
    columns: Columns


def check_losses(connection: psycopg.Connection, layer: Layer, rejects: Rejects, *figures: Figures) -> None:
    """Raise LoadError when a load loses more than it may; the message says how much of what."""
    found = connection.execute(SQL("SELECT filled FROM geoserver.layers WHERE id = %s"), [layer.id]).fetchone()
    filled: Mapping[str, int] = found[0] if found else {}
    losses = [loss for each in figures for loss in _find_losses(each, rejects, filled)]
    if losses:
        kept = "the rows in service stay" if any(each.before for each in figures) else "nothing was loaded"
        raise LoadError(
            f"{layer.source}: {'; '.join(losses)}; {kept}."
            f" If that is as it should be: geoserver load {layer.id} --force"
        )


def _find_losses(of: Figures, rejects: Rejects, filled: Mapping[str, int]) -> Iterator[str]:
    if of.rejected * 2 > of.read:
        reasons = ", ".join(f"{count:,} x {reason}" for reason, count in rejects.reasons.most_common(3))
        yield f"{of.rejected:,} of {of.read:,} {of.what} are rejected, more than half ({reasons})"
    for item in of.columns.fields:
        lost, there = of.columns.lost[item.name], of.columns.filled[item.name]
        if lost > there:
            why = max((note for note in of.columns.notes if note.field == item.name), key=lambda note: note.count)
            shown = f", such as {why.example!r}" if why.example else ""
            yield f"{lost:,} of {lost + there:,} values of {item.name} cannot be read ({why.what}{shown})"
        elif of.before and filled.get(item.name, 0) * 2 >= of.before and there * 2 < of.stored:
            empty = f"{of.stored - there:,} of {of.stored:,} {of.what}"
            yield f"{item.name} is empty in {empty}; it was mostly filled before"
    if of.before and of.stored < of.before * (1 - _SHRINK):
        less = (of.before - of.stored) / of.before
        yield f"{of.stored:,} {of.what} where {of.before:,} are in service, {less:.0%} fewer"


def write_notes(connection: psycopg.Connection, layer: Layer, notes: Notes, *columns: Columns) -> None:
    """Keep what was changed, and how full the fields are, beside the layer's state."""
    filled = {name: count for each in columns for name, count in each.filled.items()}
    connection.execute(
        SQL("UPDATE geoserver.layers SET notes = %s, filled = %s WHERE id = %s"),
        [Json([{**asdict(note), "example": note.example.replace("\0", "")} for note in notes]), Json(filled), layer.id],
    )
