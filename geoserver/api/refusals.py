"""Why a request is refused before the app sees it: how large it may be, and what is malformed in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httptools

__all__ = [
    "Limits",
    "Refusal",
    "RefusedError",
    "check_head",
    "explain",
    "read_target",
    "too_large",
    "too_long",
    "too_slow",
]

_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.[01]\r?$")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    connections: int = 1_000
    head: int = 65_536
    target: int = 60_000
    headers: int = 256
    body: int = 2**20
    request_time: float = 10.0  # for a head, and again for a body
    idle_time: float = 5.0
    answer_time: float = 30.0  # in which a client takes nothing worth speaking of of its answer


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is answered here, and not by the app."""

    status: int
    title: str
    detail: str
    header: bytes = b""


class RefusedError(Exception):
    """Raised in the parser's callbacks, to end parsing."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.title)


def check_head(limits: Limits, version: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse what the parser lets pass; raises RefusedError."""
    if version not in ("1.0", "1.1"):
        raise RefusedError(Refusal(400, "Bad request", f"got HTTP/{version}; expected HTTP/1.1 or HTTP/1.0"))
    if len(target) > limits.target:
        raise RefusedError(too_long(limits))
    if len(headers) > limits.headers:
        detail = f"got {len(headers)} headers; expected at most {limits.headers}"
        raise RefusedError(Refusal(431, "Request header fields too large", detail))
    for name, value in headers:
        if name == b"content-length" and len(value) < 20 and int(value) > limits.body:  # noqa: PLR2004
            raise RefusedError(too_large(limits))
        if name == b"expect" and value.lower() != b"100-continue":
            raise RefusedError(Refusal(417, "Expectation failed", "expected Expect: 100-continue, or none"))
        if name == b"transfer-encoding" and (version == "1.0" or value.strip().lower() != b"chunked"):
            detail = "expected Transfer-Encoding: chunked, once, and under HTTP/1.1"
            raise RefusedError(Refusal(400, "Bad request", detail))


def read_target(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The path that a target means; the host of an absolute one goes into the headers (RFC 9112, 3.2)."""
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target
    if method == b"CONNECT":
        raise RefusedError(_not_allowed())
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        detail = "expected a request target that begins with a slash, or with http://"
        raise RefusedError(Refusal(400, "Bad request", detail))
    authority, rest = found.groups()
    headers[:] = [(name, authority if name == b"host" else value) for name, value in headers]
    return rest if rest.startswith(b"/") else b"/" + rest


def explain(error: httptools.HttpParserError, piece: bytes) -> Refusal:
    """What the parser found fault with; a method that it does not know is as good as one that nothing here takes."""
    line = piece.lstrip(b"\r\n").partition(b"\n")[0]
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _REQUEST_LINE.match(line):
        return _not_allowed()
    reason = str(error) if not isinstance(error, httptools.HttpParserCallbackError) else "the target cannot be read"
    return Refusal(400, "Bad request", f"got what is no HTTP/1.1: {reason}; expected a request as RFC 9112 says")


def _not_allowed() -> Refusal:
    allow = "GET, HEAD, OPTIONS"
    return Refusal(405, "Method not allowed", f"expected one of {allow}", f"allow: {allow}\r\n".encode())


def too_long(limits: Limits) -> Refusal:
    return Refusal(414, "URI too long", f"expected an address of at most {limits.target} bytes")


def too_large(limits: Limits) -> Refusal:
    return Refusal(413, "Content too large", f"expected a body of at most {limits.body} bytes")


def too_slow(limits: Limits, part: str) -> Refusal:
    return Refusal(408, "Request timeout", f"expected the whole {part} within {limits.request_time:g} seconds")
