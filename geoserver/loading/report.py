"""What a load tells: its progress while it runs, its figures when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from geoserver.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["PREPARING", "LoadReport", "Note", "Notes", "Progress", "ignore_progress"]

_LONGEST = 60  # characters of an example
PREPARING = "rows in service, preparing tiles"  # the last phase

type Progress = Callable[[int, int | None, str], None]
"""Called with rows done, rows in all (None: unknown) and the phase: waiting, reading, readings, indexing, swapping,
and at last `PREPARING`."""


@dataclass(frozen=True, slots=True)
class Note:
    """What was changed in rows that were kept: how many values of which field (none: the geometry), and one of them."""

    what: str
    count: int
    field: str = ""
    example: str = ""

    @property
    def text(self) -> str:
        return f"{self.field}: {self.what}" if self.field else self.what


class Notes:
    """Collects notes, counts of the same field and kind together; the first example stays."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], Note] = {}

    def __iter__(self) -> Iterator[Note]:
        """The most frequent first."""
        return iter(sorted(self._notes.values(), key=lambda note: -note.count))

    def add(self, what: str, count: int, *, name: str = "", example: object = None) -> None:
        if not count:
            return
        shown = "" if example is None else shorten(example, _LONGEST)
        known = self._notes.get((name, what), Note(what, 0, name))
        self._notes[name, what] = replace(known, count=known.count + count, example=known.example or shown)

    def update(self, counts: Mapping[str, int]) -> None:
        """What was changed in geometries."""
        for what, count in counts.items():
            self.add(what, count)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did. `reasons` counts rejected rows; `changed` and `notes` tell of rows that were kept."""

    layer_id: str
    rows: int
    rejected: int
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    readings: int = 0
    skipped: bool = False  # nothing had changed since the last load
    in_service: float = 0.0  # of `seconds`, those after which the rows were served
    changed: tuple[Note, ...] = ()

    @property
    def notes(self) -> dict[str, int]:
        """The counts by their text."""
        return {note.text: note.count for note in self.changed}


def ignore_progress(done: int, total: int | None, phase: str) -> None:
    """For those who do not look."""
