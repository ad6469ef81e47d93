"""What the user is told, and what not."""

import logging
import warnings

from lightning.pytorch.utilities.exceptions import MisconfigurationException


def be_quiet() -> None:
    """Leave out what does not concern the user."""
    for pattern in (
        ".*does not have many workers.*",
        ".*custom batch sampler.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*exists and is not empty.*",
        ".*dataloader is not resumable.*",  # ours is
        ".*was called before the ``update`` method.*",  # a process without examples
        ".*Total length of.*across ranks is zero.*",
        ".*LeafSpec.*",
        ".*callbacks used to create the checkpoint need to be provided.*",  # their part is in the weights
        ".*WeightAveraging doesn't support sharding.*",
    ):
        warnings.filterwarnings("ignore", pattern)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(lambda record: "litlogger" not in record.msg)


def for_the_user(error: BaseException | None) -> Exception | None:
    """The error that the user can mend, if it is one."""
    # The parser wraps what a task or datamodule says when it is made.
    while error is not None:
        if isinstance(error, MisconfigurationException | FileNotFoundError | PermissionError):
            return error
        error = error.__cause__
    return None


def last_sentence(error: Exception) -> str:
    """What an error says."""
    # Out of a worker process comes the whole traceback; its last line says what happened.
    text = str(error).strip()
    return text.splitlines()[-1].split(": ", 1)[-1] if "Original Traceback" in text else text
