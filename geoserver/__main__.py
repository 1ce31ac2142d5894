"""`python -m geoserver` is the command line."""

from geoserver.cli import main

main()
