"""OGC API Features under /ogc: pygeoapi as a library over our own provider."""

import importlib
import warnings

with warnings.catch_warnings():
    # pygeoapi declares some models in pydantic's old way, and says so whenever it is first imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("pygeoapi.api.tiles")
