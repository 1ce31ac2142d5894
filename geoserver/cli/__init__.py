"""The command line: `geoserver demo|serve|load|check|basemap|export|tiles|keys|sessions|frozen|db`."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import socket
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from geoserver import __version__
from geoserver.cli import frozen, keys, sessions, tiles
from geoserver.cli.basemap import basemap
from geoserver.cli.common import Workspace, console, database, find_layer, read_settings, say, say_error
from geoserver.cli.export import export
from geoserver.cli.reports import build_details, build_table, loading_progress
from geoserver.errors import CatalogError, GeoserverError, LoadError, NotFoundError, PreparationError, SetupError
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from geoserver.catalog import Catalog
    from geoserver.loading.report import LoadReport
    from geoserver.model import Layer

__all__ = ["app", "main"]

app = typer.Typer(
    help="A map server for a city's open data: files -> PostGIS -> tiles, OGC API and a map.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="The workspace's private PostGIS, used when there is no DATABASE_URL.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(tiles.app, name="tiles")
app.add_typer(keys.app, name="keys")
app.add_typer(sessions.app, name="sessions")
app.add_typer(frozen.app, name="frozen")
app.command("basemap")(basemap)
app.command("export")(export)

Host = Annotated[str | None, typer.Option(help="Address to listen on. (default: 127.0.0.1)")]
Workers = Annotated[int | None, typer.Option(help="Processes that answer requests. (default: 1)")]
Port = Annotated[int | None, typer.Option("--port", "-p", help="Port to listen on; 0 picks one. (default: 8000)")]


def main() -> None:
    """Entry point: what is expected to go wrong is one line on stderr and exit status 1."""
    try:
        app()
    except GeoserverError as error:
        say_error(str(error))
        raise SystemExit(1) from None


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def demo(workspace: Workspace = None, host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Set up a database, load the sample city and your own layers, and serve them.

    What is loaded already and has not changed is not loaded again.
    """
    settings = read_settings(workspace, host=host, port=port, workers=workers, samples=True)
    _serve(settings, prepare=lambda url: _load_apart(settings, url))


