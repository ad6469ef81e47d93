"""A command line that is parsed, and no more."""

import pytest


def parse(words: list[str]) -> None:
    """Parse a command line, to the point where something would be made of it."""
    from experiments.cli import LeydenCLI

    class Parsed(Exception):
        pass

    class ParseOnly(LeydenCLI):
        def _set_seed(self) -> None:
            raise Parsed

    with pytest.raises(Parsed):
        ParseOnly(words)
