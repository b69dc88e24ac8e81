"""One HTML page that compares the runs of a sweep."""