@app.command()
def serve(workspace: Workspace = None, host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Serve the layers that are loaded."""
    _serve(read_settings(workspace, host=host, port=port, workers=workers))


@app.command()
def load(
    layers: Annotated[list[str] | None, typer.Argument(help="Layers to load; all of them when none is named.")] = None,
    workspace: Workspace = None,
    force: Annotated[
        bool, typer.Option("--force", help="Load even what has not changed, and what would lose many rows or values.")
    ] = False,
) -> None:
    """Load the sources of layers into the database; readers see the old rows until the new ones are complete.

    A load that rejects most of its rows, loses most of a field's values, or over a tenth of a layer's rows, is refused.
    """
    from geoserver.catalog import read_catalog

    settings = read_settings(workspace)
    catalog = read_catalog(settings)
    wanted, failures = _pick(catalog, layers or [])
    if wanted:
        with database(settings) as url:
            failures += _load(wanted, url, catalog, force=force)
    for line in failures:
        say_error(line)
    if failures:
        raise typer.Exit(1)


@app.command()
def check(workspace: Workspace = None) -> None:
    """Prove layer files, sources, licences, styles and tile recipes against each other and the database.

    Of each source the first rows are read. Lists everything that is wrong, and then ends with exit status 1.
    """
    from geoserver import styling
    from geoserver.catalog import read_catalog
    from geoserver.check import check_files, split_by_source
    from geoserver.loading import prove_sources

    settings = read_settings(workspace)
    catalog = read_catalog(settings)
    problems = [str(problem) for problem in [*check_files(settings, catalog), *styling.check(catalog)]]
    files, tables = split_by_source(catalog)

    def prove(layers: list[Layer], url: str = "") -> list[str]:
        with _each(layers, "checking") as shown:
            return [str(problem) for problem in prove_sources(shown, url, catalog.city, say)]

    try:
        with database(settings) as url:
            problems += prove(files, url)
            problems += prove(tables, url)
            problems += _check_database(url, catalog)
    except SetupError as error:
        problems += prove(files)
        if settings.database_url:
            problems.append(str(error))
        else:
            unseen = f", and {len(tables)} layers from tables not looked at" if tables else ""
            console().print(f"[yellow]Recipes were not run{unseen}:[/] {escape(str(error))}", highlight=False)
    for line in problems:
        say_error(line)
    say(styling.describe_basemap(catalog))
    if problems:
        raise typer.Exit(1)
    print(f"{len(catalog.layers)} layers, {len(catalog.styles)} styles, {len(catalog.recipes)} recipes: no problem")


@db.command("start")
def db_start(workspace: Workspace = None) -> None:
    """Start it, and keep it running until `geoserver db stop`."""
    from geoserver.database import private

    print(private.start(read_settings(workspace), say))


@db.command("stop")
def db_stop(
    workspace: Workspace = None,
    force: Annotated[bool, typer.Option("--force", help="Stop it under a running server, too.")] = False,
) -> None:
    """Stop it; refuses while a geoserver uses it."""
    from geoserver.database import private

    print("stopped" if private.stop(read_settings(workspace), force=force) else "not running")


@db.command("status")
def db_status(workspace: Workspace = None) -> None:
    """Tell whether it runs, where it lies and who uses it; exit status 3 when it does not run."""
    from geoserver.database import private

    status = private.status(read_settings(workspace))
    version = f"PostgreSQL {status.major}" if status.major else "not made yet"
    print(f"folder    {status.folder} ({version})")
    if status.url is None:
        print("running   no")
        raise typer.Exit(3)
    print(f"running   yes, process {status.pid}")
    print(f"in use    {'yes' if status.used else 'no'}{', kept by `geoserver db start`' if status.kept else ''}")
    print(f"address   {status.url}")


@db.command("url")
def db_url(workspace: Workspace = None) -> None:
    """Print its address, for psql, QGIS or a backup: psql "$(geoserver db url)"."""
    from geoserver.database import private

    url = private.status(read_settings(workspace)).url
    if url is None:
        raise SetupError("The private PostGIS is not running; start it with: geoserver db start")
    print(url)


@db.command("remove")
def db_remove(
    workspace: Workspace = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop it and delete it with everything in it."""
    from geoserver.database import private

    settings = read_settings(workspace)
    folder = private.status(settings).folder
    if not yes:
        typer.confirm(f"Delete {folder} and everything in it?", abort=True)
    private.remove(settings)
    print("removed")


def _serve(settings: Settings, prepare: Callable[[str], None] | None = None) -> None:
    """Listen, bring the database up, prepare it, and serve until Ctrl-C or SIGTERM."""
    from geoserver import server, styling
    from geoserver.catalog import read_catalog

    _stop_in_order()
    with contextlib.suppress(KeyboardInterrupt), server.listen(settings) as listener, database(settings) as url:
        say(styling.describe_basemap(read_catalog(settings)))
        if prepare:
            prepare(url)
        server.run(settings, url, listener, lambda: _announce(listener))


def _announce(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    console().print(f"\n[bold green]http://{shown}:{port}[/]   stop with Ctrl-C\n", highlight=False)


def _stop_in_order() -> None:
    """SIGTERM and a closed terminal end us as Ctrl-C does; a server that runs has handlers of its own for the first."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _load_apart(settings: Settings, url: str) -> None:
    """Load in a process of its own: what GDAL and pyarrow take of memory goes with it, and the server stays small."""
    process = multiprocessing.get_context("spawn").Process(target=_load_for_demo, args=(settings, url))
    process.start()
    try:
        process.join()
    finally:
        process.terminate()
        process.join()
    if process.exitcode:
        say_error(f"Loading ended with status {process.exitcode}; what was loaded before is served.")


def _load_for_demo(settings: Settings, url: str) -> None:
    from geoserver.catalog import read_catalog

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches the parent too, which is the one to speak of it
    catalog = read_catalog(settings)
    failures = _load(catalog.layers.values(), url, catalog, force=False)
    for line in [*map(str, catalog.problems), *failures]:
        say_error(line)


def _pick(catalog: Catalog, names: list[str]) -> tuple[list[Layer], list[str]]:
    """The layers of these names (none: all), and a line for each that is not there or whose file is broken."""
    if not names:
        return list(catalog.layers.values()), [str(problem) for problem in catalog.problems]
    wanted: list[Layer] = []
    failures: list[str] = []
    for name in dict.fromkeys(names):
        try:
            wanted.append(find_layer(catalog, name))
        except (CatalogError, NotFoundError) as error:
            failures.append(str(error))
    return wanted, failures


def _load(layers: Iterable[Layer], url: str, catalog: Catalog, *, force: bool) -> list[str]:
    """Load layer after layer with a progress bar, show what came of it, and give what went wrong in lines.

    Whatever goes wrong with one, a fault of our own included, the others are loaded. The city's limits come first.
    """
    from geoserver.loading import load as load_layer

    reports: list[LoadReport] = []
    failures: list[str] = []
    for layer in sorted(layers, key=lambda layer: layer.id != catalog.city.limits):
        if not layer.has_rows:
            say(f"{layer.id}: its tiles come from {layer.source}, so there is nothing to load")
            continue
        try:
            with loading_progress(layer.id) as progress:
                report = load_layer(
                    layer, url, progress=progress, force=force, city=catalog.city, recipes=catalog.recipes
                )
                reports.append(report)
        except LoadError as error:
            what = "loaded, without its tiles prepared" if isinstance(error, PreparationError) else "not loaded"
            failures.append(f"{layer.id}: {what}: {str(error).removeprefix(f'{layer.id}: ')}")
        except Exception as error:
            failures.append(f"{layer.id}: not loaded, by a fault of geoserver's own: {type(error).__name__}: {error}")
    if reports:
        console().print(build_table(reports))
    if any(report.reasons or report.changed for report in reports):
        console().print(build_details(reports))
    return failures


@contextlib.contextmanager
def _each(layers: list[Layer], doing: str) -> Iterator[Iterator[Layer]]:
    """Hands out one layer after the other, and shows how far they are; nothing where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} of {task.total}"))
    with Progress(*columns, console=console(), transient=True, disable=not console().is_terminal) as shown:
        task = shown.add_task(doing, total=len(layers))

        def each() -> Iterator[Layer]:
            for layer in layers:
                shown.update(task, description=f"{doing} {layer.id}")
                yield layer
                shown.advance(task)

        yield each()


def _check_database(url: str, catalog: Catalog) -> list[str]:
    from geoserver.tiling import check as check_recipes

    return [str(problem) for problem in check_recipes(url, catalog)]
