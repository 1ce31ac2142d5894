"""Prints the API's description as JSON; it takes no database."""

import json

from geoserver.app import create_app
from geoserver.settings import Settings

if __name__ == "__main__":
    print(json.dumps(create_app(Settings(database_url=None), "postgresql://nowhere/none").openapi()))
