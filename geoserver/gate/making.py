"""New keys: what is wished for is checked, the key made and kept, and the deed written down; and keys as documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from geoserver.database.keys import StoredKey, add_key, write_audit
from geoserver.errors import BadParameterError, ForbiddenError
from geoserver.gate.credentials import make_key
from geoserver.gate.grants import parse_count, parse_expiry, parse_grant, parse_label, render_grant

if TYPE_CHECKING:
    import psycopg

    from geoserver.model import Grant

__all__ = ["Limits", "Wish", "describe", "make", "read_grants"]


@dataclass(frozen=True, slots=True)
class Wish:
    """A key that someone wants; the grants are parsed and checked already."""

    label: str
    grants: tuple[Grant, ...]
    expires: str | None = None
    rate: int | None = None
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a new key may have at most, and has where nothing is wished for; None for anything."""

    expires: datetime | None = None
    rate: int | None = None
    quota: int | None = None


def make(
    connection: psycopg.Connection, wish: Wish, subject: str, name: str, limits: Limits | None = None
) -> tuple[StoredKey, str]:
    """Keep a new key, with who made it; gives the key, too, which is known nowhere else."""
    now, limits = datetime.now(UTC), limits or Limits()
    key_id, key, digest = make_key()
    stored = StoredKey(
        id=key_id,
        digest=digest,
        label=parse_label(wish.label),
        grants=[render_grant(grant) for grant in wish.grants],
        rate=_bound("rate", parse_count(wish.rate, "rate"), limits.rate),
        quota=_bound("quota", parse_count(wish.quota, "quota"), limits.quota),
        created_at=now,
        created_by=subject,
        expires_at=_bound("expires", parse_expiry(wish.expires, now), limits.expires),
        revoked_at=None,
    )
    with connection.transaction():
        add_key(connection, stored)
        details = {"key": stored.id, "label": stored.label, "grants": list(stored.grants)}
        write_audit(connection, subject, name, "add key", details=details)
    return stored, key


def _bound[T: (int, datetime)](name: str, wished: T | None, most: T | None) -> T | None:
    """What is wished for, or the most where nothing is; raises ForbiddenError for more than that."""
    if most is None or wished is None:
        return most if wished is None else wished
    if wished > most:
        shown = _render_time(most) if isinstance(most, datetime) else f"{most:,}"
        raise ForbiddenError(f"{name}: at most {shown}, which is as much as you may give.")
    return wished


def read_grants(key: StoredKey) -> tuple[Grant, ...]:
    """Its grants as the table has them; raises BadParameterError for what cannot be read."""
    try:
        return tuple(parse_grant(item) for item in key.grants)
    except (AttributeError, TypeError) as error:
        raise BadParameterError("grants", key.grants, "a list of grants") from error


def describe(key: StoredKey) -> dict[str, Any]:
    """A key as JSON, without the key."""
    now = datetime.now(UTC)
    expired = key.expires_at is not None and key.expires_at <= now
    grants = key.grants if isinstance(key.grants, list) else []
    return {
        "id": key.id,
        "label": key.label,
        "state": "revoked" if key.revoked_at else "expired" if expired else "holds",
        "grants": [dict(grant) for grant in grants if isinstance(grant, dict)],
        "rate": key.rate,
        "quota": key.quota,
        "created": _render_time(key.created_at),
        "created_by": key.created_by,
        "expires": _render_time(key.expires_at),
        "revoked": _render_time(key.revoked_at),
        "last_used": _render_time(key.last_at),
        "used_today": key.used,
    }


def _render_time(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if instant else None
