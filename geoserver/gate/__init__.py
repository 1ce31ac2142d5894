"""Who asks: `Gate.identify` turns what a request brings into an `Access`, from keys and sessions in memory."""

from geoserver.gate.credentials import COOKIE, Given, MisplacedKeyError, make_session, read_given, take_keys
from geoserver.gate.ring import Gate

__all__ = ["COOKIE", "Gate", "Given", "MisplacedKeyError", "make_session", "read_given", "take_keys"]
