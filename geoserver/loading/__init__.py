"""Files and tables into PostGIS: staged, checked, indexed and swapped in at once; readers see old rows or new ones."""

from __future__ import annotations

from geoserver.loading.load import load
from geoserver.loading.proving import prove_sources
from geoserver.loading.report import LoadReport, Progress
from geoserver.loading.together import Loading, Together, load_together

__all__ = ["LoadReport", "Loading", "Progress", "Together", "load", "load_together", "prove_sources"]
