"""Everything that can go wrong, and how the web and the command line say it.

    GeoserverError                  500
    ├── BadParameterError           400   one query parameter or path part is wrong
    ├── UnauthorizedError           401   a key or session that is wrong, revoked or expired
    ├── ForbiddenError              403   a key that may not write here, or not manage
    ├── NotFoundError               404   no such layer, feature, tile, style; or not for whoever asks
    ├── UnofferedError              501   a form of an answer that there is not, where a standard wants it said so
    ├── GoneError                   410   a frozen map that was deleted
    ├── TooManyError                429   a key or a client asks for more than it may; comes with Retry-After
    ├── UnavailableError            503   the database is away or too slow; comes with Retry-After
    │   ├── UncountedError          503   what someone may see of a layer is not counted in time
    │   └── OvertakenError          503   a table changed under the question; asked again, it is answered
    ├── CatalogError                -     a layer file, style or recipe is wrong: file, key, expectation
    ├── LoadError                   -     a source cannot be loaded
    │   ├── PreparationError        -     it is loaded and served, and its tiles could not be prepared
    │   └── UnstorableError         -     not one of its rows can be stored
    └── SetupError                  -     something must be installed or configured first

Nothing here knows HTTP libraries; `geoserver.app` turns an error into `application/problem+json` (RFC 9457).
"""

from __future__ import annotations

import re

__all__ = [
    "BadParameterError",
    "CatalogError",
    "ForbiddenError",
    "GeoserverError",
    "GoneError",
    "LoadError",
    "NotFoundError",
    "OvertakenError",
    "PreparationError",
    "SetupError",
    "TooManyError",
    "UnauthorizedError",
    "UnavailableError",
    "UncountedError",
    "UnofferedError",
    "UnstorableError",
    "hide_keys",
    "shorten",
]

# Letters may stand as in an address, and in one inside another.
_SECRET = re.compile(
    r"((?:g|%(?:25)*67)(?:s|%(?:25)*73)(?:[ks]|%(?:25)*(?:6b|73))(?:_|%(?:25)*5f))[a-z0-9_%-]{8,}",
    re.ASCII | re.IGNORECASE,
)


class GeoserverError(Exception):
    """The root: `status` is the HTTP status, `title` a short constant, `str(error)` the sentence for people."""

    status = 500
    title = "Internal error"

    def members(self) -> dict[str, object]:
        """Members of the problem document beyond title, status and detail."""
        return {}


class BadParameterError(GeoserverError):
    """A request parameter is wrong; names it, gives the value and says what was expected."""

    status = 400
    title = "Bad parameter"

    def __init__(self, parameter: str, value: object, expected: str) -> None:
        self.parameter = shorten(parameter, 100)
        self.value = shorten(value)
        self.expected = expected
        super().__init__(f"{self.parameter}: got {self.value!r}; expected {expected}")

    def members(self) -> dict[str, object]:
        return {"parameter": self.parameter, "value": self.value, "expected": self.expected}


class UnauthorizedError(GeoserverError):
    """Who asks is not known by what they sent: a key or a session that is wrong, revoked or expired."""

    status = 401
    title = "Not signed in"


class ForbiddenError(GeoserverError):
    """It is known who asks, and they may not do this: write, or manage. What they may not read is not found."""

    status = 403
    title = "Not allowed"


class GoneError(GeoserverError):
    """What was there was taken away for good, by whoever may, at the moment `since` (ISO 8601)."""

    status = 410
    title = "Gone"

    def __init__(self, detail: str, since: str) -> None:
        self.since = since
        super().__init__(detail)


class TooManyError(GeoserverError):
    """A key or a client asks for more than it may; again after `retry_after` seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(detail)

    def members(self) -> dict[str, object]:
        return {"retryAfter": self.retry_after}


class NotFoundError(GeoserverError):
    """A thing named in the path does not exist; names the parameter and what there is instead."""

    status = 404
    title = "Not found"

    def __init__(self, parameter: str, value: object, expected: str) -> None:
        self.parameter = shorten(parameter, 100)
        self.value = shorten(value)
        self.expected = expected
        super().__init__(f"There is no {self.parameter} {self.value!r}; expected {expected}")

    def members(self) -> dict[str, object]:
        return {"parameter": self.parameter, "value": self.value, "expected": self.expected}


class UnofferedError(GeoserverError):
    """A form of an answer that there is not, where the standard that asks for it wants this status (oEmbed 1.0)."""

    status = 501
    title = "Not offered"


class UnavailableError(GeoserverError):
    """The database cannot answer now; the client may try again after `retry_after` seconds."""

    status = 503
    title = "Temporarily unavailable"

    def __init__(self, detail: str, retry_after: int = 5) -> None:
        self.retry_after = retry_after
        super().__init__(detail)

    def members(self) -> dict[str, object]:
        return {"retryAfter": self.retry_after}


class UncountedError(UnavailableError):
    """It takes too long to count the rows of a layer that someone may see; others can be told of without it."""


class OvertakenError(UnavailableError):
    """A table is another than when the question was put together; reading requests are asked again by themselves."""

    def __init__(self) -> None:
        super().__init__("What is loaded has just changed; try again at once.", retry_after=1)


class CatalogError(GeoserverError):
    """A file of the catalogue is wrong: which file, which key in it, and what was expected there."""

    title = "Broken catalogue"

    def __init__(self, file: str, key: str, expected: str) -> None:
        self.file = file.encode("utf-8", "replace").decode()  # a name on disk need not be UTF-8, and JSON must
        self.key = key
        self.expected = expected
        super().__init__(f"{self.file}: {key}: {expected}" if key else f"{self.file}: {expected}")


class LoadError(GeoserverError):
    """A source cannot be loaded; the rows already in service stay."""

    title = "Load failed"


class PreparationError(LoadError):
    """A layer's new rows are in service, and preparing their tiles failed; the next load goes on with that."""

    title = "Preparation failed"


class UnstorableError(LoadError):
    """A source has rows, and not one of them can be stored."""


class SetupError(GeoserverError):
    """The machine lacks something; the message says in one line what to install or set."""

    title = "Set-up incomplete"


def hide_keys(text: str) -> str:
    """The text without the secret part of keys and sessions that stand in it."""
    return _SECRET.sub(r"\1…", text)


def shorten(value: object, length: int = 200) -> str:
    """The value as text of at most `length` characters, so that an echo cannot be used to amplify; without keys."""
    text = str(value)[: 4 * length].encode("utf-8", "replace").decode()  # a lone surrogate is no UTF-8
    text = hide_keys(text)
    return text if len(text) <= length else text[: length - 1] + "…"
