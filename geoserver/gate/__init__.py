"""Who asks: `Gate.identify` turns what a request brings into an `Access`, from keys and sessions in memory."""

from geoserver.gate.credentials import (
    COOKIE,
    Given,
    MisplacedKeyError,
    has_key,
    is_basic,
    make_session,
    read_given,
    take_keys,
)
from geoserver.gate.origins import is_from
from geoserver.gate.ring import Gate, Held

__all__ = [
    "COOKIE",
    "Gate",
    "Given",
    "Held",
    "MisplacedKeyError",
    "has_key",
    "is_basic",
    "is_from",
    "make_session",
    "read_given",
    "take_keys",
]
