"""`geoserver basemap`: a map of any city out of an extract of OpenStreetMap."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from geoserver.cli.common import Workspace, console, database, read_settings, say, say_error
from geoserver.cli.reports import build_details, build_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.basemap.making import Made
    from geoserver.loading.report import Progress as ProgressCallback

__all__ = ["basemap"]


def basemap(
    extract: Annotated[Path, typer.Argument(metavar="EXTRACT.osm.pbf", help="An extract of OpenStreetMap.")],
    workspace: Workspace = None,
    force: Annotated[
        bool, typer.Option("--force", help="Load even what would shrink a layer by more than a tenth.")
    ] = False,
) -> None:
    """Make the basemap of this workspace from an extract of OpenStreetMap, in place of the one that is there.

    Land and sea, water, parks, streets, buildings and names become layers; the city's own layers stay as they are.
    Readers see the old basemap until the new one is loaded, and it stays when the new one fails.
    """
    from geoserver.basemap.making import make_basemap

    settings = read_settings(workspace)
    with database(settings) as url, _progress(extract.name) as (reading, loading):
        made = make_basemap(extract, settings.workspace, url, reading=reading, loading=loading, force=force)
    _tell(made)
    where = (
        ""
        if settings.workspace.resolve() == Path.cwd()
        else f" --workspace {shlex.quote(str(workspace or settings.workspace))}"
    )
    say(f"look at it: geoserver serve{where} (a server that runs shows it at once)")


def _tell(made: Made) -> None:
    console().print(build_table(made.reports))
    if any(report.reasons or report.changed for report in made.reports):
        console().print(build_details(made.reports))
    for what, count in made.notes.items():
        say(f"{count:,} {what}")
    if made.languages:
        say(f"names beside the local ones: {', '.join(made.languages)}")
    for name in made.foreign:
        say(f"layers/{name}.toml is the city's own and stays: the basemap has no {name}")
    for line in made.warnings:
        say_error(line)


type _Loading = Callable[[str], contextlib.AbstractContextManager[ProgressCallback]]


@contextlib.contextmanager
def _progress(extract: str) -> Iterator[tuple[Callable[[str, int], None], _Loading]]:
    """A line for what is read, and one for each layer that is loaded; nothing where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(), transient=True, disable=not console().is_terminal) as shown:
        task = shown.add_task(escape(extract), total=None)

        def read(phase: str, done: int) -> None:
            shown.update(task, description=f"{escape(extract)} [dim]{phase}[/]", completed=done)

        @contextlib.contextmanager
        def load(name: str) -> Iterator[ProgressCallback]:
            shown.update(task, visible=False)
            line = shown.add_task(name, total=None)

            def advance(done: int, total: int | None, phase: str) -> None:
                shown.update(line, description=f"{name} [dim]{phase}[/]", completed=done, total=total)

            yield advance
            shown.remove_task(line)

        yield read, load
