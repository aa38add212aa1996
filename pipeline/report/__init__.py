"""The report of a run: one HTML page that needs nothing else, made from the saved run alone."""
