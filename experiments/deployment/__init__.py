"""Models in use: in Python, exported, served."""
