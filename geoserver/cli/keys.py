"""`geoserver keys add|list|revoke|audit`: who may see and write what is not public."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoserver.cli.common import Json, Workspace, connected, name_user, print_table, read_settings, say, show_time
from geoserver.errors import BadParameterError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.keys import StoredKey
    from geoserver.model import Layer

__all__ = ["app"]

_AT_ONCE = 1_000  # keys that are read at once

app = typer.Typer(help="Keys for layers and fields that are not public, and for writing.", no_args_is_help=True)


@app.command("add")
def add(
    *,
    label: Annotated[str, typer.Option("--label", help="Who or what it is for.")],
    layers: Annotated[
        list[str], typer.Option("--layer", metavar="ID", help="A layer; * for all; several with commas, or repeated.")
    ],
    may: Annotated[str, typer.Option("--may", help="read, write, manage, with commas between.")] = "read",
    rows: Annotated[str | None, typer.Option("--rows", metavar="CQL2", help="Only rows that fit.")] = None,
    fields: Annotated[str, typer.Option("--fields", help="Restricted fields to show, with commas; * for all.")] = "",
    expires: Annotated[str | None, typer.Option("--expires", metavar="DATE", help="The last day, or a time.")] = None,
    rate: Annotated[int | None, typer.Option("--rate", help="Requests a minute.")] = None,
    quota: Annotated[int | None, typer.Option("--quota", help="Requests a day.")] = None,
    workspace: Workspace = None,
) -> None:
    """Make a key, and print it on the last line: it is shown this once, and kept nowhere."""
    from geoserver.catalog import read_catalog
    from geoserver.gate.grants import check_grant, find_idle, parse_grant
    from geoserver.gate.making import Wish, make

    settings = read_settings(workspace)
    if rows is not None and not rows.strip():  # it may be a variable that is not set
        raise BadParameterError("--rows", rows, "a filter in CQL2, or no such option for all rows")
    document = {
        "layers": [name for text in layers for name in _split(text)],
        "may": _split(may),
        "rows": rows or "",
        "fields": _split(fields),
    }
    grant = parse_grant(document)
    known = read_catalog(settings).layers
    check_grant(grant, known)
    subject, name = name_user()
    wish = Wish(label, (grant,), expires, rate, quota)
    with connected(settings) as connection:
        stored, key = make(connection, wish, subject, name)
    for told in find_idle(grant, known):
        say(told)
    to_end = f"geoserver keys revoke {stored.id}"
    say(f"key {stored.id} for {stored.label}; it is not shown again. To revoke it: {to_end}")
    print(key)


@app.command("list")
def list_(
    most: Annotated[int, typer.Option("--most", min=1, help="How many in the table.")] = 100,
    before: Annotated[str | None, typer.Option("--before", metavar="ID", help="Those made before this one.")] = None,
    as_json: Json = False,
    workspace: Workspace = None,
) -> None:
    """Keys with what they open, when they were used last, and whether they hold, the newest last; never the keys
    themselves. With --json all of them, in full.
    """
    from geoserver.catalog import read_catalog
    from geoserver.database.keys import list_keys, list_keys_after, list_keys_before
    from geoserver.gate.making import describe

    settings = read_settings(workspace)
    with connected(settings) as connection:
        if as_json and before is None:
            last = None
            while keys := list_keys_after(connection, last, _AT_ONCE):
                for key in keys:
                    print(json.dumps(describe(key), ensure_ascii=False))
                last = keys[-1].id
            return
        if before is not None and not list_keys(connection, before):
            raise BadParameterError("--before", before, "the id of a key, as `geoserver keys list` tells it")
        keys = list_keys_before(connection, before, most + 1)
    older, keys = len(keys) > most, keys[-most:]
    if as_json:
        for key in keys:
            print(json.dumps(describe(key), ensure_ascii=False))
        return
    names = ("id", "label", "opens", "limits", "expires", "last used", "state")
    print_table(names, [_build_row(key) for key in keys], whole=("id", "state"))
    layers = read_catalog(settings).layers
    for key in keys:
        if problem := _find_problem(key, layers):
            say(f"{key.id} ({key.label}) does not open all that it names: {problem}")
    if older:
        say(f"there are older ones: geoserver keys list --before {keys[0].id}; or all of them, in full: --json")


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` tells it; or the key.")],
    with_made: Annotated[bool, typer.Option("--with-made", help="Also keys that were made with it.")] = False,
    workspace: Workspace = None,
) -> None:
    """End a key, and whoever is signed in with it; servers that run hear of it at once."""
    from geoserver.database.keys import list_keys, revoke_key, write_audit
    from geoserver.gate.credentials import digest_of, has_key
    from geoserver.gate.making import describe

    subject, name = name_user()
    with connected(read_settings(workspace)) as connection, connection.transaction():
        if has_key(key_id):  # it turned up where it should not, and nobody knows which one it is
            digest = digest_of(key_id)
            key_id = next((key.id for key in list_keys(connection) if key.digest == digest), key_id)
        revoked = revoke_key(connection, key_id, made=with_made)
        if not revoked:
            raise NotFoundError("key", key_id, "the id of a key that holds, as `geoserver keys list` tells it")
        for each in revoked:
            write_audit(connection, subject, name, "revoke key", details={"key": each})
        made = [describe(key) for key in list_keys(connection) if key.created_by == f"key:{key_id}"]
    for each in revoked:
        print(f"revoked {each}")
    if left := sum(key["state"] == "holds" for key in made):
        say(f"{left} made with it hold on; to end them: geoserver keys revoke {key_id} --with-made")


@app.command("audit")
def audit(
    most: Annotated[int, typer.Option("--most", min=1, help="How many entries.")] = 100,
    as_json: Json = False,
    workspace: Workspace = None,
) -> None:
    """Who made and revoked keys, and who wrote what; the newest last."""
    from geoserver.database.keys import list_audit

    with connected(read_settings(workspace)) as connection:
        entries = list_audit(connection, most)
    if as_json:
        for entry in entries:
            print(json.dumps(entry, ensure_ascii=False, default=str))
        return
    rows = [
        (show_time(entry["at"]), entry["subject"], entry["name"], entry["action"], entry["layer"] or "", _tell(entry))
        for entry in entries
    ]
    print_table(("at", "who", "name", "what", "layer", "details"), rows, whole=("at", "what"))


def _find_problem(key: StoredKey, layers: Mapping[str, Layer]) -> str:
    """What of a key that holds does not fit the layer files any more, if anything."""
    from geoserver.gate.grants import check_grant
    from geoserver.gate.making import describe, read_grants

    if describe(key)["state"] != "holds":
        return ""
    try:
        for grant in read_grants(key):
            check_grant(grant, layers)
    except BadParameterError as error:
        return str(error)
    return ""


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _build_row(key: StoredKey) -> list[str]:
    from geoserver.gate.making import describe

    told = describe(key)
    opens = "; ".join(_tell_grant(grant) for grant in told["grants"])
    limits = ", ".join(f"{number:,} a {span}" for number, span in ((key.rate, "minute"), (key.quota, "day")) if number)
    return [key.id, key.label, opens, limits, show_time(key.expires_at), show_time(key.last_at), str(told["state"])]


def _tell(entry: dict[str, Any]) -> str:
    """The details of an entry of the audit, for people."""
    details = dict(entry["details"] or {})
    grants = details.pop("grants", [])
    return "; ".join([*(f"{name} {value}" for name, value in details.items()), *map(_tell_grant, grants)])


def _tell_grant(grant: dict[str, Any]) -> str:
    told = f"{', '.join(grant['may'])}: {', '.join(grant['layers'])}"
    told += f" where {grant['rows']}" if grant["rows"] else ""
    return told + (f" with {', '.join(grant['fields'])}" if grant["fields"] else "")
