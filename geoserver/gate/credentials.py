"""What a request brings to show who asks: a key or a session, out of headers and query; and how both are made.

A key is `gsk_` and 256 random bits in base64url. What is kept of it is its SHA-256: nothing that random need be slow to
hash. Nothing here repeats a secret in an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_plus

from geoserver.errors import BadParameterError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "COOKIE",
    "WRONG",
    "Given",
    "digest_of",
    "has_key",
    "is_basic",
    "make_key",
    "make_session",
    "read_given",
    "take_keys",
]

COOKIE = "geoserver_session"
_COOKIE = COOKIE.encode()
_KEY = re.compile(r"gsk_[A-Za-z0-9_-]{43}", re.ASCII)
_SESSION = re.compile(r"gss_[A-Za-z0-9_-]{43}", re.ASCII)
WRONG = "This key is not known here: it is wrong, revoked or expired."
_HOW = "expected Authorization: Bearer KEY, or Basic with the key as password"
_LONGEST = 4_096  # bytes of an Authorization header; with Basic the user's name is free


@dataclass(frozen=True, slots=True)
class Given:
    """One secret, as its digest. `read_only` where it came in an address."""

    kind: Literal["key", "session"]
    digest: bytes
    read_only: bool = False


def make_key() -> tuple[str, str, bytes]:
    """A new key's id, the key itself, and its digest."""
    key = f"gsk_{secrets.token_urlsafe(32)}"
    return secrets.token_hex(5), key, digest_of(key)


def make_session() -> tuple[str, bytes]:
    """The value of a new session's cookie, and its digest."""
    token = f"gss_{secrets.token_urlsafe(32)}"
    return token, digest_of(token)


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def has_key(text: str) -> bool:
    """Whether a key stands somewhere in a text, in an address or in one inside it."""
    return _KEY.search(text) is not None or ("%" in text and _KEY.search(_unquote(text)) is not None)


def _unquote(text: str) -> str:
    """What somebody may read who takes an address out of another."""
    return unquote_plus(unquote_plus(text)) if "%" in text else text


def take_keys(query: bytes) -> tuple[bytes, list[str]]:
    """A query string without the keys in it, and these; a field called `key` still filters.

    A key under another name is taken out, too, so that it gets into no log; then it is refused.
    """
    if b"gsk_" not in query and (b"%" not in query or "gsk_" not in _unquote(query.decode("latin-1"))):
        return query, []
    kept, keys, misplaced = [], [], ""
    for part in query.split(b"&"):
        name, _, value = (unquote_plus(piece.decode("latin-1")) for piece in part.partition(b"="))
        if name == "key" and value.startswith("gsk_"):
            keys.append(value)
        elif has_key(value) or has_key(name):
            misplaced = "query" if has_key(name) else name
        else:
            kept.append(part)
    if misplaced:
        raise MisplacedKeyError(misplaced, b"&".join(kept))
    return (b"&".join(kept) if keys else query), keys


class MisplacedKeyError(BadParameterError):
    """A key stands in a parameter that is not for keys; `query` is what is left without it."""

    def __init__(self, name: str, query: bytes) -> None:
        self.query = query
        super().__init__(name, "a key", "the key as `key`, or better as Authorization: Bearer KEY")


def read_given(headers: Iterable[tuple[bytes, bytes]], keys: list[str]) -> Given | None:
    """What the request brings; None without anything. `keys` are those that stood in the query.

    A key goes before a session. Raises BadParameterError for more than one key, UnauthorizedError for what is no key.
    """
    told, cookies = [], []
    for name, value in headers:
        if name == b"authorization":
            told.append(value)
        elif name == b"cookie" and _COOKIE in value:
            cookies.append(value)
    if len(told) + len(keys) > 1:
        raise BadParameterError("Authorization", f"{len(told) + len(keys)} keys", "one key, given once")
    if told:
        return Given("key", _digest_key(_parse_authorization(told[0])))
    if keys:
        return Given("key", _digest_key(keys[0]), read_only=True)
    token = _find_session(cookies)
    return Given("session", digest_of(token)) if token else None


def is_basic(authorizations: Iterable[str]) -> bool:
    """Whether a key came by Basic, which browsers keep and send again, whichever page makes them ask."""
    return any(value.strip().lower().startswith("basic") for value in authorizations)


def _digest_key(key: str) -> bytes:
    if not _KEY.fullmatch(key):
        raise UnauthorizedError(WRONG)
    return digest_of(key)


def _parse_authorization(header: bytes) -> str:
    scheme, _, value = header.decode("latin-1").strip().partition(" ")
    value = value.strip()
    if len(header) > _LONGEST or scheme.lower() not in ("bearer", "basic"):
        raise UnauthorizedError(f"Authorization cannot be read; {_HOW}.")
    if scheme.lower() == "bearer":
        return value
    try:
        pair = base64.b64decode(value, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise UnauthorizedError(f"Authorization: Basic holds no base64; {_HOW}.") from None
    user, _, password = pair.partition(":")
    return password or user  # `curl -u KEY:`, as many services have it


def _find_session(cookies: list[bytes]) -> str:
    """Of several cookies of our name the first that has the form of ours: another host of a domain may set one, too."""
    for line in cookies:
        for part in line.decode("latin-1").split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and _SESSION.fullmatch(value):
                return value
    return ""
