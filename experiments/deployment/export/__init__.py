"""Models written for programs without this package."""
