"""Names of fields and columns: which a field may not have, and how names that look the same are made the same."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches

__all__ = ["KEYWORDS", "LONGEST", "OWN", "PARAMETERS", "SYSTEM", "clean_name", "near", "why_not"]

LONGEST = 60  # letters of a field's name, so that those made of it keep within PostgreSQL's 63 bytes
SYSTEM = frozenset({"tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"})  # columns of every table of PostgreSQL
OWN = frozenset({"fid", "geom", "geom_3857", "visible_from", "source_key", "geometry", "id", "count"})
PARAMETERS = frozenset(  # of requests for rows, where field=value filters too
    {"f", "lang", "limit", "offset", "cursor", "bbox", "crs", "datetime", "filter", "fields", "properties", "sortby"}
    | {"resulttype"}
)
KEYWORDS = frozenset({"and", "or", "not", "between", "in", "like", "is", "null", "div", "true", "false"})  # of CQL2
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
    return ""


def clean_name(name: str) -> str:
    """A column's name as people see it: letters composed, blanks of any kind single, nothing that cannot be seen."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", name)).split())


def near(name: str, names: list[str]) -> str:
    """The end of a message about a name that is none: the one that is likely meant."""
    found = get_close_matches(name.lower(), names, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
