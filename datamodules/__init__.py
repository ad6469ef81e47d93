"""Data: one file a kind, one class for the user's own files and one for each public dataset."""
