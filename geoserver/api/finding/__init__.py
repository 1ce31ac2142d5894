"""What `/api/search` finds, part by part: layers and values in memory, places and features in the database."""
