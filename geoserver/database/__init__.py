"""PostGIS: connections, migrations, what is loaded, and the private instance for those who have none."""
