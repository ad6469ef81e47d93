"""Signals that ask a training to stop."""

import signal
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupted(Exception):
    """Training was asked to stop, and has written a checkpoint if there was anything to write.

    Attributes:
        signum: The signal that asked.
    """

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum


class Signals:
    """Notes Ctrl-C, SIGTERM and SIGUSR1, so that training can stop between two steps; before it they stop at once.

    Attributes:
        received: The signal that has come, if any.
        waits: Whether to note signals, instead of stopping at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.waits = False
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def listen(self) -> None:
        """Take the signals."""
        for signum in SIGNALS:
            if signum not in self._before:
                self._before[signum] = signal.signal(signum, self._note)

    def give_back(self) -> None:
        """Leave the signals to whoever had them."""
        while self._before:
            signum, handler = self._before.popitem()
            signal.signal(signum, handler)
        self.received, self.waits = None, False

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if not self.waits:
            raise Interrupted(signum, "stopped before the first step")
        if self.received is not None and signum == signal.SIGINT:  # asked twice: do not wait for the step
            raise KeyboardInterrupt
        self.received = signum
