"""A small city with an open and a restricted layer, keys for it, and a route that says who asked."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from fastapi import Request
from fastapi.routing import APIRoute

from geoserver.api.params import view_of
from geoserver.app import create_app
from geoserver.database.connecting import connect
from geoserver.gate.grants import render_grant
from geoserver.gate.making import Wish, make
from geoserver.model import Grant
from geoserver.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

    from geoserver.database.keys import StoredKey

LAYER = """
title = "{title}"
license = "CC0-1.0"
source = "data/{name}.csv"
kind = "points"
access = "{access}"
fields.wood = {{ type = "text", filter = "choice" }}
fields.owner = {{ type = "text", restricted = {restricted} }}
"""
READ = Grant(frozenset({"wells"}))


@dataclass
class House:
    """The database under the server, and its workspace."""

    workspace: Path
    database_url: str
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = Settings(workspace=self.workspace, database_url=None)

    def key(self, *grants: Grant, **wish: Any) -> tuple[StoredKey, str]:
        """A new key, as the command makes it."""
        with connect(self.database_url, autocommit=True) as connection:
            return make(connection, Wish("test", grants or (READ,), **wish), "command:tester", "tester")

    def do(self, statement: str, values: list[object] | None = None) -> list[Any]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


def write_workspace(folder: Path) -> Path:
    for part in ("layers", "data"):
        (folder / part).mkdir()
    for name, access in (("benches", "public"), ("wells", "restricted")):
        text = LAYER.format(title=name.title(), name=name, access=access, restricted=str(name == "wells").lower())
        (folder / "layers" / f"{name}.toml").write_text(text, encoding="utf-8")
        rows = "lon,lat,wood,owner\n-28.6,45.2,oak,Ann\n-28.61,45.21,elm,Ben\n"
        (folder / "data" / f"{name}.csv").write_text(rows, encoding="utf-8")
    return folder


def build_app(house: House, **settings: Any) -> FastAPI:
    """The app with one route more, which tells what the gate made of the request."""
    app = create_app(house.settings.model_copy(update=settings), house.database_url)

    async def who(request: Request) -> dict[str, Any]:
        access = view_of(request).access
        told = {name: getattr(access, name) for name in ("kind", "subject", "name", "by_cookie", "read_only")}
        grants = [render_grant(grant) for grant in access.grants]
        return {**told, "grants": grants, "query": request.url.query, "local": request.scope["state"]["local"]}

    app.router.routes.insert(0, APIRoute("/who", who, methods=["GET", "POST"], include_in_schema=False))
    return app


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str, user: str = "anyone") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}
