"""What a load shows on the terminal: its progress, and at the end what came of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from geoserver.cli.common import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.loading.report import LoadReport
    from geoserver.loading.report import Progress as ProgressCallback

__all__ = ["build_details", "build_table", "loading_progress"]


@contextlib.contextmanager
def loading_progress(name: str) -> Iterator[ProgressCallback]:
    """A line with rows, rate and time left while a layer loads; nothing where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(), transient=True, disable=not console().is_terminal) as shown:
        task = shown.add_task(name, total=None, rate="")

        def advance(done: int, total: int | None, phase: str) -> None:
            speed = shown.tasks[0].speed
            words = f"{name} [dim]{phase}[/]"
            shown.update(task, description=words, completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "")

        yield advance


def build_table(reports: list[LoadReport]) -> Table:
    """Rows per layer and seconds, as `demo` and `load` end."""
    table = Table("layer", box=None, pad_edge=False, header_style="dim")
    for name in ("rows", "readings", "rejected", "seconds"):
        table.add_column(name, justify="right")
    for report in reports:
        seconds = "unchanged" if report.skipped else f"{report.seconds:.1f}"
        readings = f"{report.readings:,}" if report.readings else ""
        rejected = f"[yellow]{report.rejected:,}[/]" if report.rejected else ""
        table.add_row(report.layer_id, f"{report.rows:,}", readings, rejected, seconds)
    return table


def build_details(reports: list[LoadReport]) -> Table:
    """What was rejected, left empty, suppressed or repaired, and why, with an example."""
    table = Table("layer", box=None, pad_edge=False, header_style="dim")
    table.add_column("rows", justify="right")
    table.add_column("what")
    examples = any(note.example for report in reports for note in report.changed)
    if examples:
        table.add_column("for example")
    for report in reports:
        rows = [(count, f"rejected: {reason}", "") for reason, count in report.reasons.items()]
        rows += [(note.count, note.text, note.example) for note in report.changed]
        for index, (count, what, example) in enumerate(rows):
            cells = ("" if index else report.layer_id, f"{count:,}", escape(what), escape(example))
            table.add_row(*cells if examples else cells[:-1])
    return table
