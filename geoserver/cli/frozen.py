"""`geoserver frozen list|delete`: the frozen maps of a workspace."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from geoserver.cli.common import Json, Workspace, print_table, read_settings
from geoserver.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.freezing import Store

__all__ = ["app"]

app = typer.Typer(help="Maps that were frozen, with their rows and tiles.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False, workspace: Workspace = None) -> None:
    """Every frozen map, the newest first: id, title, when, how large, of how many rows."""
    store = _open(workspace)
    found = [(name, told) for name in store.list() if (told := store.read_private(name))]
    maps = [
        {
            "id": name,
            "title": told["title"],
            "frozen": told["frozen"],
            "bytes": sum(size for size, _ in told["files"].values()),
            "rows": sum(told["counts"].values()),
        }
        for name, told in found
    ]
    if as_json:
        for one in maps:
            print(json.dumps(one, ensure_ascii=False))
        return
    rows = [
        (one["id"], one["title"], one["frozen"], f"{one['bytes'] / 1e6:,.1f} MB", f"{one['rows']:,}") for one in maps
    ]
    print_table(("id", "title", "frozen", "size", "rows"), rows, whole=("id",))


@app.command("delete")
def delete(
    frozen_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` tells it.")], workspace: Workspace = None
) -> None:
    """Take a frozen map away; its address says from then on that it was deleted."""
    store = _open(workspace)
    told = store.read_private(frozen_id) if store.find(frozen_id) else None
    if told is None:
        raise NotFoundError("frozen map", frozen_id, "an id, as `geoserver frozen list` tells it")
    store.delete(frozen_id, store.remember(told, datetime.now(UTC)))
    print(f"deleted {frozen_id}: {told['title']}")


def _open(workspace: Path | None) -> Store:
    from geoserver.freezing import Store

    return Store(read_settings(workspace).workspace.resolve() / ".geoserver" / "frozen")
