"""A geospatial data server and map tile service for city open data."""

__version__ = "0.1.0"
