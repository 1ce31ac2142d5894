"""Sessions of people who signed in: begun, kept in a cookie that no script reads, and ended."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg

from geoserver.addresses import path_of
from geoserver.database.connecting import SettingsOf, connect
from geoserver.database.keys import StoredSession, add_session, end_session, write_audit
from geoserver.errors import UnavailableError, shorten
from geoserver.gate import COOKIE, make_session, read_given
from geoserver.site.openid import Person

if TYPE_CHECKING:
    from fastapi import Request, Response

    from geoserver.database.keys import StoredKey
    from geoserver.services import Services


__all__ = ["begin_session", "close_session", "cookie_path", "is_secure", "note_refusal"]

log = logging.getLogger("geoserver")

_PATIENCE = "5000"  # milliseconds


async def begin_session(request: Request, response: Response, who: StoredKey | Person) -> None:
    """Keep a new session and give its cookie; one that the browser had before ends, so that nobody else holds it.

    Raises UnavailableError.
    """
    services: Services = request.app.state.services
    token, digest = make_session()
    until = datetime.now(UTC) + timedelta(hours=services.settings.session_hours)
    session = _build_session(digest, who, until)
    before = _read_cookie(request)
    await _write(request, begun=session, ended=before)
    groups = ", ".join(session.groups) or "none"
    of_groups = "" if session.key else f"; groups: {shorten(groups, 1_000)}"
    log.info("Signed in: %s (%s)%s", session.subject, session.name, of_groups)
    response.set_cookie(
        COOKIE,
        token,
        max_age=max(1, int((session.expires_at - datetime.now(UTC)).total_seconds())),
        path=cookie_path(request),
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


async def close_session(request: Request, response: Response) -> None:
    """End the session of the browser's cookie, for whoever holds a copy of it, too. Raises UnavailableError."""
    await _write(request, ended=_read_cookie(request))
    response.delete_cookie(COOKIE, path=cookie_path(request), secure=is_secure(request), httponly=True, samesite="lax")


def cookie_path(request: Request) -> str:
    """Cookies go to our own addresses alone, where others share the host."""
    return path_of(request)


def is_secure(request: Request) -> bool:
    return bool(request.scope["scheme"] == "https")


def _build_session(digest: bytes, who: StoredKey | Person, until: datetime) -> StoredSession:
    if isinstance(who, Person):
        return StoredSession(digest, None, who.subject, who.name, who.groups, until)
    until = min(until, who.expires_at) if who.expires_at else until
    return StoredSession(digest, who.id, f"key:{who.id}", who.label, (), until)


def _describe(session: StoredSession) -> dict[str, object]:
    """What the audit keeps of a sign-in beside who it was."""
    until = session.expires_at.isoformat(timespec="seconds")
    return {"until": until} | ({} if session.key else {"groups": list(session.groups)})


def _read_cookie(request: Request) -> bytes | None:
    cookies = [(name, value) for name, value in request.scope["headers"] if name == b"cookie"]
    given = read_given(cookies, [])
    return given.digest if given else None


async def note_refusal(request: Request, client: str, how: str) -> None:
    """Keep that somebody has tried to sign in too often: an operator looks for it there. They are told so anyhow."""
    url = request.app.state.services.database.url

    def write() -> None:
        with connect(url, settings=SettingsOf(statement_timeout=_PATIENCE)) as connection:
            write_audit(connection, f"client:{client}", "", "sign-in refused", details={"by": how, "why": "too often"})

    try:
        await asyncio.to_thread(write)
    except (psycopg.Error, OSError) as error:
        log.warning("A refused sign-in could not be written to the audit: %s", error)


async def _write(request: Request, begun: StoredSession | None = None, ended: bytes | None = None) -> None:
    """Keep it and let the gate see it; other workers hear of it by a notice."""
    url, gate = request.app.state.services.database.url, request.app.state.gate

    def write() -> None:
        with connect(url, settings=SettingsOf(statement_timeout=_PATIENCE)) as connection:  # one transaction
            whose = end_session(connection, ended) if ended is not None else None
            if whose and begun is None:  # else they only begin anew
                write_audit(connection, *whose, "sign out")
            if begun is not None:
                add_session(connection, begun)
                subject = begun.subject if begun.key else f"person:{begun.subject}"
                write_audit(connection, subject, begun.name, "sign in", details=_describe(begun))

    try:
        await asyncio.to_thread(write)
        await gate.look()
    except (psycopg.Error, OSError) as error:
        raise UnavailableError("Nobody can sign in or out while the database is away; try again.") from error
