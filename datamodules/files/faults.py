"""Faulty examples in the user's files: stop at the first, or skip and count them."""

from typing import Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

OnError = Literal["stop", "skip"]


class Faults:
    """Counts the examples of one file or folder that cannot be used.

    What is done with an example stands under ``with faults:``, so that a ``MisconfigurationException`` of it is noted.

    Args:
        on_error: ``stop`` raises at the first, ``skip`` leaves them out.
        source: File or folder, for the message.
    """

    def __init__(self, on_error: OnError, source: str) -> None:
        self.on_error, self.source = on_error, source
        self.count = 0
        self.first = ""

    def add(self, error: Exception) -> None:
        """Note a fault, whose message names the place.

        Raises:
            MisconfigurationException: If faults are not to be skipped.
        """
        if self.on_error == "stop":
            raise MisconfigurationException(f"{error} (--data.on_error skip leaves such out)") from error
        self.first = self.first or str(error)
        self.count += 1

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: object) -> bool:
        if isinstance(error, MisconfigurationException):
            self.add(error)
        return isinstance(error, MisconfigurationException)

    def report(self, total: int, unit: str = "rows") -> None:
        """Say how many of ``total`` were left out, if any was.

        Raises:
            MisconfigurationException: If nothing is left.
        """
        if self.count and self.count == total:
            raise MisconfigurationException(
                f"{self.source}: none of {total} {unit} can be used; the first: {self.first}"
            )
        if self.count:
            rank_zero_warn(f"{self.source}: left out {self.count} of {total} {unit}; the first: {self.first}")
