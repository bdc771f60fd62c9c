"""The report of a run as one HTML page, cards for the hub, and tables in a terminal."""
