"""What libraries say of options they cannot use, as one sentence for whoever chose them."""

from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities.exceptions import MisconfigurationException

LONGEST = 300  # characters that are repeated
KINDS = (ValueError, TypeError, RuntimeError, AssertionError, ArithmeticError, ImportError, IndexError)


@contextmanager
def told(what: str, *further: type[Exception]) -> Iterator[None]:
    """Say in one sentence what went wrong while the user's options were put to use.

    Args:
        what: What could not be done.
        further: Kinds of errors that mean it as well, beside those that libraries raise of wrong values.

    Raises:
        MisconfigurationException: Instead of such an error, which is its cause.
    """
    kinds: tuple[type[Exception], ...] = (*KINDS, *further)
    try:
        yield
    except kinds as error:
        cause: BaseException = error  # the parser wraps what a class says when it is made
        while cause.__cause__ is not None and not isinstance(cause, MisconfigurationException):
            cause = cause.__cause__
        if isinstance(cause, MisconfigurationException):
            raise cause from error
        lines = str(cause).strip().splitlines() or [""]
        said = f"{type(cause).__name__}: {lines[0]}" if isinstance(cause, (*further, AssertionError)) else lines[0]
        raise MisconfigurationException(f"{what}{_where(cause)}: {said[:LONGEST] or type(cause).__name__}") from error


def _where(error: BaseException) -> str:
    """The class that was being made, if one was."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "__init__" and "self" in trace.tb_frame.f_locals:
            return f" ({type(trace.tb_frame.f_locals['self']).__name__})"
        trace = trace.tb_next
    return ""
