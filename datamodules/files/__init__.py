"""Reading and fetching files, the same way for every kind of data."""
