"""What the server and its engine do where nothing else is said. Apart, so that the shell opens neither to know it."""

PORT = 8766
PLACES = 8  # pictures that are drawn at once; with guidance that is 16 rows, and more rows make no row cheaper
WAITING = 64
SECONDS = 120.0  # that a request may take
