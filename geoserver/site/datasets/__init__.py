"""Pages about the data: the catalogue, a page for each dataset, feeds of what was updated, the sitemap."""

from geoserver.site.datasets.known import Reading
from geoserver.site.datasets.routes import feed_router, router

__all__ = ["Reading", "feed_router", "router"]
