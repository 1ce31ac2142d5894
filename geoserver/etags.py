"""Entity tags: made of what an answer depends on, and compared as RFC 9110, 13.1.2 says."""

from __future__ import annotations

import hashlib
import re

__all__ = ["build_etag", "is_known"]

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def build_etag(*parts: object) -> str:
    """A strong tag; bytes stand for themselves."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\0")
    return f'"{digest.hexdigest()}"'


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the client has this state already: weak tags count as strong ones, `*` is whatever there is."""
    if not if_none_match:
        return False
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in _TAG.findall(if_none_match)
