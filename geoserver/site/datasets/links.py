"""Addresses of our own pages as a reader gets them: with the language that their address named."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

__all__ = ["Links"]


@dataclass(frozen=True, slots=True)
class Links:
    """`site` is the server's address, without a slash at its end; `lang` the language that the reader asked for."""

    site: str
    lang: str = ""

    def __call__(self, path: str, **query: str) -> str:
        """The address of a path, in the language that is read."""
        return self.plain(path, **query, **({"lang": self.lang} if self.lang else {}))

    def plain(self, path: str, **query: str) -> str:
        """The address without a language, unless `query` has one."""
        asked = urlencode({name: value for name, value in query.items() if value})
        return f"{self.site}{path}" + (f"?{asked}" if asked else "")
