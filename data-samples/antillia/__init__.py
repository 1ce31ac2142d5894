"""The fictional city of Antillia: every place, name and number in it is invented."""
