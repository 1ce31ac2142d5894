"""`geoserver sessions list|end`: who is signed in, and the end of that."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from geoserver.cli.common import Json, Workspace, connected, name_user, print_table, read_settings, say, show_time
from geoserver.errors import NotFoundError

__all__ = ["app"]

app = typer.Typer(help="Who is signed in, with a key or by OpenID Connect.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False, workspace: Workspace = None) -> None:
    """Everybody who is signed in now, with their groups and until when; the newest last."""
    from geoserver.database.keys import list_sessions

    with connected(read_settings(workspace)) as connection:
        sessions = list_sessions(connection)
    if as_json:
        for session in sessions:
            print(json.dumps(session, ensure_ascii=False, default=str))
        return
    rows = [
        (
            each["who"],
            each["name"],
            ", ".join(each["groups"]),
            show_time(each["created_at"]),
            show_time(each["expires_at"]),
        )
        for each in sessions
    ]
    print_table(("who", "name", "groups", "since", "until"), rows, whole=("who",))


@app.command("end")
def end(
    who: Annotated[str, typer.Argument(metavar="WHO", help="person:SUBJECT or key:ID, as `list` tells it.")],
    workspace: Workspace = None,
) -> None:
    """Sign somebody out wherever they are signed in; servers that run hear of it at once."""
    from geoserver.database.keys import end_sessions, list_keys, write_audit
    from geoserver.gate.making import describe

    subject, name = name_user()
    with connected(read_settings(workspace)) as connection, connection.transaction():
        ended = end_sessions(connection, who)
        if not ended:
            raise NotFoundError("sign-in", who, "who is signed in, as `geoserver sessions list` tells it")
        write_audit(connection, subject, name, "end sessions", details={"who": who, "sessions": ended})
        made = [describe(key) for key in list_keys(connection) if key.created_by == who]
    print(f"ended {ended} of {who}")
    if left := [key["id"] for key in made if key["state"] == "holds"]:
        say(f"keys that were made so hold on: {', '.join(left)}; to end one: geoserver keys revoke ID")
