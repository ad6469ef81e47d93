"""Studies: many runs, one answer. ``leyden study`` and ``leyden compare``."""
