"""OpenStreetMap -> a city's basemap: an extract becomes layers like the sample city's, drawn by the same styles.

Nothing is imported here, because the process that reads an extract needs little of it.
"""
