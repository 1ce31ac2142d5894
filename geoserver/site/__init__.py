"""What a browser is given beside data: the built viewer, styles and letters, and the headers of every answer."""
