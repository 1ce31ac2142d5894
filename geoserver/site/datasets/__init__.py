"""Pages about the data: the catalogue, a page for each dataset, feeds of what was updated, the sitemap."""
