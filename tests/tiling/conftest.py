"""The fixture of this folder; its helpers are in known_shapes.py, so that tests can import them."""

from known_shapes import shapes

__all__ = ["shapes"]
