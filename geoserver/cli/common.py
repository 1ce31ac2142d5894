"""What the commands share: options, settings, the database of a workspace, and words for people."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from geoserver.errors import SetupError
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import psycopg

    from geoserver.catalog import Catalog
    from geoserver.model import Layer

__all__ = [
    "Json",
    "Workspace",
    "connected",
    "console",
    "database",
    "find_layer",
    "name_user",
    "print_table",
    "read_settings",
    "say",
    "say_error",
    "show_time",
    "undisturbed",
]

_ENDLESS = 100_000  # characters of a line

Workspace = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder with your layers/, styles/ and data. (default: this folder)"),
]
Json = Annotated[bool, typer.Option("--json", help="As JSON, one document a line.")]


def read_settings(workspace: Path | None, **given: object) -> Settings:
    """Settings from options, then the environment, then the workspace's .env file."""
    folder = workspace or Path(os.environ.get("GEOSERVER_WORKSPACE") or ".")
    values = {name: value for name, value in given.items() if value is not None}
    if not folder.is_dir():
        raise SetupError(f"--workspace: there is no folder {folder}")
    build = cast(
        "Callable[..., Settings]", Settings
    )  # pydantic checks the values, and takes more than type checkers see
    try:
        return build(_env_file=folder / ".env", workspace=folder.resolve(), **values)
    except ValidationError as error:
        raise SetupError(_explain(error, values)) from None  # its text has all settings, secrets too


def _explain(error: ValidationError, options: Mapping[str, object]) -> str:
    """The first problem, by the name that was written, of an option or of a setting."""
    first = error.errors()[0]
    said = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    said = said.replace("Input should be", "expected")
    if not first["loc"]:  # of several settings together, which are named in it
        return said
    name = str(first["loc"][0])
    known = f"--{name.replace('_', '-')}" if name in options else f"GEOSERVER_{name.upper().removeprefix('GEOSERVER_')}"
    secret = name.endswith("secret") or "database_url" in name.lower()
    return f"{known}: {said}" if secret or said.startswith("got ") else f"{known}: {said}; got {first['input']!r}"


def find_layer(catalog: Catalog, name: str) -> Layer:
    """The layer of that name; raises the problem with its file where that is broken, else NotFoundError."""
    for problem in catalog.problems:
        if name not in catalog.layers and Path(problem.file).stem == name:
            raise problem
    return catalog.layer(name)


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of a migrated database: the one that was given, or the private one, ours until the end."""
    import psycopg

    from geoserver.database import private
    from geoserver.database.migrate import apply_migrations

    with _orderly():
        try:
            url = settings.database_url or private.ensure(settings, say)
            try:
                apply_migrations(url)
            except psycopg.OperationalError as error:
                raise SetupError(f"The database cannot be reached: {' '.join(str(error).split())}") from error
            except psycopg.errors.InsufficientPrivilege as error:
                said = error.diag.message_primary
                raise SetupError(f"The database does not let this user set it up: {said}") from error
            yield url
        finally:
            if not settings.database_url:
                with undisturbed():
                    private.release(settings)


@contextlib.contextmanager
def _orderly() -> Iterator[None]:
    """Let a service manager, or a terminal that is closed, end a command as Ctrl-C does: it leaves nothing behind."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # and not under nohup
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let an impatient second Ctrl-C not break off the orderly end of the first."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def console() -> Console:
    """For people: on stderr, so that stdout holds only what a script may want."""
    return Console(stderr=True, soft_wrap=True)


def say(message: str) -> None:
    console().print(f"[dim]·[/] {escape(message)}", highlight=False)


def say_error(message: str) -> None:
    console().print(message, style="red", markup=False, highlight=False)


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[psycopg.Connection]:
    """A connection to the workspace's database; each statement is a transaction unless one is begun."""
    from geoserver.database.connecting import connect

    with database(settings) as url, connect(url, autocommit=True) as connection:
        yield connection


def name_user() -> tuple[str, str]:
    """For the audit: the user of the system who gave the command."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"command:{user}", user


def show_time(instant: datetime | None) -> str:
    """For tables; empty for never."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if instant else ""


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str]) -> None:
    """On stdout, without columns that are empty. No value loses an end: columns in `whole` are as wide as they need,
    others break; and where no terminal is, for `grep` and the like, each row is one line.
    """
    table = Table(box=None)
    told = [index for index, _ in enumerate(names) if not rows or any(row[index] for row in rows)]
    for index in told:
        table.add_column(names[index], overflow="fold", no_wrap=names[index] in whole)
    for row in rows:
        table.add_row(*(escape(row[index]) for index in told))
    Console(width=None if sys.stdout.isatty() else _ENDLESS).print(table)
