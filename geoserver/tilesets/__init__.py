"""Tiles that lie ready: PMTiles archives, and the world's that come with the server."""

from geoserver.tilesets.archive import Archive, open_archive, read_signature
from geoserver.tilesets.directory import Directory
from geoserver.tilesets.world import render_world

__all__ = ["Archive", "Directory", "open_archive", "read_signature", "render_world"]
