"""Names of fields and columns: which a field may not have, and how names that look the same are made the same."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING
from unicodedata import combining

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "INBORN",
    "KEYWORDS",
    "LONGEST",
    "OWN",
    "PARAMETERS",
    "SYSTEM",
    "clean_name",
    "find_likely",
    "natural_key",
    "near",
    "why_not",
]

LONGEST = 60  # letters of a field's name, so that those made of it keep within PostgreSQL's 63 bytes
SYSTEM = frozenset({"tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"})  # columns of every table of PostgreSQL
OWN = frozenset({"fid", "geom", "geom_3857", "visible_from", "source_key", "geometry", "id", "count"})
PARAMETERS = frozenset(  # of requests for rows, where field=value filters too
    {"f", "lang", "limit", "offset", "cursor", "bbox", "crs", "datetime", "filter", "fields", "properties", "sortby"}
    | {"resulttype"}
)
KEYWORDS = frozenset({"and", "or", "not", "between", "in", "like", "is", "null", "div", "true", "false"})  # of CQL2
INBORN = frozenset({"constructor"})  # of every object in JavaScript, where a table without it seems to have it
_CLOSE = 0.75  # of difflib: two letters of ten
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


def why_not(name: str) -> str:
    """Why a field cannot have this name; empty when it can."""
    if name in SYSTEM:
        return "every table of PostgreSQL has a column of this name"
    if name in OWN:
        return "this one is the server's own"
    if name in PARAMETERS:
        return "this one is a parameter of requests"
    if name in KEYWORDS:
        return "this one is a word of filters"
    if name in INBORN:
        return "in a browser everything has one of this name"
    return ""


def clean_name(name: str) -> str:
    """A column's name as people see it: letters composed, blanks of any kind single, nothing that cannot be seen."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", name)).split())


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """What to sort titles by: numbers in them count as numbers, capitals and accents as nothing."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not combining(letter))
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d{1,18})", plain) if part]


def near(name: str, names: Sequence[str]) -> str:
    """The end of a message about a name that is none: the one that is likely meant."""
    likely = find_likely(name, names)
    return f"; did you mean {likely!r}?" if likely else ""


def find_likely(name: str, names: Sequence[str]) -> str:
    """The name that is meant: the same but for capitals, accents and signs, else a near one; empty for none."""
    plain: dict[str, str] = {}
    for other in names:
        plain.setdefault(_plain(other), other)
    if found := plain.get(_plain(name)):
        return found
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=_CLOSE)
    return plain[near[0]] if near else ""


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[\W_]", "", letters) or letters
