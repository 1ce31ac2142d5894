"""What a load tells: its progress while it runs, its figures when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["PREPARING", "LoadReport", "Progress", "ignore_progress"]

PREPARING = "rows in service, preparing tiles"  # the last phase

type Progress = Callable[[int, int | None, str], None]
"""Called with rows done, rows in all (None: unknown) and the phase: waiting, reading, readings, indexing, swapping,
and at last `PREPARING`."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did. `reasons` counts rejected rows, `notes` what was changed in rows that were kept."""

    layer_id: str
    rows: int
    rejected: int
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    readings: int = 0
    skipped: bool = False  # nothing had changed since the last load
    notes: dict[str, int] = field(default_factory=dict)
    in_service: float = 0.0  # of `seconds`, those after which the rows were served


def ignore_progress(done: int, total: int | None, phase: str) -> None:
    """For those who do not look."""
