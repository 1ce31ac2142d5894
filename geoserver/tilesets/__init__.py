"""Tiles that are not made of rows here: PMTiles archives, and layers whose tiles a SQL function makes."""

from geoserver.tilesets.archive import Archive, open_archive
from geoserver.tilesets.directory import Directory
from geoserver.tilesets.holder import ArchiveStatus, Tilesets, open_layer
from geoserver.tilesets.world import render_world

__all__ = ["Archive", "ArchiveStatus", "Directory", "Tilesets", "open_archive", "open_layer", "render_world"]
