"""Tasks, one file each; their networks are in ``nets``."""
